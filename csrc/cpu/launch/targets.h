#pragma once

#include "cpu/kernels.h"

namespace gradops::cpu {

/// The target that runs, chosen at first use: the widest one that this machine can run, or the one
/// that the environment variable GRADOPS_CPU_TARGET names (for tests and measurement).
const Target& ActiveTarget();

}  // namespace gradops::cpu
