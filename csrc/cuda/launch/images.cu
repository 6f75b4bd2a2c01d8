#include "cuda/launch/ops.h"

namespace gradops::cuda {

GRADOPS_DEFINE_LAUNCHER(ImageGradients)
GRADOPS_DEFINE_LAUNCHER(ImageGradientsAdjoint)
GRADOPS_DEFINE_LAUNCHER(GradientMagnitude)
GRADOPS_DEFINE_LAUNCHER(GradientMagnitudeGrad)

}  // namespace gradops::cuda
