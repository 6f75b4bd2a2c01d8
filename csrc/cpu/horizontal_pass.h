#ifndef GRADOPS_CPU_HORIZONTAL_PASS_H_
#define GRADOPS_CPU_HORIZONTAL_PASS_H_

#include "cpu/tile.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// A horizontal pass with its border: vectors for the columns away from it, then numbers for the
/// columns at it, whose weights are worked out once for all rows.
template <class T, bool kAdjoint>
class HorizontalPass {
 public:
  HorizontalPass(const KernelParams& params, const Tile& tile)
      : tile_(tile), taps_(params.stencil) {
    const auto taps = kAdjoint ? math::AdjointTaps : math::ForwardTaps;
    const int64_t width = tile.shape.width;
    for (int64_t i = 0; i < math::Min(kEdge, width); ++i) {
      left_[i] = taps(params.stencil, params.border, i, width);
      right_[i] = taps(params.stencil, params.border, width - 1 - i, width);
    }
  }

  /// derivative = D_w in, smoothed = s_w in for columns [begin, end); positions outside of them are
  /// overwritten with anything.
  void Forward(const T* in, int64_t begin, int64_t end, T* derivative, T* smoothed) const {
    const int64_t step = tile_.channels;
    Run(
        begin, end,
        [&](int64_t x, int64_t x_end) {
          HorizontalForward(in, step, taps_, derivative, smoothed, x, x_end);
        },
        [&](const math::AxisTaps& taps, int64_t x) {
          derivative[x] = WeightedNeighbours(in, taps.derivative, x, step);
          smoothed[x] = WeightedNeighbours(in, taps.smoothing, x, step);
        });
  }

  /// out = scale * (D_w^T a + s_w^T b) for the tile's own columns; other positions are overwritten.
  void Adjoint(const T* a, const T* b, T scale, T* out) const {
    const int64_t step = tile_.channels;
    Run(
        tile_.column_begin, tile_.column_end,
        [&](int64_t x, int64_t x_end) {
          HorizontalAdjoint(a, b, step, taps_, scale, out, x, x_end);
        },
        [&](const math::AxisTaps& taps, int64_t x) {
          out[x] = scale * (WeightedNeighbours(a, taps.derivative, x, step) +
                            WeightedNeighbours(b, taps.smoothing, x, step));
        });
  }

 private:
  static constexpr int64_t kEdge = kAdjoint ? 2 : 1;  // columns that the border changes, each side

  template <class Interior, class Edge>
  GRADOPS_FN void Run(int64_t begin, int64_t end, Interior&& interior, Edge&& edge) const {
    const int64_t width = tile_.shape.width;
    const int64_t interior_begin = math::Min(math::Max(begin, kEdge), end);
    const int64_t interior_end = math::Max(math::Min(end, width - kEdge), interior_begin);
    if (interior_begin < interior_end) {
      interior(tile_.Position(interior_begin), tile_.Position(interior_end));
    }
    for (int64_t column = begin; column < end; ++column) {
      if (column == interior_begin) column = interior_end;
      if (column == end) break;
      const math::AxisTaps& taps = column < kEdge ? left_[column] : right_[width - 1 - column];
      const int64_t x = tile_.Position(column);
      for (int64_t i = x; i < x + tile_.channels; ++i) edge(taps, i);
    }
  }

  const Tile& tile_;
  InteriorTaps<T> taps_;
  math::AxisTaps left_[kEdge], right_[kEdge];
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_HORIZONTAL_PASS_H_
