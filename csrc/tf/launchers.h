#ifndef GRADOPS_TF_LAUNCHERS_H_
#define GRADOPS_TF_LAUNCHERS_H_

#include "core/launch.h"
#include "core/launch_cuda.h"

// Both sets of launchers under one name: the last argument, a ParallelFor or a cuda::Queue,
// chooses.

namespace gradops::tf_ops {

#define GRADOPS_USING(launcher) \
  using gradops::launcher;      \
  using gradops::cuda::launcher;
GRADOPS_USING(LaunchLoss)
GRADOPS_USING(LaunchLossGradient)
GRADOPS_USING(LaunchLossSecond)
GRADOPS_USING(LaunchCounts)
GRADOPS_USING(LaunchImageGradients)
GRADOPS_USING(LaunchImageGradientsAdjoint)
GRADOPS_USING(LaunchGradientMagnitude)
GRADOPS_USING(LaunchGradientMagnitudeGradient)
#undef GRADOPS_USING

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_LAUNCHERS_H_
