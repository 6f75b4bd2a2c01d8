#pragma once

#include "cpu/kernels.h"

namespace gradops::cpu {

/// The target in use, chosen on first call: the widest that this machine can run, or the one that
/// the environment variable GRADOPS_CPU_TARGET names (for tests and measurements).
const Target& ActiveTarget();

}  // namespace gradops::cpu
