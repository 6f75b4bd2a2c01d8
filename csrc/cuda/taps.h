#ifndef GRADOPS_CUDA_TAPS_H_
#define GRADOPS_CUDA_TAPS_H_

#include "core/params.h"
#include "math/stencil.h"

namespace gradops::cuda {

/// math::AxisTaps in the type that is computed in.
template <class T>
struct Taps {
  T derivative[3], smoothing[3];
  bool derivative_counts, smoothing_counts;
  bool derivative_support[3], smoothing_support[3];

  Taps() = default;
  GRADOPS_FN explicit Taps(const math::AxisTaps& taps)
      : derivative_counts(taps.derivative_counts), smoothing_counts(taps.smoothing_counts) {
    GRADOPS_UNROLL
    for (int k = 0; k < 3; ++k) {
      derivative[k] = static_cast<T>(taps.derivative[k]);
      smoothing[k] = static_cast<T>(taps.smoothing[k]);
      derivative_support[k] = taps.derivative_support[k];
      smoothing_support[k] = taps.smoothing_support[k];
    }
  }
};

/// Away from the border.
template <class T>
GRADOPS_FN Taps<T> InteriorTaps(const math::Stencil& stencil, bool adjoint) {
  Taps<T> taps;
  taps.derivative_counts = taps.smoothing_counts = true;
  GRADOPS_UNROLL
  for (int k = 0; k < 3; ++k) {
    taps.derivative[k] = static_cast<T>(stencil.derivative[adjoint ? 2 - k : k]);
    taps.smoothing[k] = static_cast<T>(stencil.smoothing[adjoint ? 2 - k : k]);
    taps.derivative_support[k] = taps.derivative[k] != T(0);
    taps.smoothing_support[k] = taps.smoothing[k] != T(0);
  }
  return taps;
}

/// The weighted sum of three neighbours; what has no weight is not looked at.
template <class T>
GRADOPS_FN T Apply(const T weights[3], T before, T here, T after) {
  T sum = weights[1] != T(0) ? weights[1] * here : T(0);
  if (weights[0] != T(0)) sum += weights[0] * before;
  if (weights[2] != T(0)) sum += weights[2] * after;
  return sum;
}

/// The taps of the positions near the ends of an axis, by `EdgeOf`, and those away from them.
inline constexpr int kEdges = 4;
template <class T>
struct EdgeTaps {
  Taps<T> forward[kEdges], adjoint[kEdges];
};
/// Of the rows' positions (along) and of the columns' (down).
template <class T>
struct BorderTaps {
  EdgeTaps<T> along, down;
};
/// 0 and 1 at the beginning, 3 and 2 at the end, -1 elsewhere.
GRADOPS_FN int EdgeOf(int64_t index, int64_t size) {
  if (index < 2) return static_cast<int>(index);
  return size - index <= 2 ? static_cast<int>(4 - (size - index)) : -1;
}
/// The position of an edge, or -1 if a short axis has none such.
GRADOPS_FN int64_t PositionOfEdge(int edge, int64_t size) {
  const int64_t index = edge < 2 ? edge : size - 4 + edge;
  return index >= 0 && index < size && EdgeOf(index, size) == edge ? index : -1;
}

template <class T>
EdgeTaps<T> FindEdgeTaps(const KernelParams& params, int64_t size) {
  EdgeTaps<T> taps{};
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

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_TAPS_H_
