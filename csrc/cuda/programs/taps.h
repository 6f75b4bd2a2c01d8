#pragma once

#include "family/params.h"
#include "math/interior_taps.h"
#include "math/stencil.h"

namespace gradops::cuda {

/// math::AxisTaps in the compute type.
template <class T>
struct Taps {
  T derivative[3], smoothing[3];
  bool derivative_counts, smoothing_counts, derivative_cancels;
  int derivative_support, smoothing_support;  // bit k: whether neighbour k is in the support

  Taps() = default;
  GRADOPS_FN explicit Taps(const math::AxisTaps& taps)
      : derivative_counts(taps.derivative_counts),
        smoothing_counts(taps.smoothing_counts),
        derivative_cancels(taps.derivative_cancels),
        derivative_support(0),
        smoothing_support(0) {
    GRADOPS_UNROLL
    for (int k = 0; k < 3; ++k) {
      derivative[k] = static_cast<T>(taps.derivative[k]);
      smoothing[k] = static_cast<T>(taps.smoothing[k]);
      derivative_support |= int{taps.derivative_support[k]} << k;
      smoothing_support |= int{taps.smoothing_support[k]} << k;
    }
  }
};

/// Positions of an axis have taps of their own at its beginning (edges 0, 1) and at its end (edges
/// 2, 3). All others are kInside.
inline constexpr int kEdges = 4, kInside = 4;
template <class I>
GRADOPS_FN int EdgeOf(I index, I size) {
  if (index < 2) return static_cast<int>(index);
  return size - index <= 2 ? static_cast<int>(4 - (size - index)) : kInside;
}
/// The position of an edge, or -1 if the axis is too short to have it.
GRADOPS_FN int64_t PositionOfEdge(int edge, int64_t size) {
  const int64_t index = edge < 2 ? edge : size - 4 + edge;
  return index >= 0 && index < size && EdgeOf(index, size) == edge ? index : -1;
}

/// The taps of an axis, by EdgeOf.
template <class T>
struct EdgeTaps {
  Taps<T> forward[kEdges + 1], adjoint[kEdges + 1];
};
/// The taps along a row and down the rows.
template <class T>
struct BorderTaps {
  EdgeTaps<T> along, down;
};

template <class T>
EdgeTaps<T> FindEdgeTaps(const KernelParams& params, int64_t size) {
  EdgeTaps<T> taps{};
  // Position 4 of 9 is away from both ends.
  taps.forward[kInside] = Taps<T>(math::ForwardTaps(params.stencil, params.border, 4, 9));
  taps.adjoint[kInside] = Taps<T>(math::AdjointTaps(params.stencil, params.border, 4, 9));
  if (math::Wraps(params.stencil, params.border, size)) return taps;
  for (int edge = 0; edge < kEdges; ++edge) {
    const int64_t index = PositionOfEdge(edge, size);
    if (index < 0) continue;
    taps.forward[edge] = Taps<T>(math::ForwardTaps(params.stencil, params.border, index, size));
    taps.adjoint[edge] = Taps<T>(math::AdjointTaps(params.stencil, params.border, index, size));
  }
  return taps;
}
template <class T>
BorderTaps<T> FindBorderTaps(const KernelParams& params) {
  return {FindEdgeTaps<T>(params, params.shape.width),
          FindEdgeTaps<T>(params, params.shape.height)};
}

/// The weighted sum of three neighbours. One of weight 0 is left out, even if it is NaN.
template <class T>
GRADOPS_FN T Apply(const T weights[3], T before, T here, T after) {
  T sum = weights[1] != T(0) ? weights[1] * here : T(0);
  if (weights[0] != T(0)) sum += weights[0] * before;
  if (weights[2] != T(0)) sum += weights[2] * after;
  return sum;
}

/// The taps at a position near the border, with the functions of math::InteriorTaps.
template <class T>
struct TapsAtEdge {
  const Taps<T>&forward, &adjoint;
  GRADOPS_FN T Derivative(T b, T h, T a) const { return Apply(forward.derivative, b, h, a); }
  GRADOPS_FN T Smooth(T b, T h, T a) const { return Apply(forward.smoothing, b, h, a); }
  GRADOPS_FN T DerivativeAdjoint(T b, T h, T a) const { return Apply(adjoint.derivative, b, h, a); }
  GRADOPS_FN T SmoothAdjoint(T b, T h, T a) const { return Apply(adjoint.smoothing, b, h, a); }
};
template <class T>
GRADOPS_FN TapsAtEdge<T> AtEdge(const EdgeTaps<T>& taps, int edge) {
  return {taps.forward[edge], taps.adjoint[edge]};
}

/// Calls visitor with the taps away from the border: InteriorTaps of the most common kinds, else
/// the weights, which are slower but take no more code. All threads take the same branch.
template <class T, class Visitor>
GRADOPS_FN void VisitTapsInside(const math::Stencil& stencil, const EdgeTaps<T>& axis,
                                Visitor&& visitor) {
  using math::TapsKind;
  const T* const s = axis.forward[kInside].smoothing;
  if (stencil.derivative[0] == 0) {
    visitor(math::InteriorTaps<T, TapsKind::kForward>{s[0], s[1]});
  } else if (!stencil.IsCentral()) {
    visitor(AtEdge(axis, kInside));
  } else if (!stencil.Smooths()) {
    visitor(math::InteriorTaps<T, TapsKind::kCentral>{s[0], s[1]});
  } else if (s[0] == T(1)) {
    visitor(math::InteriorTaps<T, TapsKind::kUnit>{s[0], s[1]});
  } else {
    visitor(math::InteriorTaps<T, TapsKind::kSmoothing>{s[0], s[1]});
  }
}

}  // namespace gradops::cuda
