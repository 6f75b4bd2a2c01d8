#pragma once

#include "family/params.h"

namespace gradops {

/// Sums over the residuals of each axis: down the rows (y) and along the columns (x).
struct AxisSums {
  double y, x;
};

/// What a denominator adds the weights of: residuals that count, or valid pixels.
enum class Counted { kResiduals, kPixels };

inline Counted CountedFor(NormalizerId normalizer) {
  const bool of_pixels =
      normalizer == NormalizerId::kPixels || normalizer == NormalizerId::kPixelCount;
  return of_pixels ? Counted::kPixels : Counted::kResiduals;
}

/// Whether counts add up weights. If not, they are numbers, whatever the weights are.
inline bool SumsWeights(NormalizerId normalizer) {
  return normalizer != NormalizerId::kResidualCount && normalizer != NormalizerId::kPixelCount;
}

/// Whether a loss depends on the weights through its denominator too.
inline bool DividesByWeights(NormalizerId normalizer) {
  return SumsWeights(normalizer) && normalizer != NormalizerId::kNone;
}

/// The range in which the largest weight of an example must lie unless it is 0, so that products
/// with it and their sums neither overflow nor vanish in T.
template <class T>
struct WeightRange {
  static constexpr T kMin = sizeof(T) == 4 ? T(1e-30) : T(1e-290);
  static constexpr T kMax = sizeof(T) == 4 ? T(1e19) : T(1e150);
};

/// The counts of an example without weights and mask, which depend on its shape alone.
AxisSums CountByShape(const KernelParams& params, Counted counted);

/// From each example's counts, what its sum is divided by, [batch]. A NaN count gives a NaN.
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

/// Writes what the number of residuals at each weight is multiplied by in the derivative by it,
/// [batch]: u_b L_b / D_b or, for normalizer "batch", whose denominator is that of all examples,
/// the mean of these. loss_of(b) is u_b L_b. 0 where nothing counts.
template <class LossOf>
GRADOPS_FN void WriteCountFactors(NormalizerId normalizer, int64_t batch, LossOf&& loss_of,
                                  const double* denominators, double* factors) {
  double total = 0;
  for (int64_t example = 0; example < batch; ++example) {
    const double denominator = denominators[example];
    factors[example] = denominator == 0 ? 0 : loss_of(example) / denominator;
    total += factors[example];
  }
  if (normalizer != NormalizerId::kBatch) return;
  for (int64_t example = 0; example < batch; ++example) {
    factors[example] = total / static_cast<double>(batch);
  }
}

/// Writes the loss of an example or, for two axes, its sums by axis; 0 if nothing counts.
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
