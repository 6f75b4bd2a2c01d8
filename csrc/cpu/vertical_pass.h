#ifndef GRADOPS_CPU_VERTICAL_PASS_H_
#define GRADOPS_CPU_VERTICAL_PASS_H_

#include "cpu/tile.h"

// The vertical passes of a row. `Rows` is a Ring of which the rows above, here and below are read
// as far as they lie inside the image.

namespace gradops::cpu::GRADOPS_TARGET {

/// The rows above, here and below; null outside of the image, where the weights are 0.
template <class T>
struct ThreeRows {
  const T* rows[3];

  template <class Rows>
  ThreeRows(const Rows& ring, int64_t row, int64_t height)
      : rows{row > 0 ? ring[row - 1] : nullptr, ring[row],
             row + 1 < height ? ring[row + 1] : nullptr} {}
};

/// Calls consume(x, gx, gy) for every block of the residuals gx = s_h U, gy = D_h V of row `row`.
template <class T, class Rows, class Consume>
GRADOPS_FN void ForEachResidual(const KernelParams& params, const Tile& tile, const Rows& u_rows,
                                const Rows& v_rows, int64_t row, Consume&& consume) {
  const int64_t height = tile.shape.height, size = tile.BufferedSize();
  const ThreeRows<T> u(u_rows, row, height), v(v_rows, row, height);
  if (math::IsForwardEdge(row, height)) {
    const math::AxisTaps taps = ForwardTaps(params.stencil, params.border, row, height);
    for (int64_t x = 0; x < size; x += Simd<T>::kLanes) {
      consume(x, WeightedRows(u.rows, taps.smoothing, x), WeightedRows(v.rows, taps.derivative, x));
    }
    return;
  }
  const InteriorTaps<T> taps(params.stencil);
  for (int64_t x = 0; x < size; x += Simd<T>::kLanes) {
    consume(x,
            taps.Smooth(Simd<T>::Load(u.rows[0] + x), Simd<T>::Load(u.rows[1] + x),
                        Simd<T>::Load(u.rows[2] + x)),
            Simd<T>::Load(v.rows[2] + x) - Simd<T>::Load(v.rows[0] + x));
  }
}

/// A = s_h^T slope_x and B = D_h^T slope_y of row `row`.
template <class T, class Rows>
void VerticalAdjoint(const KernelParams& params, const Tile& tile, const Rows& slope_x,
                     const Rows& slope_y, int64_t row, T* a, T* b) {
  const int64_t height = tile.shape.height, size = tile.BufferedSize();
  const ThreeRows<T> sx(slope_x, row, height), sy(slope_y, row, height);
  if (math::IsAdjointEdge(row, height)) {
    const math::AxisTaps taps = AdjointTaps(params.stencil, params.border, row, height);
    for (int64_t x = 0; x < size; x += Simd<T>::kLanes) {
      WeightedRows(sx.rows, taps.smoothing, x).Store(a + x);
      WeightedRows(sy.rows, taps.derivative, x).Store(b + x);
    }
    return;
  }
  const InteriorTaps<T> taps(params.stencil);
  const T *const x_above = sx.rows[0], *const x_here = sx.rows[1], *const x_below = sx.rows[2];
  const T *const y_above = sy.rows[0], *const y_below = sy.rows[2];
  for (int64_t x = 0; x < size; x += Simd<T>::kLanes) {
    taps.Smooth(Simd<T>::Load(x_above + x), Simd<T>::Load(x_here + x), Simd<T>::Load(x_below + x))
        .Store(a + x);
    (Simd<T>::Load(y_above + x) - Simd<T>::Load(y_below + x)).Store(b + x);
  }
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_VERTICAL_PASS_H_
