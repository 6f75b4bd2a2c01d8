#pragma once

#include "op/launch.h"

namespace gradops::cuda {

GRADOPS_OPS(GRADOPS_DECLARE_LAUNCHER)

}  // namespace gradops::cuda
