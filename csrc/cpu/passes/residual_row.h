#pragma once

#include "cpu/passes/row_sums.h"
#include "cpu/simd/simd_convert.h"
#include "cpu/sweeps/tile.h"
#include "math/response.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// A row of gradients: down the rows, along the columns.
template <class T>
struct GradientRow {
  T *y = nullptr, *x = nullptr;

  GradientRow() = default;
  GRADOPS_FN GradientRow(T* the_y, T* the_x) : y(the_y), x(the_x) {}
  /// The first of `rows` rows.
  GradientRow(RowAllocator<T>* memory, int64_t rows)
      : y(memory->Take(rows)), x(memory->Take(rows)) {}

  /// Row i of those that begin here, `stride` apart.
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

/// The factors of a row of residuals: a weight for each position, and a byte for each, which is 0
/// where the residual down the rows, or along the columns, is dropped. So is one of weight 0.
template <class T>
struct FactorRow {
  const T* weight = nullptr;
  const uint8_t *y = nullptr, *x = nullptr;
  int64_t weight_stride = 0, byte_stride = 0;  // to the next row; 0 where all rows are alike

  /// Row i of those that begin here.
  GRADOPS_FN FactorRow Row(int64_t i) const {
    return {weight + i * weight_stride, y + i * byte_stride, x + i * byte_stride, weight_stride,
            byte_stride};
  }
  /// Numbers with their weights, 0 where dropped, whatever they are.
  GRADOPS_FN math::Gradient<Simd<T>> Weighted(int64_t at, math::Gradient<Simd<T>> numbers) const {
    const Simd<T> weights = Simd<T>::Load(weight + at), zero(0);
    const auto weighted = weights > zero;
    return {Select(weighted & AreSet<T>(y + at), weights * numbers.y, zero),
            Select(weighted & AreSet<T>(x + at), weights * numbers.x, zero)};
  }
};

/// One row of everything between the horizontal passes.
template <class T>
struct ResidualRow {
  int64_t size;
  CountedPositions<T> counted;
  GradientRow<T> pred, target, vector;  // read: gradients of the images (pred: of the difference)
  FactorRow<T> factor;                  // read
  GradientRow<T> slopes, true_slopes;   // written; true_slopes only where not null
};

/// What a pass over a row finds: sums of values; those and slopes; sums of <vector, slopes> and
/// what the vector does to the slopes.
enum class Order { kValue, kSlope, kSecond };

template <class T>
using ResidualRowFunction = void (*)(const ResidualRow<T>& row, double penalty_parameter,
                                     double response_epsilon, LaneSums<T>* sums);

/// The function for the response and penalty of the parameters; instantiated in target_rows.cc.
template <class T>
ResidualRowFunction<T> FindResidualRow(const KernelParams& params, Order order, bool weighted);

}  // namespace gradops::cpu::GRADOPS_TARGET
