#include "cuda/launch/ops.h"

namespace gradops::cuda {

GRADOPS_DEFINE_LAUNCHER(LossMemo)
GRADOPS_DEFINE_LAUNCHER(LossGrad)

}  // namespace gradops::cuda
