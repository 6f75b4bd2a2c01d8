#pragma once

#include "op/launch.h"

namespace gradops::cpu {

using Queue = ParallelFor;

GRADOPS_OPS(GRADOPS_DECLARE_LAUNCHER)

}  // namespace gradops::cpu
