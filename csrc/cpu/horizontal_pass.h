#ifndef GRADOPS_CPU_HORIZONTAL_PASS_H_
#define GRADOPS_CPU_HORIZONTAL_PASS_H_

#include "cpu/image_rows.h"
#include "cpu/interior_taps.h"

// Row buffers may be read and written up to the next whole block past their end. Names follow the
// derivation in math/stencil.h. Pointers are locals: a store might otherwise change what a member
// holds, and be reloaded after each.

namespace gradops::cpu::GRADOPS_TARGET {

/// One number of a horizontal pass at the border: sum of weight_k * row[x + (k - 1) * step],
/// without touching neighbours of weight 0.
template <class T>
GRADOPS_FN T WeightedNeighbours(const T* row, const double weights[3], int64_t x, int64_t step) {
  T sum = 0;
  for (int k = 0; k < 3; ++k) {
    if (weights[k] != 0) sum += static_cast<T>(weights[k]) * row[x + (k - 1) * step];
  }
  return sum;
}

/// The columns of a tile that the border changes, with their taps, worked out once for all rows.
class ColumnEdges {
 public:
  /// `reach`: columns that the border changes on each side, 1 or 2.
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

/// U = D_w in, V = s_w in for columns [begin, end); positions outside of them are overwritten with
/// anything.
template <class T>
void HorizontalForward(const KernelParams& params, const Tile& tile, const ColumnEdges& edges,
                       const T* in, int64_t begin, int64_t end, T* u, T* v) {
  const int64_t step = tile.channels;
  const int64_t from = tile.Position(edges.InteriorBegin(begin, end));
  const int64_t to = tile.Position(edges.InteriorEnd(begin, end));
  VisitTaps<T>(params.stencil, [&](auto taps) GRADOPS_LAMBDA {
    ForEachRegister<T>(from, to, [=](int64_t x) GRADOPS_LAMBDA {
      const auto before = GRADOPS_LOAD(in + x - step), here = GRADOPS_LOAD(in + x),
                 after = GRADOPS_LOAD(in + x + step);
      // Both before either is stored: a store might change what the other reads.
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

/// The factors of the two halves of the adjoint: out = x * D_w^T A + y * s_w^T B.
template <class T>
struct AxisScale {
  T y, x;
};

/// Writes the tile's columns of row `row` of scale.x * D_w^T a + scale.y * s_w^T b to image memory.
/// `spare`: a row buffer that may be overwritten.
template <class S, class T = ComputeType<S>>
void HorizontalAdjoint(const KernelParams& params, const Tile& tile, const ColumnEdges& edges,
                       const T* a, const T* b, AxisScale<T> scale, int64_t row, T* spare,
                       S* image) {
  const int64_t step = tile.channels;
  const int64_t begin = tile.column_begin, end = tile.column_end;
  const int64_t left = edges.InteriorBegin(begin, end), right = edges.InteriorEnd(begin, end);
  const bool one_scale = scale.x == scale.y;  // one rounding less
  edges.ForEach(begin, end, [&](const math::AxisTaps& taps, int64_t column) {
    for (int64_t x = tile.Position(column); x < tile.Position(column + 1); ++x) {
      const T derivative = WeightedNeighbours(a, taps.derivative, x, step);
      const T smoothed = WeightedNeighbours(b, taps.smoothing, x, step);
      spare[x] =
          one_scale ? scale.x * (derivative + smoothed) : scale.x * derivative + scale.y * smoothed;
    }
  });
  VisitTaps<T>(params.stencil, [&](auto taps) GRADOPS_LAMBDA {
    const Simd<T> scale_x(scale.x), scale_y(scale.y);
    tile.ForEachRun(begin, end, [&](int64_t first, int64_t last) {
      const int64_t from = tile.Position(first);
      const Interior interior = {(math::Max(left, first) - first) * step,
                                 (math::Min(right, last) - first) * step};
      const T *const a_run = a + from, *const b_run = b + from;
      const auto derivative = [=](int64_t x) GRADOPS_LAMBDA {
        return taps.DerivativeAdjoint(GRADOPS_LOAD(a_run + x - step), GRADOPS_LOAD(a_run + x),
                                      GRADOPS_LOAD(a_run + x + step));
      };
      const auto smoothed = [=](int64_t x) GRADOPS_LAMBDA {
        return taps.Smooth(GRADOPS_LOAD(b_run + x - step), GRADOPS_LOAD(b_run + x),
                           GRADOPS_LOAD(b_run + x + step));
      };
      S* const out = image + tile.ImageOffset(row, first);
      const int64_t size = (last - first) * step;
      if (one_scale) {
        StreamRun(out, size, interior, spare + from, [=](int64_t x) GRADOPS_LAMBDA {
          return scale_x * (derivative(x) + smoothed(x));
        });
      } else {
        StreamRun(out, size, interior, spare + from, [=](int64_t x) GRADOPS_LAMBDA {
          return scale_x * derivative(x) + scale_y * smoothed(x);
        });
      }
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_HORIZONTAL_PASS_H_
