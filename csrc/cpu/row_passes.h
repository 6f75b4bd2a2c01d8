#ifndef GRADOPS_CPU_ROW_PASSES_H_
#define GRADOPS_CPU_ROW_PASSES_H_

#include "cpu/simd.h"
#include "math/stencil.h"

// The passes over one row. Rows are L1-resident buffers that may be read and written up to the next
// whole block past their end (see TileBuffers), unless a comment says "image memory".
// Names follow the derivation in math/stencil.h.

namespace gradops::cpu::GRADOPS_TARGET {

/// Weights of the stencil away from the border: derivative -1, 0, 1; smoothing side, center, side.
template <class T>
struct InteriorTaps {
  T side, center;

  GRADOPS_FN explicit InteriorTaps(const math::Stencil& stencil)
      : side(static_cast<T>(stencil.smoothing[0])), center(static_cast<T>(stencil.smoothing[1])) {}
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

/// Vertical pass of the stencil away from the border.
template <class T>
void VerticalForward(const T* above, const T* here, const T* below, InteriorTaps<T> taps,
                     T* smoothed, T* differenced, int64_t size) {
  const Simd<T> side(taps.side), center(taps.center);
  for (int64_t x = 0; x < size; x += Simd<T>::kLanes) {
    const Simd<T> a = Simd<T>::Load(above + x), b = Simd<T>::Load(below + x);
    (side * (a + b) + center * Simd<T>::Load(here + x)).Store(smoothed + x);
    (b - a).Store(differenced + x);
  }
}

/// Vertical pass of the adjoint away from the border; out = scale * dL/dd.
/// by_smoothed and by_differenced are dL/dV and dL/dU of the rows above, here and below.
template <class T>
void VerticalAdjoint(const T* const by_smoothed[3], const T* const by_differenced[3],
                     InteriorTaps<T> taps, T scale, T* out, int64_t size) {
  const Simd<T> side(taps.side), center(taps.center), factor(scale);
  for (int64_t x = 0; x < size; x += Simd<T>::kLanes) {
    const Simd<T> smooth =
        side * (Simd<T>::Load(by_smoothed[0] + x) + Simd<T>::Load(by_smoothed[2] + x)) +
        center * Simd<T>::Load(by_smoothed[1] + x);
    const Simd<T> difference =
        Simd<T>::Load(by_differenced[0] + x) - Simd<T>::Load(by_differenced[2] + x);
    (factor * (smooth + difference)).Store(out + x);
  }
}

/// out += weight * row, for a weight that is not 0.
template <class T>
void AddWeighted(const T* row, T weight, T* out, int64_t size) {
  const Simd<T> w(weight);
  for (int64_t x = 0; x < size; x += Simd<T>::kLanes) {
    (Simd<T>::Load(out + x) + w * Simd<T>::Load(row + x)).Store(out + x);
  }
}

/// out = sum of weight_k * rows_k at the border; rows of weight 0 are not read and may be null.
template <class T>
void WeightedSum(const T* const* rows, const double* weights, int count, T* out, int64_t size) {
  for (int64_t x = 0; x < size; x += Simd<T>::kLanes) Simd<T>(0).Store(out + x);
  for (int k = 0; k < count; ++k) {
    if (weights[k] != 0) AddWeighted(rows[k], static_cast<T>(weights[k]), out, size);
  }
}

/// out = factor * out.
template <class T>
void Multiply(T factor, T* out, int64_t size) {
  const Simd<T> f(factor);
  for (int64_t x = 0; x < size; x += Simd<T>::kLanes) (f * Simd<T>::Load(out + x)).Store(out + x);
}

/// Horizontal pass away from the border, for the whole blocks that hold row positions [begin, end):
/// the derivative of `to_differentiate` and the smoothed `to_smooth`, neighbours `step` apart. The
/// adjoint's derivative has the opposite sign. consume.Block(x, derivative, smoothed) gets the
/// blocks at multiples of the block size; lanes outside [begin, end) hold anything.
template <bool kAdjoint, class T, class Consumer>
void HorizontalInterior(const T* to_differentiate, const T* to_smooth, int64_t step,
                        InteriorTaps<T> taps, int64_t begin, int64_t end, Consumer& consumer) {
  constexpr int kLanes = Simd<T>::kLanes;
  const Simd<T> side(taps.side), center(taps.center);
  Consumer consume = consumer;  // a local copy can live in registers
  for (int64_t x = begin / kLanes * kLanes; x < end; x += kLanes) {
    const Simd<T> left = Simd<T>::Load(to_differentiate + x - step);
    const Simd<T> right = Simd<T>::Load(to_differentiate + x + step);
    const Simd<T> smooth =
        side * (Simd<T>::Load(to_smooth + x - step) + Simd<T>::Load(to_smooth + x + step)) +
        center * Simd<T>::Load(to_smooth + x);
    consume.Block(x, kAdjoint ? left - right : right - left, smooth);
  }
  consumer = consume;
}

/// One number of the horizontal pass at the border: sum of weight_k * row[x + (k - 1) * step],
/// without touching neighbours of weight 0.
template <class T>
GRADOPS_FN T HorizontalEdge(const T* row, const double weights[3], int64_t x, int64_t step) {
  T sum = 0;
  for (int k = 0; k < 3; ++k) {
    if (weights[k] != 0) sum += static_cast<T>(weights[k]) * row[x + (k - 1) * step];
  }
  return sum;
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_ROW_PASSES_H_
