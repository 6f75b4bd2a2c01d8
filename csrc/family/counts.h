#pragma once

#include "family/params.h"

namespace gradops {

/// Sums over residuals: of the derivatives down the rows, and along the columns.
struct AxisSums {
  double y, x;
};

/// What a denominator counts: residuals that count, or pixels that are valid.
enum class Counted { kResiduals, kPixels };

inline Counted CountedFor(NormalizerId normalizer) {
  return normalizer == NormalizerId::kPixels ? Counted::kPixels : Counted::kResiduals;
}

/// The largest weight of an example, if it is not 0, has to lie in this range: products with it and
/// their sums then neither overflow nor vanish in T.
template <class T>
struct WeightRange {
  static constexpr T kMin = sizeof(T) == 4 ? T(1e-30) : T(1e-290);
  static constexpr T kMax = sizeof(T) == 4 ? T(1e19) : T(1e150);
};

/// What counts of an example without weights and mask, from its shape alone.
AxisSums CountByShape(const KernelParams& params, Counted counted);

/// What each example's sum is divided by, [batch], of the counts of each. A count that is NaN makes
/// its denominator NaN.
GRADOPS_FN void WriteDenominators(const KernelParams& params, const AxisSums* counts,
                                  double* denominators) {
  const int64_t batch = params.shape.batch;
  double total = 0;
  for (int64_t example = 0; example < batch; ++example) {
    const double count = counts[example].y + counts[example].x;
    denominators[example] = params.normalizer == NormalizerId::kNone && count == count ? 1 : count;
    total += count;
  }
  if (params.normalizer != NormalizerId::kBatch) return;
  for (int64_t example = 0; example < batch; ++example) {
    denominators[example] = total / static_cast<double>(batch);
  }
}

/// The losses of an example, or its sums by axis: 0 where nothing counts.
template <class T>
GRADOPS_FN void WriteLoss(AxisSums sum, double denominator, int axes, T* loss) {
  const bool nothing = denominator == 0;
  const double first = axes == 1 ? sum.y + sum.x : sum.y;
  loss[0] = static_cast<T>(nothing ? 0 : first / denominator);
  if (axes == 2) loss[1] = static_cast<T>(nothing ? 0 : sum.x / denominator);
}

/// The factor between the adjoint of a stencil's taps and the gradient.
template <class T>
GRADOPS_FN T GradientScale(const KernelParams& params, T upstream, double denominator) {
  return static_cast<T>(static_cast<double>(upstream) * params.stencil.scale / denominator);
}

}  // namespace gradops
