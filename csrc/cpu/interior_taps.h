#ifndef GRADOPS_CPU_INTERIOR_TAPS_H_
#define GRADOPS_CPU_INTERIOR_TAPS_H_

#include "cpu/simd.h"
#include "math/stencil.h"

namespace gradops::cpu::GRADOPS_TARGET {

enum class TapsKind { kUnit, kSmoothing, kCentral, kForward };

/// The stencil away from the border. A tap that is 0 is not read.
///   kUnit       derivative -1, 0, 1; smoothing 1, center, 1
///   kSmoothing  derivative -1, 0, 1; smoothing side, center, side
///   kCentral    derivative -1, 0, 1; smoothing 0, center, 0
///   kForward    derivative 0, -1, 1; smoothing 0, center, 0
template <class T, TapsKind kTapsKind>
struct InteriorTaps {
  static constexpr TapsKind kKind = kTapsKind;
  Simd<T> side, center;

  GRADOPS_FN explicit InteriorTaps(const math::Stencil& stencil)
      : side(stencil.smoothing[0]), center(stencil.smoothing[1]) {}

  /// The derivative from values at the neighbours before, here and after, given as functions.
  template <class Before, class Here, class After>
  GRADOPS_FN Simd<T> Derivative(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kForward) return after() - here();
    return after() - before();
  }
  /// Its transpose.
  template <class Before, class Here, class After>
  GRADOPS_FN Simd<T> DerivativeAdjoint(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kForward) return before() - here();
    return before() - after();
  }
  /// The smoothing, its own transpose.
  template <class Before, class Here, class After>
  GRADOPS_FN Simd<T> Smooth(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kUnit) return (before() + after()) + center * here();
    if constexpr (kKind == TapsKind::kSmoothing) {
      return side * (before() + after()) + center * here();
    }
    return center * here();
  }
};

/// Calls visitor(InteriorTaps) for the stencil. (Not kUnit, which only pays in the fastest loops.)
template <class T, class Visitor>
GRADOPS_FN auto VisitTaps(const math::Stencil& stencil, Visitor&& visitor) {
  if (stencil.IsForward()) return visitor(InteriorTaps<T, TapsKind::kForward>(stencil));
  if (!stencil.Smooths()) return visitor(InteriorTaps<T, TapsKind::kCentral>(stencil));
  return visitor(InteriorTaps<T, TapsKind::kSmoothing>(stencil));
}

/// A function that loads a register.
#define GRADOPS_LOAD(address) [&]() GRADOPS_LAMBDA { return Simd<T>::Load(address); }

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_INTERIOR_TAPS_H_
