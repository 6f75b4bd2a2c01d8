#pragma once

#include "cpu/sweeps/tile.h"
#include "math/interior_taps.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The vertical pass of the adjoint: row `row` of A = s_h^T slope_x and B = D_h^T slope_y, for the
/// first `size` positions. Of the rows above, here and below, those of weight 0 are not read.
template <class T>
void VerticalAdjoint(const KernelParams& params, int64_t height, int64_t size,
                     const Ring<T, 4>& slope_y, const Ring<T, 4>& slope_x, int64_t row, T* a,
                     T* b) {
  const T* const sx[] = {slope_x[row - 1], slope_x[row], slope_x[row + 1]};
  const T* const sy[] = {slope_y[row - 1], slope_y[row], slope_y[row + 1]};
  if (math::IsAdjointEdge(row, height) && !math::Wraps(params.stencil, params.border, height)) {
    const math::AxisTaps taps = AdjointTaps(params.stencil, params.border, row, height);
    const auto weighted = [&](const double* weights, const T* const* rows, int64_t x) {
      Simd<T> sum(0);
      for (int k = 0; k < 3; ++k) {
        if (weights[k] != 0) sum = sum + Simd<T>(weights[k]) * Simd<T>::Load(rows[k] + x);
      }
      return sum;
    };
    ForEachRegister<T>(0, size, [&](int64_t x) GRADOPS_LAMBDA {
      weighted(taps.smoothing, sx, x).Store(a + x);
      weighted(taps.derivative, sy, x).Store(b + x);
    });
    return;
  }
  math::VisitTaps<Simd<T>>(params.stencil, [&](auto taps) GRADOPS_LAMBDA {
    ForEachRegister<T>(0, size, [=](int64_t x) GRADOPS_LAMBDA {
      const auto load = [=](const T* slopes) GRADOPS_LAMBDA { return Simd<T>::Load(slopes + x); };
      taps.Smooth(load(sx[0]), load(sx[1]), load(sx[2])).Store(a + x);
      taps.DerivativeAdjoint(load(sy[0]), load(sy[1]), load(sy[2])).Store(b + x);
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
