#ifndef GRADOPS_CORE_LAUNCH_CUDA_H_
#define GRADOPS_CORE_LAUNCH_CUDA_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/launch.h"

// The launchers of core/launch.h for buffers of a CUDA device. They enqueue work on a stream and
// return: nothing waits for the device, and no value is read back. Needs no CUDA header.

namespace gradops::cuda {

/// Where work is enqueued, and what gives it scratch memory: aligned to 16 bytes, of the device,
/// and not reused before the work that was enqueued up to then is done. Null if there is none.
struct Queue {
  void* stream;  // cudaStream_t
  std::function<void*(size_t bytes)> allocate;
};

/// Scratch memory for callers that have no allocator of their own: of the stream's pool, and given
/// back to it in the stream's order.
class StreamMemory {
 public:
  explicit StreamMemory(void* stream) : stream_(stream) {}
  StreamMemory(const StreamMemory&) = delete;
  StreamMemory& operator=(const StreamMemory&) = delete;
  ~StreamMemory();
  void* Allocate(size_t bytes);

 private:
  void* const stream_;
  std::vector<void*> blocks_;
};

/// "" or why this process cannot run the kernels: there is no driver, or it is older than the
/// toolkit that they were built with needs. Asks the driver once.
std::string CheckDriver();

/// Messages that begin so are CUDA's, of a launch that failed.
inline constexpr const char* kCudaError = "CUDA: ";
/// The error for several levels: gradops/_scales.py composes such losses where there is a GPU.
inline constexpr const char* kNoLevels =
    "scale_weights, pixel_weight: the CUDA kernels take one scale of weight 1 and no pixels";

// Every launcher returns "" or what is wrong: with its inputs, or by CUDA's word. Of weights that
// are negative or NaN the device tells nobody: the losses and gradients of their examples become
// NaN.

/// As gradops::LaunchLoss.
template <class S>
std::string LaunchLoss(const KernelParams& params, const LossInputs<S>& inputs,
                       ComputeType<S>* loss, PerExample<ComputeType<S>> upstream, S* gradient,
                       const Queue& queue);

/// As gradops::LaunchLossGradient: how the memo serves is decided on the device. `gradient` may be
/// `memo`: then nothing is copied.
template <class S>
std::string LaunchLossGradient(const KernelParams& params, const LossInputs<S>& inputs,
                               const S* memo, PerExample<ComputeType<S>> expected,
                               PerExample<ComputeType<S>> upstream, S* gradient,
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

// As their namesakes in gradops.
template <class S>
std::string LaunchImageGradients(const KernelParams& params, const S* images, S* gradients,
                                 const Queue& queue);
template <class S>
std::string LaunchImageGradientsAdjoint(const KernelParams& params, const S* upstream, S* images,
                                        const Queue& queue);
template <class S>
std::string LaunchGradientMagnitude(const KernelParams& params, const S* images, S* magnitudes,
                                    const Queue& queue);
template <class S>
std::string LaunchGradientMagnitudeGradient(const KernelParams& params, const S* images,
                                            const S* upstream, S* gradient, const Queue& queue);

// Yardsticks (docs/performance.md): out = a - b; sums [kYardstickSums] of |a - b|; nothing at all.
inline constexpr int kYardstickSums = 1024;
template <class S>
std::string LaunchTriad(const S* a, const S* b, S* out, int64_t size, const Queue& queue);
template <class S>
std::string LaunchSumAbsoluteDifference(const S* a, const S* b, ComputeType<S>* sums, int64_t size,
                                        const Queue& queue);
std::string LaunchNothing(const Queue& queue);

}  // namespace gradops::cuda

#endif  // GRADOPS_CORE_LAUNCH_CUDA_H_
