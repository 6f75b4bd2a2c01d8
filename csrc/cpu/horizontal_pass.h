#ifndef GRADOPS_CPU_HORIZONTAL_PASS_H_
#define GRADOPS_CPU_HORIZONTAL_PASS_H_

#include "cpu/tile.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The weights of the columns at the border, worked out once for all rows.
template <bool kAdjoint>
class EdgeColumns {
 public:
  static constexpr int64_t kCount = kAdjoint ? 2 : 1;  // columns that the border changes, each side

  explicit EdgeColumns(const KernelParams& params) : width_(params.shape.width) {
    const auto taps = kAdjoint ? math::AdjointTaps : math::ForwardTaps;
    for (int64_t i = 0; i < math::Min(kCount, width_); ++i) {
      left_[i] = taps(params.stencil, params.border, i, width_);
      right_[i] = taps(params.stencil, params.border, width_ - 1 - i, width_);
    }
  }

  const math::AxisTaps& operator[](int64_t column) const {
    return column < kCount ? left_[column] : right_[width_ - 1 - column];
  }

 private:
  int64_t width_;
  math::AxisTaps left_[kCount], right_[kCount];
};

/// Horizontal pass of one row for columns [begin, end): vectors away from the border, then numbers
/// at it. Positions outside of [begin, end) are overwritten with anything. consume.Block(x,
/// derivative, smoothed) is described at HorizontalInterior; consume.Scalar(x, derivative,
/// smoothed) gets the values of one row position at the border.
template <bool kAdjoint, class T, class Consumer>
void HorizontalPass(const KernelParams& params, const Tile& tile,
                    const EdgeColumns<kAdjoint>& edges, const T* to_differentiate,
                    const T* to_smooth, int64_t begin, int64_t end, Consumer& consume) {
  const int64_t step = tile.channels, edge_count = edges.kCount;
  const int64_t interior_begin = math::Min(math::Max(begin, edge_count), end);
  const int64_t interior_end =
      math::Max(math::Min(end, tile.shape.width - edge_count), interior_begin);
  if (interior_begin < interior_end) {
    HorizontalInterior<kAdjoint>(to_differentiate, to_smooth, step, InteriorTaps<T>(params.stencil),
                                 tile.Position(interior_begin), tile.Position(interior_end),
                                 consume);
  }
  for (int64_t column = begin; column < end; ++column) {
    if (column == interior_begin) column = interior_end;
    if (column == end) break;
    const math::AxisTaps& taps = edges[column];
    const int64_t x = tile.Position(column);
    for (int64_t i = x; i < x + step; ++i) {
      consume.Scalar(i, HorizontalEdge(to_differentiate, taps.derivative, i, step),
                     HorizontalEdge(to_smooth, taps.smoothing, i, step));
    }
  }
}

/// Consumer that keeps both results of the pass as rows.
template <class T>
struct StoreBoth {
  T* derivative_row;
  T* smoothed_row;

  GRADOPS_FN void Block(int64_t x, Simd<T> derivative, Simd<T> smoothed) {
    derivative.Store(derivative_row + x);
    smoothed.Store(smoothed_row + x);
  }
  GRADOPS_FN void Scalar(int64_t x, T derivative, T smoothed) {
    derivative_row[x] = derivative;
    smoothed_row[x] = smoothed;
  }
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_HORIZONTAL_PASS_H_
