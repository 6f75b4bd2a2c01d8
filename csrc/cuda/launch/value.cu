#include "cuda/launch/ops.h"

namespace gradops::cuda {

GRADOPS_DEFINE_LAUNCHER(Loss)
GRADOPS_DEFINE_LAUNCHER(LossCounts)

}  // namespace gradops::cuda
