#pragma once

#include "cpu/rows/image_rows.h"
#include "math/stencil.h"

// What the border changes of the passes along the rows.

namespace gradops::cpu::GRADOPS_TARGET {

/// One element of a horizontal pass at the border: sum of weight_k * row[x + (k - 1) * step]. A
/// neighbour of weight 0 is not read.
template <class T>
GRADOPS_FN T WeightedNeighbours(const T* row, const double weights[3], int64_t x, int64_t step) {
  T sum = 0;
  for (int k = 0; k < 3; ++k) {
    if (weights[k] != 0) sum += static_cast<T>(weights[k]) * row[x + (k - 1) * step];
  }
  return sum;
}

/// The columns of a tile that the border changes, with their taps, found once for all rows.
class ColumnEdges {
 public:
  /// `adjoint`: for the adjoint pass, where the border changes two columns on each side instead of
  /// one.
  ColumnEdges(const KernelParams& params, const Tile& tile, bool adjoint)
      : width_(tile.shape.width) {
    reach_ = math::Wraps(params.stencil, params.border, width_) ? 0 : (adjoint ? 2 : 1);
    const auto taps = adjoint ? math::AdjointTaps : math::ForwardTaps;
    for (int64_t i = 0; i < math::Min(reach_, width_); ++i) {
      left_[i] = taps(params.stencil, params.border, i, width_);
      right_[i] = taps(params.stencil, params.border, width_ - 1 - i, width_);
    }
  }

  /// The positions of those `columns` that the border does not change.
  PositionRange Interior(const Tile& tile, ColumnRange columns) const {
    columns = Interior(columns);
    return {tile.Position(columns.begin), tile.Position(columns.end)};
  }
  /// Calls edge(taps, position) for the positions of the others.
  template <class Edge>
  void ForEach(const Tile& tile, ColumnRange columns, Edge&& edge) const {
    const ColumnRange interior = Interior(columns);
    for (const ColumnRange side :
         {ColumnRange{columns.begin, interior.begin}, ColumnRange{interior.end, columns.end}}) {
      for (int64_t column = side.begin; column < side.end; ++column) {
        const math::AxisTaps& taps = TapsAt(column);
        for (int64_t x = tile.Position(column); x < tile.Position(column + 1); ++x) edge(taps, x);
      }
    }
  }

 private:
  ColumnRange Interior(ColumnRange columns) const {
    if (reach_ == 0) return columns;
    const int64_t begin = math::Min(math::Max(columns.begin, reach_), columns.end);
    return {begin, math::Max(math::Min(columns.end, width_ - reach_), begin)};
  }
  const math::AxisTaps& TapsAt(int64_t column) const {
    return column < reach_ ? left_[column] : right_[width_ - 1 - column];
  }

  int64_t width_, reach_;
  math::AxisTaps left_[2], right_[2];
};

}  // namespace gradops::cpu::GRADOPS_TARGET
