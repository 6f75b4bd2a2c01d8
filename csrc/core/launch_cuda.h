#ifndef GRADOPS_CORE_LAUNCH_CUDA_H_
#define GRADOPS_CORE_LAUNCH_CUDA_H_

#include <cstddef>
#include <functional>
#include <string>

#include "core/launch.h"

// The launchers of core/launch.h for buffers of a CUDA device. They enqueue work on a stream and
// return: nothing waits for the device, and no value is read back. Needs no CUDA header.

namespace gradops::cuda {

/// Where work is enqueued, and what gives it scratch memory: aligned to 256 bytes, of the device,
/// and not reused before the work that was enqueued up to then is done. Null if there is none.
struct Queue {
  void* stream;  // cudaStream_t
  std::function<void*(size_t bytes)> allocate;
};

// Every launcher returns "" or what CUDA says is wrong. Of weights that are negative or NaN the
// device tells nobody: the losses and gradients of their examples become NaN.

/// As gradops::LaunchLoss.
template <class S>
std::string LaunchLoss(const KernelParams& params, const LossInputs<S>& inputs,
                       ComputeType<S>* loss, PerExample<ComputeType<S>> upstream, S* gradient,
                       const Queue& queue);

/// As gradops::LaunchLossSecond.
template <class S>
std::string LaunchLossSecond(const KernelParams& params, const LossInputs<S>& inputs,
                             const S* vector, PerExample<ComputeType<S>> upstream,
                             ComputeType<S>* by_upstream, S* by_pred, S* by_true,
                             const Queue& queue);

/// As gradops::LaunchCounts.
template <class S>
std::string LaunchCounts(const KernelParams& params, const LossInputs<S>& inputs,
                         ComputeType<S>* counts, const Queue& queue);

}  // namespace gradops::cuda

#endif  // GRADOPS_CORE_LAUNCH_CUDA_H_
