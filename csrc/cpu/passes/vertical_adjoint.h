#pragma once

#include "cpu/sweeps/tile.h"
#include "math/interior_taps.h"

// The vertical passes of one row. `Rows` is a Ring; of the rows above, here and below, those of
// weight 0 are not read.

namespace gradops::cpu::GRADOPS_TARGET {

template <class T>
struct ThreeRows {
  const T* rows[3];

  template <class Rows>
  GRADOPS_FN ThreeRows(const Rows& ring, int64_t row)
      : rows{ring[row - 1], ring[row], ring[row + 1]} {}

  /// One register of the sum of weight_k * rows_k. A row of weight 0 is not read.
  GRADOPS_FN Simd<T> Weighted(const double weights[3], int64_t x) const {
    Simd<T> sum(0);
    for (int k = 0; k < 3; ++k) {
      if (weights[k] != 0) sum = sum + Simd<T>(weights[k]) * Simd<T>::Load(rows[k] + x);
    }
    return sum;
  }
};

/// Row `row` of A = s_h^T slope_x and B = D_h^T slope_y, for the first `size` positions.
template <class T, class Rows>
void VerticalAdjoint(const KernelParams& params, int64_t height, int64_t size, const Rows& slope_y,
                     const Rows& slope_x, int64_t row, T* a, T* b) {
  const ThreeRows<T> sx(slope_x, row), sy(slope_y, row);
  if (math::IsAdjointEdge(row, height) && !math::Wraps(params.stencil, params.border, height)) {
    const math::AxisTaps taps = AdjointTaps(params.stencil, params.border, row, height);
    ForEachRegister<T>(0, size, [&](int64_t x) GRADOPS_LAMBDA {
      sx.Weighted(taps.smoothing, x).Store(a + x);
      sy.Weighted(taps.derivative, x).Store(b + x);
    });
    return;
  }
  math::VisitTaps<Simd<T>>(params.stencil, [&](auto taps) GRADOPS_LAMBDA {
    ForEachRegister<T>(0, size, [=](int64_t x) GRADOPS_LAMBDA {
      taps.Smooth(GRADOPS_LOAD(sx.rows[0] + x), GRADOPS_LOAD(sx.rows[1] + x),
                  GRADOPS_LOAD(sx.rows[2] + x))
          .Store(a + x);
      taps.DerivativeAdjoint(GRADOPS_LOAD(sy.rows[0] + x), GRADOPS_LOAD(sy.rows[1] + x),
                             GRADOPS_LOAD(sy.rows[2] + x))
          .Store(b + x);
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
