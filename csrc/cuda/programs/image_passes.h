#pragma once

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/strip_layout.h"
#include "math/dtype.h"
#include "math/gradient.h"

// The pass along a row for a pack of elements of images, away from the border, straight from global
// memory.

namespace gradops::cuda {

/// Reads packs of images; `at` is that of an element.
template <class S>
struct ImagesAt {
  const S* at;

  GRADOPS_FN ImagesAt operator+(int64_t elements) const { return {at + elements}; }
  GRADOPS_FN ImagesAt operator-(int64_t elements) const { return {at - elements}; }
  template <int kN>
  GRADOPS_FN Pack<ComputeType<S>, kN> Load() const {
    const Pack<S, kN> narrow = LoadPack<S, kN>(at);
    Pack<ComputeType<S>, kN> pack;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) pack.elements[v] = math::Widen(narrow.elements[v]);
    return pack;
  }
};
/// Reads packs of pairs.
template <class S>
struct PairsAt {
  const S* at;

  GRADOPS_FN PairsAt operator+(int64_t pairs) const { return {at + 2 * pairs}; }
  GRADOPS_FN PairsAt operator-(int64_t pairs) const { return {at - 2 * pairs}; }
  template <int kN>
  GRADOPS_FN Pack<math::Gradient<ComputeType<S>>, kN> Load() const {
    const Pack<S, kN> narrow[2] = {LoadPack<S, kN>(at), LoadPack<S, kN>(at + kN)};
    Pack<math::Gradient<ComputeType<S>>, kN> pack;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      pack.elements[v] = {math::Widen(narrow[2 * v / kN].elements[2 * v % kN]),
                          math::Widen(narrow[2 * v / kN].elements[2 * v % kN + 1])};
    }
    return pack;
  }
};

/// A pack of a row after the pass along it.
template <class S>
struct PassedPack {
  ComputeType<S> smoothed[kVec<S>], derivative[kVec<S>];
};

/// The pass along a row of images, for gradients.
template <class S, class Taps, class Neighbours>
GRADOPS_FN PassedPack<S> PassAlong(const Taps& taps, const Neighbours& neighbours, ImagesAt<S> at) {
  using T = ComputeType<S>;
  constexpr int kN = kVec<S>;
  const Pack<T, kN> own = at.template Load<kN>();
  T before[kN], after[kN];
  neighbours.Read(at, own, before, after);
  PassedPack<S> passed;
  GRADOPS_UNROLL
  for (int v = 0; v < kN; ++v) {
    passed.smoothed[v] = taps.Smooth(before[v], own.elements[v], after[v]);
    passed.derivative[v] = taps.Derivative(before[v], own.elements[v], after[v]);
  }
  return passed;
}
/// That of the adjoint along a row of pairs.
template <class S, class Taps, class Neighbours>
GRADOPS_FN PassedPack<S> PassAlong(const Taps& taps, const Neighbours& neighbours, PairsAt<S> at) {
  using T = ComputeType<S>;
  constexpr int kN = kVec<S>;
  const Pack<math::Gradient<T>, kN> own = at.template Load<kN>();
  math::Gradient<T> before[kN], after[kN];
  neighbours.Read(at, own, before, after);
  PassedPack<S> passed;
  GRADOPS_UNROLL
  for (int v = 0; v < kN; ++v) {
    passed.smoothed[v] = taps.SmoothAdjoint(before[v].y, own.elements[v].y, after[v].y);
    passed.derivative[v] = taps.DerivativeAdjoint(before[v].x, own.elements[v].x, after[v].x);
  }
  return passed;
}

}  // namespace gradops::cuda
