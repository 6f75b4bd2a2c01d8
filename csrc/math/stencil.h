#pragma once

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
// and dL/dy_pred = dL/dd = -dL/dy_true. The response sum has rho(gx + gy), and its slope in place
// of both. Other responses need gx and gy of both images and have slopes by gx(y_pred) and
// gy(y_pred); the rest is the same. Everything between the two horizontal passes looks at one
// column only, so penalties, slopes, weights and sums run without regard to neighbours in the row.
// Every pass *gathers*: row i of an operator is three weights for the neighbours i-1, i, i+1, and
// so is row i of its transpose, because a border maps a ghost position to a neighbour of the pixel
// that looked there (circular: see Wraps). ForwardTaps and AdjointTaps give those weights; away
// from the border they are the same for every i, and the kernels use that.
//
// The support of a residual is where its weights are not 0: a product of rows and columns, so it
// passes through the same two passes, with "all valid" in place of the weighted sum. Where the
// derivative's weights are all 0 (its taps cancel at the border, or it is the difference that a
// one-sided stencil lacks) the residual is 0 and its support is its own pixel.

/// A separable 3x3 correlation stencil: `derivative` along one axis, `smoothing` along the other.
struct Stencil {
  double derivative[3];
  double smoothing[3];
  // Scale "unit" divides by it: x, or x^2 / 2 where differences are second, then has gradient 1.
  double unit_divisor;
  // The stencil is `scale` times its taps. It multiplies the sum over the taps, which is exact for
  // images of integers, so that what cancels is exactly 0.
  double scale = 1;

  /// Whether the derivative is x(i+1) - x(i) or x(i) - x(i-1), which has no ghosts: the difference
  /// that would read outside is 0 or, with border valid, dropped.
  GRADOPS_FN bool IsOneSided() const { return derivative[0] == 0 || derivative[2] == 0; }
  /// Whether the derivative is x(i+1) - x(i-1).
  GRADOPS_FN bool IsCentral() const { return derivative[1] == 0; }
  GRADOPS_FN bool Smooths() const { return smoothing[0] != 0; }
  /// Whether kernels have fast paths for it.
  GRADOPS_FN bool IsSmoothedCentral() const { return IsCentral() && Smooths(); }
  /// Whether a one-sided stencil has no difference at `index`: the last or the first.
  GRADOPS_FN bool LacksDifference(int64_t index, int64_t size) const {
    return (derivative[0] == 0 && index == size - 1) || (derivative[2] == 0 && index == 0);
  }
};

/// Weights of the neighbours index - 1, index, index + 1 along one axis. Kernels never read a
/// neighbour of weight 0 or multiply by it.
struct AxisTaps {
  double derivative[3] = {0, 0, 0};
  double smoothing[3] = {0, 0, 0};
  // Whether the position's residuals count: not where they would leave the image (border valid).
  bool derivative_counts = true;
  bool smoothing_counts = true;
  // Whether the derivative counts but is 0 for every image. Its support is then its own pixel.
  bool derivative_cancels = false;
  // The neighbours in the residual's support.
  bool derivative_support[3] = {false, false, false};
  bool smoothing_support[3] = {false, false, false};
};

/// Whether kernels read the axis as a ring, with ghosts as rows or columns of their own, so that no
/// position is at a border. Not for one or two pixels, whose ghosts are their neighbours.
GRADOPS_FN bool Wraps(const Stencil& stencil, Border border, int64_t size) {
  return border == Border::kCircular && !stencil.IsOneSided() && size > 2;
}

/// The smallest height and width for which stencil and border are defined.
GRADOPS_FN int64_t MinimumSize(const Stencil& stencil, Border border) {
  if (border == Border::kValid) return stencil.IsOneSided() ? 2 : 3;
  return border == Border::kReflect && !stencil.IsOneSided() ? 2 : 1;
}

/// Adds the tap `weight` of neighbour k of `index` to `taps`. Returns false if that neighbour makes
/// the residual leave the image (border valid).
GRADOPS_FN bool AddTap(double weight, Border border, int64_t index, int k, int64_t size,
                       double taps[3]) {
  if (weight == 0) return true;
  const int64_t position = MapToImage(border, index + k - 1, size);
  if (position >= 0) taps[position - index + 1] += weight;
  return position >= 0 || border != Border::kValid;
}

/// Row `index` of the operator (stencil and border) along an axis of `size` pixels that does not
/// wrap.
GRADOPS_FN AxisTaps ForwardTaps(const Stencil& stencil, Border border, int64_t index,
                                int64_t size) {
  AxisTaps taps;
  const bool is_lacking = stencil.LacksDifference(index, size);
  for (int k = 0; k < 3; ++k) {
    if (!is_lacking && !AddTap(stencil.derivative[k], border, index, k, size, taps.derivative))
      taps.derivative_counts = false;
    if (!AddTap(stencil.smoothing[k], border, index, k, size, taps.smoothing))
      taps.smoothing_counts = false;
  }
  if (is_lacking) taps.derivative_counts = border != Border::kValid;
  taps.derivative_cancels = taps.derivative_counts;
  for (int k = 0; k < 3; ++k) {
    if (!taps.derivative_counts) taps.derivative[k] = 0;
    if (!taps.smoothing_counts) taps.smoothing[k] = 0;
    taps.derivative_support[k] = taps.derivative[k] != 0;
    taps.smoothing_support[k] = taps.smoothing[k] != 0;
    taps.derivative_cancels = taps.derivative_cancels && !taps.derivative_support[k];
  }
  return taps;
}

/// Row `index` of the transposed operator: the weights of residuals index - 1, index, index + 1.
GRADOPS_FN AxisTaps AdjointTaps(const Stencil& stencil, Border border, int64_t index,
                                int64_t size) {
  AxisTaps taps;
  for (int k = 0; k < 3; ++k) {
    const int64_t residual = index + k - 1;
    if (residual < 0 || residual >= size) continue;
    const AxisTaps forward = ForwardTaps(stencil, border, residual, size);
    taps.derivative[k] = forward.derivative[2 - k];
    taps.smoothing[k] = forward.smoothing[2 - k];
  }
  return taps;
}

/// Whether the border changes the forward (adjoint) weights of `index`. If not, they are the
/// stencil's own taps (the adjoint's are mirrored).
GRADOPS_FN bool IsForwardEdge(int64_t index, int64_t size) {
  return index < 1 || index >= size - 1;
}
GRADOPS_FN bool IsAdjointEdge(int64_t index, int64_t size) {
  return index < 2 || index >= size - 2;
}

}  // namespace gradops::math
