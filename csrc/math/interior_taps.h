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
/// is not used.
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

  GRADOPS_FN V Derivative(V before, V here, V after) const {
    if constexpr (kKind == TapsKind::kForward) {
      return after - here;
    } else if constexpr (kKind == TapsKind::kBackward) {
      return here - before;
    } else if constexpr (kIsLaplace) {
      // The two differences are exact where neighbours are close, which their sum would not be.
      return (after - here) - (here - before);
    } else {
      return after - before;
    }
  }
  /// The transpose of Derivative.
  GRADOPS_FN V DerivativeAdjoint(V before, V here, V after) const {
    if constexpr (kKind == TapsKind::kForward) {
      return before - here;
    } else if constexpr (kKind == TapsKind::kBackward) {
      return here - after;
    } else if constexpr (kIsLaplace) {
      return Derivative(before, here, after);
    } else {
      return before - after;
    }
  }
  GRADOPS_FN V Smooth(V before, V here, V after) const {
    if constexpr (kKind == TapsKind::kUnit) {
      return MultiplyAdd(center, here, before + after);
    } else if constexpr (kKind == TapsKind::kSmoothing || kKind == TapsKind::kLaplaceSmoothing) {
      return MultiplyAdd(center, here, side * (before + after));
    } else {
      return center * here;
    }
  }
  /// The transpose of Smooth.
  GRADOPS_FN V SmoothAdjoint(V before, V here, V after) const {
    return Smooth(before, here, after);
  }
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
