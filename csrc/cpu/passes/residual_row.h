#pragma once

#include "cpu/passes/row_sums.h"
#include "cpu/rows/image_rows.h"
#include "math/gradient.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// A row of gradients: derivatives down the rows (y) and along the columns (x).
template <class T>
struct GradientRow {
  T *y = nullptr, *x = nullptr;

  GradientRow() = default;
  GRADOPS_FN GradientRow(T* the_y, T* the_x) : y(the_y), x(the_x) {}
  /// Takes memory for `rows` rows and points to the first.
  GradientRow(RowAllocator<T>* memory, int64_t rows)
      : y(memory->Take(rows)), x(memory->Take(rows)) {}

  /// The i-th row from this one, where rows are `stride` apart.
  GRADOPS_FN GradientRow Row(int64_t i, int64_t stride) const {
    return {y + i * stride, x + i * stride};
  }
  GRADOPS_FN math::Gradient<Simd<T>> Load(int64_t at) const {
    return {Simd<T>::Load(y + at), Simd<T>::Load(x + at)};
  }
  GRADOPS_FN void Store(int64_t at, math::Gradient<Simd<T>> g) const {
    g.y.Store(y + at);
    g.x.Store(x + at);
  }
};

/// The factors of a row of residuals: for each position a weight, and for each axis a byte that is
/// 0 where the residual is dropped. A residual of weight 0 is dropped too.
template <class T>
struct FactorRow {
  const T* weight = nullptr;
  const uint8_t *y = nullptr, *x = nullptr;
  int64_t weight_stride = 0, byte_stride = 0;  // to the next row; 0 if all rows are the same

  /// The i-th row from this one.
  GRADOPS_FN FactorRow Row(int64_t i) const {
    return {weight + i * weight_stride, y + i * byte_stride, x + i * byte_stride, weight_stride,
            byte_stride};
  }
  /// Values times their weights, and 0 for dropped ones, even if they are NaN.
  GRADOPS_FN math::Gradient<Simd<T>> Weighted(int64_t at, math::Gradient<Simd<T>> values) const {
    const Simd<T> weights = Simd<T>::Load(weight + at);
    return {KeptLanes<T>(y + at, weights).Of(weights * values.y),
            KeptLanes<T>(x + at, weights).Of(weights * values.x)};
  }
  /// Gradients, and 0 for dropped residuals, even if they are NaN; for weights that are all 1.
  GRADOPS_FN math::Gradient<Simd<T>> Kept(int64_t at, math::Gradient<Simd<T>> gradients) const {
    return {KeptLanes<T>(y + at).Of(gradients.y), KeptLanes<T>(x + at).Of(gradients.x)};
  }
  /// The derivatives of the sum of scale * (values times their weights) by the weights: also where
  /// a weight is 0.
  GRADOPS_FN Simd<T> ByWeight(int64_t at, math::Gradient<Simd<T>> values,
                              math::Gradient<T> scale) const {
    return KeptLanes<T>(y + at).Of(Simd<T>(scale.y) * values.y) +
           KeptLanes<T>(x + at).Of(Simd<T>(scale.x) * values.x);
  }
};

/// What factors residuals have.
enum class Weighting {
  kNone,
  kMask,      // some are dropped, the others have weight 1
  kFactors,   // they have weights, and some may be dropped
  kByWeight,  // the same, and the derivatives by the weights are wanted
};

/// One row of everything between the horizontal passes.
template <class T>
struct ResidualRow {
  int64_t size;
  PositionRange summed;  // those of the tile's own columns
  // Inputs: the images' gradients. If the response sees the difference alone, pred is its gradient.
  GradientRow<T> pred, target, vector;
  FactorRow<T> factor;
  GradientRow<T> slopes, true_slopes;  // outputs; true_slopes may be null
  RowsAhead ahead;                     // the first row is prefetched
};

template <class T>
using ResidualRowFunction = void (*)(const ResidualRow<T>& row, const KernelParams& params,
                                     LaneSums<T>* sums);

/// Finds the derivatives of the sums of `row` times `scale` by its weights.
template <class T>
using ByWeightRowFunction = void (*)(const ResidualRow<T>& row, const KernelParams& params,
                                     math::Gradient<T> scale, T* by_weight);

/// The functions for the response and penalty in `params`; instantiated in target_rows.cc.
template <class T>
ResidualRowFunction<T> FindResidualRow(const KernelParams& params, Order order, bool weighted);
template <class T>
ByWeightRowFunction<T> FindByWeightRow(const KernelParams& params, Order order);

}  // namespace gradops::cpu::GRADOPS_TARGET
