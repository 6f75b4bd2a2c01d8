#ifndef GRADOPS_CPU_ROW_PASSES_H_
#define GRADOPS_CPU_ROW_PASSES_H_

#include "cpu/simd.h"
#include "math/stencil.h"

// The passes over one row away from the border. Rows are buffers that may be read and written up to
// the next whole block past their end (see TileBuffers), unless a comment says "image memory".
// Names follow the derivation in math/stencil.h.

namespace gradops::cpu::GRADOPS_TARGET {

/// Weights of the stencil away from the border: derivative -1, 0, 1; smoothing side, center, side.
template <class T>
struct InteriorTaps {
  Simd<T> side, center;

  GRADOPS_FN explicit InteriorTaps(const math::Stencil& stencil)
      : side(static_cast<T>(stencil.smoothing[0])), center(static_cast<T>(stencil.smoothing[1])) {}

  GRADOPS_FN Simd<T> Smooth(Simd<T> before, Simd<T> here, Simd<T> after) const {
    return side * (before + after) + center * here;
  }
};

/// out = a - b; a and b are image memory.
template <class T>
void Subtract(const T* a, const T* b, T* out, int64_t size) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t x = 0;
  for (; x + kLanes <= size; x += kLanes) {
    (Simd<T>::Load(a + x) - Simd<T>::Load(b + x)).Store(out + x);
  }
  for (; x < size; ++x) out[x] = a[x] - b[x];
}

/// Horizontal pass of the stencil for the whole blocks that hold positions [begin, end), neighbours
/// `step` apart: derivative = D_w in, smoothed = s_w in.
template <class T>
void HorizontalForward(const T* in, int64_t step, InteriorTaps<T> taps, T* derivative, T* smoothed,
                       int64_t begin, int64_t end) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t x = begin / kLanes * kLanes; x < end; x += kLanes) {
    const Simd<T> left = Simd<T>::Load(in + x - step), right = Simd<T>::Load(in + x + step);
    (right - left).Store(derivative + x);
    taps.Smooth(left, Simd<T>::Load(in + x), right).Store(smoothed + x);
  }
}

/// Horizontal pass of the adjoint for the same blocks: out = scale * (D_w^T a + s_w^T b).
template <class T>
void HorizontalAdjoint(const T* a, const T* b, int64_t step, InteriorTaps<T> taps, T scale, T* out,
                       int64_t begin, int64_t end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const Simd<T> factor(scale);
  for (int64_t x = begin / kLanes * kLanes; x < end; x += kLanes) {
    const Simd<T> derivative = Simd<T>::Load(a + x - step) - Simd<T>::Load(a + x + step);
    const Simd<T> smoothed =
        taps.Smooth(Simd<T>::Load(b + x - step), Simd<T>::Load(b + x), Simd<T>::Load(b + x + step));
    (factor * (derivative + smoothed)).Store(out + x);
  }
}

/// One block of the sum of weight_k * rows_k, without touching rows of weight 0. For the border.
template <class T>
GRADOPS_FN Simd<T> WeightedRows(const T* const rows[3], const double weights[3], int64_t x) {
  Simd<T> sum(0);
  for (int k = 0; k < 3; ++k) {
    if (weights[k] != 0) {
      sum = sum + Simd<T>(static_cast<T>(weights[k])) * Simd<T>::Load(rows[k] + x);
    }
  }
  return sum;
}

/// One number of a horizontal pass at the border: sum of weight_k * row[x + (k - 1) * step],
/// without touching neighbours of weight 0.
template <class T>
GRADOPS_FN T WeightedNeighbours(const T* row, const double weights[3], int64_t x, int64_t step) {
  T sum = 0;
  for (int k = 0; k < 3; ++k) {
    if (weights[k] != 0) sum += static_cast<T>(weights[k]) * row[x + (k - 1) * step];
  }
  return sum;
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_ROW_PASSES_H_
