#ifndef GRADOPS_CPU_VERTICAL_PASS_H_
#define GRADOPS_CPU_VERTICAL_PASS_H_

#include "cpu/tile.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Vertical pass of the stencil: the smoothed and differenced rows of row `row`, from the rows
/// row - 1, row, row + 1 of `images` (a Ring) that lie inside the image.
template <class T, class Rows>
void VerticalForwardPass(const KernelParams& params, const Tile& tile, const Rows& images,
                         int64_t row, T* smoothed, T* differenced) {
  const int64_t size = tile.BufferedSize(), height = tile.shape.height;
  if (!math::IsForwardEdge(row, height)) {
    VerticalForward<T>(images[row - 1], images[row], images[row + 1],
                       InteriorTaps<T>(params.stencil), smoothed, differenced, size);
    return;
  }
  const math::AxisTaps taps = ForwardTaps(params.stencil, params.border, row, height);
  const T* const neighbours[3] = {row > 0 ? images[row - 1] : nullptr, images[row],
                                  row + 1 < height ? images[row + 1] : nullptr};
  WeightedSum(neighbours, taps.smoothing, 3, smoothed, size);
  WeightedSum(neighbours, taps.derivative, 3, differenced, size);
}

/// Vertical pass of the adjoint: out = scale * dL/dd of row `row`, from dL/dV (by_smoothed) and
/// dL/dU (by_differenced) of the rows row - 1, row, row + 1 that lie inside the image.
template <class T, class Rows>
void VerticalAdjointPass(const KernelParams& params, const Tile& tile, const Rows& by_smoothed,
                         const Rows& by_differenced, int64_t row, T scale, T* out) {
  const int64_t size = tile.BufferedSize(), height = tile.shape.height;
  const auto neighbour = [&](const Rows& rows, int64_t r) -> const T* {
    return r >= 0 && r < height ? rows[r] : nullptr;
  };
  // dL/dV in [0, 3), dL/dU in [3, 6).
  const T* const rows[6] = {
      neighbour(by_smoothed, row - 1),    by_smoothed[row],    neighbour(by_smoothed, row + 1),
      neighbour(by_differenced, row - 1), by_differenced[row], neighbour(by_differenced, row + 1)};
  if (!math::IsAdjointEdge(row, height)) {
    VerticalAdjoint(rows, rows + 3, InteriorTaps<T>(params.stencil), scale, out, size);
    return;
  }
  const math::AxisTaps taps = AdjointTaps(params.stencil, params.border, row, height);
  double weights[6];
  for (int k = 0; k < 3; ++k) {
    weights[k] = taps.smoothing[k];
    weights[3 + k] = taps.derivative[k];
  }
  WeightedSum(rows, weights, 6, out, size);
  Multiply(scale, out, size);
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_VERTICAL_PASS_H_
