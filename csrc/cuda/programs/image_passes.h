#pragma once

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/strip_layout.h"
#include "math/dtype.h"
#include "math/gradient.h"

// The pass along a row for a pack of elements of images, away from the border, straight from global
// memory.

namespace gradops::cuda {

// Sources: they read packs, of which `at` is where the first element is, and say what the pass
// along a row makes of three values.

/// Images, for gradients.
template <class S>
struct ImagesAt {
  using Value = ComputeType<S>;
  const S* at;

  GRADOPS_FN ImagesAt operator+(int64_t elements) const { return {at + elements}; }
  GRADOPS_FN ImagesAt operator-(int64_t elements) const { return {at - elements}; }
  template <int kN>
  GRADOPS_FN Pack<Value, kN> Load() const {
    const Pack<S, kN> narrow = LoadPack<S, kN>(at);
    Pack<Value, kN> pack;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) pack.elements[v] = math::Widen(narrow.elements[v]);
    return pack;
  }
  template <class Taps>
  GRADOPS_FN static Value Smoothed(const Taps& taps, Value before, Value here, Value after) {
    return taps.Smooth(before, here, after);
  }
  template <class Taps>
  GRADOPS_FN static Value Derivative(const Taps& taps, Value before, Value here, Value after) {
    return taps.Derivative(before, here, after);
  }
};
/// Pairs, for the adjoint.
template <class S>
struct PairsAt {
  using Value = math::Gradient<ComputeType<S>>;
  const S* at;

  GRADOPS_FN PairsAt operator+(int64_t pairs) const { return {at + 2 * pairs}; }
  GRADOPS_FN PairsAt operator-(int64_t pairs) const { return {at - 2 * pairs}; }
  template <int kN>
  GRADOPS_FN Pack<Value, kN> Load() const {
    const Pack<S, kN> narrow[2] = {LoadPack<S, kN>(at), LoadPack<S, kN>(at + kN)};
    Pack<Value, kN> pack;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      pack.elements[v] = {math::Widen(narrow[2 * v / kN].elements[2 * v % kN]),
                          math::Widen(narrow[2 * v / kN].elements[2 * v % kN + 1])};
    }
    return pack;
  }
  template <class Taps>
  GRADOPS_FN static ComputeType<S> Smoothed(const Taps& taps, Value before, Value here,
                                            Value after) {
    return taps.SmoothAdjoint(before.y, here.y, after.y);
  }
  template <class Taps>
  GRADOPS_FN static ComputeType<S> Derivative(const Taps& taps, Value before, Value here,
                                              Value after) {
    return taps.DerivativeAdjoint(before.x, here.x, after.x);
  }
};

/// A pack of a row after the pass along it.
template <class S>
struct PassedPack {
  ComputeType<S> smoothed[kVec<S>], derivative[kVec<S>];
};

/// The pass along a row of a source.
template <class S, class Taps, class Neighbours, class Source>
GRADOPS_FN PassedPack<S> PassAlong(const Taps& taps, const Neighbours& neighbours, Source at) {
  using V = typename Source::Value;
  constexpr int kN = kVec<S>;
  const Pack<V, kN> own = at.template Load<kN>();
  V before[kN], after[kN];
  neighbours.Read(at, own, before, after);
  PassedPack<S> passed;
  GRADOPS_UNROLL
  for (int v = 0; v < kN; ++v) {
    passed.smoothed[v] = Source::Smoothed(taps, before[v], own.elements[v], after[v]);
    passed.derivative[v] = Source::Derivative(taps, before[v], own.elements[v], after[v]);
  }
  return passed;
}

}  // namespace gradops::cuda
