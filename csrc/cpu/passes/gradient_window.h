#pragma once

#include "cpu/passes/horizontal_pass.h"
#include "cpu/passes/residual_row.h"

// Both passes of the stencil in registers, for several rows away from the border.

namespace gradops::cpu::GRADOPS_TARGET {

/// Three values through a function of InteriorTaps that takes functions.
template <class Taps, class V>
GRADOPS_FN V SmoothValues(const Taps& taps, V before, V here, V after) {
  return taps.Smooth([=]() GRADOPS_LAMBDA { return before; }, [=]() GRADOPS_LAMBDA { return here; },
                     [=]() GRADOPS_LAMBDA { return after; });
}
template <class Taps, class V>
GRADOPS_FN V DerivativeOfValues(const Taps& taps, V before, V here, V after) {
  return taps.Derivative([=]() GRADOPS_LAMBDA { return before; },
                         [=]() GRADOPS_LAMBDA { return here; },
                         [=]() GRADOPS_LAMBDA { return after; });
}

/// The gradients of the rows of one image, one register per row, from top to bottom.
template <class T, class Taps>
class GradientWindow {
 public:
  using V = Simd<T>;
  using G = math::Gradient<V>;

  /// `here`: the first row of which gradients are wanted, and `above` the row above it.
  GRADOPS_FN GradientWindow(Taps taps, V scale, int64_t step, const T* above, const T* here)
      : taps_(taps), scale_(scale), step_(step) {
    before_ = Horizontal(above);
    here_ = Horizontal(here);
  }
  /// The gradients of the next row; `below` is the image row below it.
  GRADOPS_FN G Next(const T* below) {
    const G after = Horizontal(below);
    const G gradients = {Scaled(DerivativeOfValues(taps_, before_.y, here_.y, after.y)),
                         Scaled(SmoothValues(taps_, before_.x, here_.x, after.x))};
    before_ = here_;
    here_ = after;
    return gradients;
  }

 private:
  /// The horizontal pass of one row: .y is smoothed, .x is the derivative.
  GRADOPS_FN G Horizontal(const T* row) const {
    const V left = V::LoadOnce(row - step_), here = V::Load(row), right = V::LoadOnce(row + step_);
    return {SmoothValues(taps_, left, here, right), DerivativeOfValues(taps_, left, here, right)};
  }
  GRADOPS_FN V Scaled(V sum) const {
    return Taps::kKind == math::TapsKind::kUnit ? sum : scale_ * sum;
  }

  const Taps taps_;
  const V scale_;
  const int64_t step_;
  G before_, here_;
};

/// Rows row .. row + kRows - 1 of what HorizontalForward and VerticalForward find, where the border
/// changes none of them. `rows` has image rows row - 1 .. row + kRows; rows of gradients are
/// `stride` apart.
template <int kRows, class T>
void FindGradientRows(const math::Stencil& stencil, const Tile& tile, const ColumnEdges& edges,
                      ColumnRange columns, const T* const* rows, GradientRow<T> gradients,
                      int64_t stride) {
  const int64_t step = tile.channels;
  const int64_t from = tile.Position(edges.InteriorBegin(columns.begin, columns.end));
  const int64_t to = tile.Position(edges.InteriorEnd(columns.begin, columns.end));
  const Simd<T> scale(stencil.scale);
  math::VisitTaps<Simd<T>>(stencil, [&](auto taps) GRADOPS_LAMBDA {
    const T* images[kRows + 2];
    for (int i = 0; i < kRows + 2; ++i) images[i] = rows[i];
    ForEachRegister<T>(from, to, [=](int64_t x) GRADOPS_LAMBDA {
      GradientWindow<T, decltype(taps)> window(taps, scale, step, images[0] + x, images[1] + x);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) {
        gradients.Row(i, stride).Store(x, window.Next(images[i + 2] + x));
      }
    });
  });
  edges.ForEach(columns.begin, columns.end, [&](const math::AxisTaps& along, int64_t column) {
    const int64_t begin = tile.Position(column);
    math::VisitTaps<T>(stencil, [&](auto down) {
      for (int64_t x = begin; x < begin + step; ++x) {
        T u[kRows + 2], v[kRows + 2];
        for (int i = 0; i < kRows + 2; ++i) {
          u[i] = WeightedNeighbours(rows[i], along.derivative, x, step);
          v[i] = WeightedNeighbours(rows[i], along.smoothing, x, step);
        }
        for (int i = 0; i < kRows; ++i) {
          const GradientRow<T> row = gradients.Row(i, stride);
          row.y[x] =
              static_cast<T>(stencil.scale) * DerivativeOfValues(down, v[i], v[i + 1], v[i + 2]);
          row.x[x] = static_cast<T>(stencil.scale) * SmoothValues(down, u[i], u[i + 1], u[i + 2]);
        }
      }
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
