#pragma once

#include "math/scalar.h"
#include "math/stencil.h"

namespace gradops::math {

enum class TapsKind {
  kUnit,
  kSmoothing,
  kCentral,
  kForward,
  kBackward,
  kLaplace,
  kLaplaceSmoothing,
};

/// The stencil away from the border, for scalars or SIMD vectors V. What a tap of 0 would multiply
/// is not read.
///   kUnit              derivative -1, 0, 1; smoothing 1, center, 1
///   kSmoothing         derivative -1, 0, 1; smoothing side, center, side
///   kCentral           derivative -1, 0, 1; smoothing 0, center, 0
///   kForward           derivative 0, -1, 1; smoothing 0, center, 0
///   kBackward          derivative -1, 1, 0; smoothing 0, center, 0
///   kLaplace           derivative 1, -2, 1; smoothing 0, center, 0
///   kLaplaceSmoothing  derivative 1, -2, 1; smoothing side, center, side
template <class V, TapsKind kTapsKind>
struct InteriorTaps {
  static constexpr TapsKind kKind = kTapsKind;
  static constexpr bool kIsLaplace =
      kKind == TapsKind::kLaplace || kKind == TapsKind::kLaplaceSmoothing;
  V side, center;

  GRADOPS_FN InteriorTaps(V the_side, V the_center) : side(the_side), center(the_center) {}
  GRADOPS_FN explicit InteriorTaps(const Stencil& stencil)
      : InteriorTaps(V(stencil.smoothing[0]), V(stencil.smoothing[1])) {}

  /// The derivative from the values before, here and after, which are given as functions.
  template <class Before, class Here, class After>
  GRADOPS_FN V Derivative(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kForward) {
      return after() - here();
    } else if constexpr (kKind == TapsKind::kBackward) {
      return here() - before();
    } else if constexpr (kIsLaplace) {
      // The two differences are exact where neighbours are close, which their sum would not be.
      const V centre = here();
      return (after() - centre) - (centre - before());
    } else {
      return after() - before();
    }
  }
  /// The transpose of Derivative.
  template <class Before, class Here, class After>
  GRADOPS_FN V DerivativeAdjoint(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kForward) {
      return before() - here();
    } else if constexpr (kKind == TapsKind::kBackward) {
      return here() - after();
    } else if constexpr (kIsLaplace) {
      return Derivative(before, here, after);
    } else {
      return before() - after();
    }
  }
  /// The smoothing, which is its own transpose.
  template <class Before, class Here, class After>
  GRADOPS_FN V Smooth(Before&& before, Here&& here, After&& after) const {
    if constexpr (kKind == TapsKind::kUnit) {
      return MultiplyAdd(center, here(), before() + after());
    } else if constexpr (kKind == TapsKind::kSmoothing || kKind == TapsKind::kLaplaceSmoothing) {
      return MultiplyAdd(center, here(), side * (before() + after()));
    } else {
      return center * here();
    }
  }

  // The same of values that were read already.
  GRADOPS_FN V Derivative(V b, V h, V a) const {
    return Derivative([=]() GRADOPS_LAMBDA { return b; }, [=]() GRADOPS_LAMBDA { return h; },
                      [=]() GRADOPS_LAMBDA { return a; });
  }
  GRADOPS_FN V DerivativeAdjoint(V b, V h, V a) const {
    return DerivativeAdjoint([=]() GRADOPS_LAMBDA { return b; }, [=]() GRADOPS_LAMBDA { return h; },
                             [=]() GRADOPS_LAMBDA { return a; });
  }
  GRADOPS_FN V Smooth(V b, V h, V a) const {
    return Smooth([=]() GRADOPS_LAMBDA { return b; }, [=]() GRADOPS_LAMBDA { return h; },
                  [=]() GRADOPS_LAMBDA { return a; });
  }
  GRADOPS_FN V SmoothAdjoint(V b, V h, V a) const { return Smooth(b, h, a); }
};

/// Calls visitor(InteriorTaps) for the stencil, but never with kUnit, which pays in the fastest
/// loops only.
template <class V, class Visitor>
GRADOPS_FN auto VisitTaps(const Stencil& stencil, Visitor&& visitor) {
  if (stencil.IsOneSided()) {
    if (stencil.derivative[0] == 0) return visitor(InteriorTaps<V, TapsKind::kForward>(stencil));
    return visitor(InteriorTaps<V, TapsKind::kBackward>(stencil));
  }
  if (stencil.IsCentral()) {
    if (!stencil.Smooths()) return visitor(InteriorTaps<V, TapsKind::kCentral>(stencil));
    return visitor(InteriorTaps<V, TapsKind::kSmoothing>(stencil));
  }
  if (!stencil.Smooths()) return visitor(InteriorTaps<V, TapsKind::kLaplace>(stencil));
  return visitor(InteriorTaps<V, TapsKind::kLaplaceSmoothing>(stencil));
}

}  // namespace gradops::math
