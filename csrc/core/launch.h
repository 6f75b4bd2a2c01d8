#ifndef GRADOPS_CORE_LAUNCH_H_
#define GRADOPS_CORE_LAUNCH_H_

#include <cstdint>
#include <functional>

#include "core/params.h"

namespace gradops {

/// parallel_for(count, unit) calls unit(0) .. unit(count - 1), each once, in any order and possibly
/// at the same time, and returns when all are done. Work is cut into units by shape alone, so
/// results do not depend on how many threads run them.
using ParallelFor =
    std::function<void(int64_t count, const std::function<void(int64_t unit)>& run_unit)>;

/// A [B] tensor, or one value that stands for all examples (stride 0).
template <class T>
struct PerExample {
  const T* data = nullptr;
  int64_t stride = 1;

  T operator[](int64_t example) const { return data[example * stride]; }
};

/// loss_b = mean over the residuals of rho. Where `gradient` is not null, also
/// gradient_b = upstream_b * dloss_b / dy_pred, in the same sweep; `loss` may then be null.
/// Images need not be aligned. `gradient` must not overlap the inputs.
template <class T>
void LaunchLoss(const KernelParams& params, const T* y_true, const T* y_pred, LossType<T>* loss,
                PerExample<LossType<T>> upstream, T* gradient, const ParallelFor& parallel_for);

/// gradient_b = upstream_b * dloss_b / dy_pred, by the cheapest way that is right for each example:
/// `memo` (may be null) holds expected_b * dloss_b / dy_pred, so it is copied where upstream_b
/// equals expected_b, scaled where that loses nothing, and left aside otherwise. `gradient` may be
/// `memo`.
template <class T>
void LaunchLossGradient(const KernelParams& params, const T* y_true, const T* y_pred, const T* memo,
                        PerExample<LossType<T>> expected, PerExample<LossType<T>> upstream,
                        T* gradient, const ParallelFor& parallel_for);

/// Whether LaunchLossGradient would return the memo unchanged.
template <class T>
bool MemoIsGradient(int64_t batch, PerExample<T> expected, PerExample<T> upstream);

/// gradients [B, H, W, C, 2] = (dy, dx) of images [B, H, W, C].
template <class T>
void LaunchImageGradients(const KernelParams& params, const T* images, T* gradients,
                          const ParallelFor& parallel_for);

/// The adjoint: images [B, H, W, C] = S^T upstream, upstream [B, H, W, C, 2].
template <class T>
void LaunchImageGradientsAdjoint(const KernelParams& params, const T* upstream, T* images,
                                 const ParallelFor& parallel_for);

}  // namespace gradops

#endif  // GRADOPS_CORE_LAUNCH_H_
