#ifndef GRADOPS_CORE_LAUNCH_H_
#define GRADOPS_CORE_LAUNCH_H_

#include <cstdint>
#include <functional>
#include <string>

#include "core/params.h"

namespace gradops {

/// parallel_for(count, unit) calls unit(0) .. unit(count - 1), each once, in any order and possibly
/// at the same time, and returns when all are done. Work is cut into units by shape alone, so
/// results do not depend on how many threads run them.
using ParallelFor =
    std::function<void(int64_t count, const std::function<void(int64_t unit)>& run_unit)>;

/// A [B] tensor, a [B, axes] tensor or one value that stands for all (strides 0).
template <class T>
struct PerExample {
  const T* data = nullptr;
  int64_t stride = 1;
  int64_t axis_stride = 0;

  GRADOPS_FN T At(int64_t example, int axis) const {
    return data[example * stride + axis * axis_stride];
  }
};

/// A value for every pixel, [B, H, W, 1], or for every channel of it, [B, H, W, C] (channels_first:
/// [B, 1, H, W], [B, C, H, W]). Null: not given.
template <class T>
struct PixelMap {
  const T* data = nullptr;
  bool per_channel = false;
};

/// The tensors that a loss is a function of.
template <class S>
struct LossInputs {
  const S* y_true;  // null: an image of zeros
  const S* y_pred;
  PixelMap<ComputeType<S>> weights;
  PixelMap<bool> mask;
};

/// Losses per example: the [B] losses or, for normalizer "none", [B, axes] sums.
inline int AxesOf(const KernelParams& params) {
  return params.normalizer == NormalizerId::kNone ? ResidualsOf(params.response) : 1;
}

// Every launcher returns "" or what is wrong with its inputs. Images need not be aligned. Outputs
// must not overlap inputs.

/// loss_b = sum of w rho over the counted residuals / D_b, with D_b from the normalizer. Where
/// `gradient` is not null, also gradient_b = upstream_b * dloss_b / dy_pred, in the same sweep;
/// `loss` may then be null.
template <class S>
std::string LaunchLoss(const KernelParams& params, const LossInputs<S>& inputs,
                       ComputeType<S>* loss, PerExample<ComputeType<S>> upstream, S* gradient,
                       const ParallelFor& parallel_for);

/// gradient_b = upstream_b * dloss_b / dy_pred, by the cheapest way that is right for each example:
/// `memo` (may be null) holds expected_b * dloss_b / dy_pred, so it is copied where upstream_b
/// equals expected_b, scaled where that loses nothing, and left aside otherwise. `gradient` may be
/// `memo`.
template <class S>
std::string LaunchLossGradient(const KernelParams& params, const LossInputs<S>& inputs,
                               const S* memo, PerExample<ComputeType<S>> expected,
                               PerExample<ComputeType<S>> upstream, S* gradient,
                               const ParallelFor& parallel_for);

/// Whether LaunchLossGradient would return the memo unchanged.
template <class T>
bool MemoIsGradient(int64_t batch, int axes, PerExample<T> expected, PerExample<T> upstream);

/// The derivatives of <vector, upstream_b * dloss_b / dy_pred>:
///   by_upstream  [B] or [B, axes]: <vector_b, dloss_b / dy_pred>
///   by_pred      upstream_b * H_pp vector_b
///   by_true      upstream_b * H_tp vector_b; null: not wanted
template <class S>
std::string LaunchLossSecond(const KernelParams& params, const LossInputs<S>& inputs,
                             const S* vector, PerExample<ComputeType<S>> upstream,
                             ComputeType<S>* by_upstream, S* by_pred, S* by_true,
                             const ParallelFor& parallel_for);

/// counts [B, residuals]: the sums of the weights of the counted residuals, by axis. Reads weights
/// and mask only.
template <class S>
std::string LaunchCounts(const KernelParams& params, const LossInputs<S>& inputs,
                         ComputeType<S>* counts, const ParallelFor& parallel_for);

/// gradients [B, H, W, C, 2] = (dy, dx) of images [B, H, W, C]; 0 where border valid counts none.
template <class S>
std::string LaunchImageGradients(const KernelParams& params, const S* images, S* gradients,
                                 const ParallelFor& parallel_for);

/// The adjoint: images [B, H, W, C] = S^T upstream, upstream [B, H, W, C, 2].
template <class S>
std::string LaunchImageGradientsAdjoint(const KernelParams& params, const S* upstream, S* images,
                                        const ParallelFor& parallel_for);

/// magnitudes [B, H, W, C] = sqrt(dy^2 + dx^2 + response_epsilon) of images [B, H, W, C].
template <class S>
std::string LaunchGradientMagnitude(const KernelParams& params, const S* images, S* magnitudes,
                                    const ParallelFor& parallel_for);

/// gradient = upstream * d magnitude / d images.
template <class S>
std::string LaunchGradientMagnitudeGradient(const KernelParams& params, const S* images,
                                            const S* upstream, S* gradient,
                                            const ParallelFor& parallel_for);

}  // namespace gradops

#endif  // GRADOPS_CORE_LAUNCH_H_
