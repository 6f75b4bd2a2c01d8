#pragma once

#include "cpu/passes/column_edges.h"
#include "cpu/passes/residual_row.h"
#include "math/interior_taps.h"

// Both passes of the stencil, in registers. Row buffers may be read and written up to the end of
// the last block that they touch.

namespace gradops::cpu::GRADOPS_TARGET {

/// The pass along a row at one register: .y is smoothed, .x is the derivative.
template <class Taps, class T>
GRADOPS_FN math::Gradient<Simd<T>> HorizontalPass(const Taps& taps, const T* row, int64_t step) {
  using V = Simd<T>;
  const V left = V::LoadOnce(row - step), here = V::Load(row), right = V::LoadOnce(row + step);
  return {taps.Smooth(left, here, right), taps.Derivative(left, here, right)};
}

/// The gradients of the rows of one source, one register per row, from top to bottom.
template <class T, class Taps>
class GradientWindow {
 public:
  using V = Simd<T>;
  using G = math::Gradient<V>;

  /// `here`: the first row of which gradients are wanted, and `above` the row above it.
  GRADOPS_FN GradientWindow(Taps taps, V scale, int64_t step, const T* above, const T* here)
      : taps_(taps), scale_(scale), step_(step) {
    before_ = HorizontalPass(taps, above, step);
    here_ = HorizontalPass(taps, here, step);
  }
  /// The gradients of the next row; `below` is the image row below it.
  GRADOPS_FN G Next(const T* below) {
    const G after = HorizontalPass(taps_, below, step_);
    const G gradients = {Scaled(taps_.Derivative(before_.y, here_.y, after.y)),
                         Scaled(taps_.Smooth(before_.x, here_.x, after.x))};
    before_ = here_;
    here_ = after;
    return gradients;
  }

 private:
  GRADOPS_FN V Scaled(V sum) const {
    return Taps::kKind == math::TapsKind::kUnit ? sum : scale_ * sum;
  }

  const Taps taps_;
  const V scale_;
  const int64_t step_;
  G before_, here_;
};

/// The gradients of rows row .. row + kRows - 1 of an image, none of which the border changes, in
/// `columns`. `rows` has image rows row - 1 .. row + kRows; rows of gradients are `stride` apart.
template <int kRows, class T>
void FindGradientRows(const math::Stencil& stencil, const Tile& tile, const ColumnEdges& edges,
                      ColumnRange columns, const T* const* rows, GradientRow<T> gradients,
                      int64_t stride) {
  const int64_t step = tile.channels;
  const PositionRange inside = edges.Interior(tile, columns);
  math::VisitTaps<Simd<T>>(stencil, [&](auto taps) GRADOPS_LAMBDA {
    const Simd<T> scale(stencil.scale);
    const T* images[kRows + 2];
    for (int i = 0; i < kRows + 2; ++i) images[i] = rows[i];
    ForEachRegister<T>(inside.begin, inside.end, [=](int64_t x) GRADOPS_LAMBDA {
      GradientWindow<T, decltype(taps)> window(taps, scale, step, images[0] + x, images[1] + x);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) {
        gradients.Row(i, stride).Store(x, window.Next(images[i + 2] + x));
      }
    });
  });
  const T scale = static_cast<T>(stencil.scale);
  edges.ForEach(tile, columns, [&](const math::AxisTaps& along, int64_t x) {
    T u[kRows + 2], v[kRows + 2];
    for (int i = 0; i < kRows + 2; ++i) {
      u[i] = WeightedNeighbours(rows[i], along.derivative, x, step);
      v[i] = WeightedNeighbours(rows[i], along.smoothing, x, step);
    }
    math::VisitTaps<T>(stencil, [&](auto down) {
      for (int i = 0; i < kRows; ++i) {
        const GradientRow<T> row = gradients.Row(i, stride);
        row.y[x] = scale * down.Derivative(v[i], v[i + 1], v[i + 2]);
        row.x[x] = scale * down.Smooth(u[i], u[i + 1], u[i + 2]);
      }
    });
  });
}

/// The gradients of a row that the border changes; `down` has its taps. `rows` has the image rows
/// above, here and below, of which those of weight 0 are not read.
template <class T>
void FindEdgeRow(const math::Stencil& stencil, const Tile& tile, const ColumnEdges& edges,
                 ColumnRange columns, const T* const* rows, const math::AxisTaps& down,
                 GradientRow<T> gradients) {
  const int64_t step = tile.channels;
  const PositionRange inside = edges.Interior(tile, columns);
  // `horizontal(row)` is what the pass along a row finds, in registers or in numbers.
  const auto gradient = [&](auto zero, auto horizontal) GRADOPS_LAMBDA {
    using V = decltype(zero);
    math::Gradient<V> sum = {zero, zero};
    for (int k = 0; k < 3; ++k) {
      if (down.smoothing[k] == 0 && down.derivative[k] == 0) continue;
      const math::Gradient<V> row = horizontal(rows[k]);
      if (down.derivative[k] != 0) sum.y = sum.y + V(down.derivative[k]) * row.y;
      if (down.smoothing[k] != 0) sum.x = sum.x + V(down.smoothing[k]) * row.x;
    }
    return V(stencil.scale) * sum;
  };
  math::VisitTaps<Simd<T>>(stencil, [&](auto taps) GRADOPS_LAMBDA {
    ForEachRegister<T>(inside.begin, inside.end, [&](int64_t x) GRADOPS_LAMBDA {
      const auto horizontal = [&](const T* row)
                                  GRADOPS_LAMBDA { return HorizontalPass(taps, row + x, step); };
      gradients.Store(x, gradient(Simd<T>(0), horizontal));
    });
  });
  edges.ForEach(tile, columns, [&](const math::AxisTaps& along, int64_t x) {
    const auto horizontal = [&](const T* row) {
      return math::Gradient<T>{WeightedNeighbours(row, along.smoothing, x, step),
                               WeightedNeighbours(row, along.derivative, x, step)};
    };
    const math::Gradient<T> found = gradient(T(0), horizontal);
    gradients.y[x] = found.y;
    gradients.x[x] = found.x;
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
