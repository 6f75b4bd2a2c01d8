#ifndef GRADOPS_CPU_LAUNCH_LEVELS_H_
#define GRADOPS_CPU_LAUNCH_LEVELS_H_

#include <string>

#include "core/launch.h"

namespace gradops::cpu {

/// LaunchLoss over several scales.
template <class S>
std::string LaunchLevels(const KernelParams& params, const LossInputs<S>& inputs,
                         ComputeType<S>* loss, PerExample<ComputeType<S>> upstream, S* gradient,
                         const ParallelFor& parallel_for);

/// LaunchLossSecond over several scales.
template <class S>
std::string LaunchLevelsSecond(const KernelParams& params, const LossInputs<S>& inputs,
                               const S* vector, PerExample<ComputeType<S>> upstream,
                               ComputeType<S>* by_upstream, S* by_pred, S* by_true,
                               const ParallelFor& parallel_for);

}  // namespace gradops::cpu

#endif  // GRADOPS_CPU_LAUNCH_LEVELS_H_
