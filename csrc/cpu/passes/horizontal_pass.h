#pragma once

#include "cpu/rows/image_rows.h"
#include "math/interior_taps.h"

// Row buffers may be read and written up to the end of the last block that they touch. Names follow
// the derivation in math/stencil.h. Pointers are kept in locals: for all the compiler knows, a
// store changes a member, which it would then reload.

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

  /// The columns of [begin, end) that the border does not change.
  GRADOPS_FN int64_t InteriorBegin(int64_t begin, int64_t end) const {
    return reach_ == 0 ? begin : math::Min(math::Max(begin, reach_), end);
  }
  GRADOPS_FN int64_t InteriorEnd(int64_t begin, int64_t end) const {
    return reach_ == 0 ? end
                       : math::Max(math::Min(end, width_ - reach_), InteriorBegin(begin, end));
  }
  /// Calls edge(taps, column) for the other columns of [begin, end).
  template <class Edge>
  GRADOPS_FN void ForEach(int64_t begin, int64_t end, Edge&& edge) const {
    for (int64_t column = begin; column < InteriorBegin(begin, end); ++column) {
      edge(TapsAt(column), column);
    }
    for (int64_t column = InteriorEnd(begin, end); column < end; ++column) {
      edge(TapsAt(column), column);
    }
  }

 private:
  const math::AxisTaps& TapsAt(int64_t column) const {
    return column < reach_ ? left_[column] : right_[width_ - 1 - column];
  }

  int64_t width_, reach_;
  math::AxisTaps left_[2], right_[2];
};

/// U = D_w in, V = s_w in for columns [begin, end). May overwrite positions outside of them.
template <class T>
void HorizontalForward(const KernelParams& params, const Tile& tile, const ColumnEdges& edges,
                       const T* in, int64_t begin, int64_t end, T* u, T* v) {
  const int64_t step = tile.channels;
  const int64_t from = tile.Position(edges.InteriorBegin(begin, end));
  const int64_t to = tile.Position(edges.InteriorEnd(begin, end));
  math::VisitTaps<Simd<T>>(params.stencil, [&](auto taps) GRADOPS_LAMBDA {
    ForEachRegister<T>(from, to, [=](int64_t x) GRADOPS_LAMBDA {
      const auto before = GRADOPS_LOAD(in + x - step), here = GRADOPS_LOAD(in + x),
                 after = GRADOPS_LOAD(in + x + step);
      // Both are found before either is stored: the compiler must assume that a store changes `in`.
      const Simd<T> derivative = taps.Derivative(before, here, after);
      const Simd<T> smoothed = taps.Smooth(before, here, after);
      derivative.Store(u + x);
      smoothed.Store(v + x);
    });
  });
  edges.ForEach(begin, end, [&](const math::AxisTaps& taps, int64_t column) {
    const int64_t x = tile.Position(column);
    for (int64_t i = x; i < x + step; ++i) {
      u[i] = WeightedNeighbours(in, taps.derivative, i, step);
      v[i] = WeightedNeighbours(in, taps.smoothing, i, step);
    }
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
