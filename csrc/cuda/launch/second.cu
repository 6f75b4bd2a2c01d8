#include "cuda/launch/ops.h"

namespace gradops::cuda {

GRADOPS_DEFINE_LAUNCHER(LossGradGrad)

}  // namespace gradops::cuda
