#ifndef GRADOPS_MATH_STENCIL_H_
#define GRADOPS_MATH_STENCIL_H_

#include <cstdint>

#include "math/border.h"
#include "math/macros.h"

namespace gradops::math {

// Derivation of the loss and its gradient (component response)
// ------------------------------------------------------------
// d = y_pred - y_true is one image. A stencil is separable: along each axis it either smooths (s)
// or differentiates (D). With the border built in, these are linear operators along rows (index w)
// and along columns (index h), and
//     U = D_w d    V = s_w d            (horizontal pass: "derivative" and "smoothed" rows)
//     gx = s_h U   gy = D_h V           (vertical pass: the residuals)
//     L = c * sum(rho(gx) + rho(gy)),   c = 1 / count.
// Backwards every operator is replaced by its transpose:
//     A = s_h^T rho'(gx)   B = D_h^T rho'(gy)        (vertical pass of the adjoint)
//     dL/dd = c * (D_w^T A + s_w^T B)                (horizontal pass of the adjoint)
// and dL/dy_pred = dL/dd = -dL/dy_true. Everything between the two horizontal passes looks at one
// column only, so penalties, slopes and sums run without regard to neighbours in the row.
// Every pass *gathers*: row i of an operator is three weights for the neighbours i-1, i, i+1, and
// so is row i of its transpose, because a border maps a ghost position to a neighbour of the pixel
// that looked there. ForwardTaps and AdjointTaps give those weights; away from the border they are
// the same for every i, and the kernels use that.

/// A separable 3x3 correlation stencil: `derivative` along one axis, `smoothing` along the other.
struct Stencil {
  double derivative[3];
  double smoothing[3];
  double unit_divisor;  // scale "unit" divides by it: a ramp of slope 1 then has gradient 1
};

/// Weights of the neighbours index - 1, index, index + 1 along one axis.
struct AxisTaps {
  double derivative[3];
  double smoothing[3];
};

/// Row `index` of the stencil-and-border operator along an axis of `size` pixels.
/// A weight is 0 where nothing is to be read: the kernels never multiply by it.
GRADOPS_FN AxisTaps ForwardTaps(const Stencil& stencil, Border border, int64_t index,
                                int64_t size) {
  AxisTaps taps = {{0, 0, 0}, {0, 0, 0}};
  for (int k = 0; k < 3; ++k) {
    const int64_t neighbour = MapToImage(border, index + k - 1, size) - index + 1;
    taps.derivative[neighbour] += stencil.derivative[k];
    taps.smoothing[neighbour] += stencil.smoothing[k];
  }
  return taps;
}

/// Row `index` of the transposed operator: weights of the residuals index - 1, index, index + 1.
GRADOPS_FN AxisTaps AdjointTaps(const Stencil& stencil, Border border, int64_t index,
                                int64_t size) {
  AxisTaps taps = {{0, 0, 0}, {0, 0, 0}};
  for (int k = 0; k < 3; ++k) {
    const int64_t residual = index + k - 1;
    if (residual < 0 || residual >= size) continue;
    const AxisTaps forward = ForwardTaps(stencil, border, residual, size);
    taps.derivative[k] = forward.derivative[2 - k];
    taps.smoothing[k] = forward.smoothing[2 - k];
  }
  return taps;
}

/// Whether the border touches the forward (adjoint) weights of `index`; if not, the weights are the
/// stencil's own (for the adjoint: with the derivative's sign turned).
GRADOPS_FN bool IsForwardEdge(int64_t index, int64_t size) {
  return index < 1 || index >= size - 1;
}
GRADOPS_FN bool IsAdjointEdge(int64_t index, int64_t size) {
  return index < 2 || index >= size - 2;
}

}  // namespace gradops::math

#endif  // GRADOPS_MATH_STENCIL_H_
