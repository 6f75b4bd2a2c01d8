#pragma once

#include "math/scalar.h"
#include "math/stencil.h"

namespace gradops::math {

enum class TapsKind { kUnit, kSmoothing, kCentral, kForward };

/// The stencil away from the border, for scalars or SIMD vectors V. What a tap of 0 would multiply
/// is not read.
///   kUnit       derivative -1, 0, 1; smoothing 1, center, 1
///   kSmoothing  derivative -1, 0, 1; smoothing side, center, side
///   kCentral    derivative -1, 0, 1; smoothing 0, center, 0
///   kForward    derivative 0, -1, 1; smoothing 0, center, 0
template <class V, TapsKind kTapsKind>
struct InteriorTaps {
  static constexpr TapsKind kKind = kTapsKind;
  V side, center;

  GRADOPS_FN InteriorTaps(V the_side, V the_center) : side(the_side), center(the_center) {}
  GRADOPS_FN explicit InteriorTaps(const Stencil& stencil)
      : InteriorTaps(V(stencil.smoothing[0]), V(stencil.smoothing[1])) {}

  /// The derivative from the values before, here and after, which are given as functions.
  template <class Before, class Here, class After>
  GRADOPS_FN V Derivative(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kForward) {
      return after() - here();
    } else {
      return after() - before();
    }
  }
  /// The transpose of Derivative.
  template <class Before, class Here, class After>
  GRADOPS_FN V DerivativeAdjoint(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kForward) {
      return before() - here();
    } else {
      return before() - after();
    }
  }
  /// The smoothing, which is its own transpose.
  template <class Before, class Here, class After>
  GRADOPS_FN V Smooth(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kUnit) {
      return MultiplyAdd(center, here(), before() + after());
    } else if constexpr (kKind == TapsKind::kSmoothing) {
      return MultiplyAdd(center, here(), side * (before() + after()));
    } else {
      return center * here();
    }
  }
};

/// Calls visitor(InteriorTaps) for the stencil, but never with kUnit, which pays in the fastest
/// loops only.
template <class V, class Visitor>
GRADOPS_FN auto VisitTaps(const Stencil& stencil, Visitor&& visitor) {
  if (stencil.IsForward()) return visitor(InteriorTaps<V, TapsKind::kForward>(stencil));
  if (!stencil.Smooths()) return visitor(InteriorTaps<V, TapsKind::kCentral>(stencil));
  return visitor(InteriorTaps<V, TapsKind::kSmoothing>(stencil));
}

}  // namespace gradops::math
