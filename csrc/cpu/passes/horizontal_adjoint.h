#pragma once

#include <algorithm>

#include "cpu/passes/column_edges.h"
#include "math/interior_taps.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The factors of the two halves of the adjoint: out = x * D_w^T A + y * s_w^T B.
template <class T>
struct AxisScale {
  T y, x;

  /// One multiplication, and one rounding, where both are the same.
  GRADOPS_FN Simd<T> Combine(Simd<T> derivative, Simd<T> smoothed) const {
    return x == y ? Simd<T>(x) * (derivative + smoothed)
                  : Simd<T>(x) * derivative + Simd<T>(y) * smoothed;
  }
};

/// A register of a row, and those of the pixels before and after.
template <class T>
struct Neighbours {
  Simd<T> before, here, after;

  static GRADOPS_FN Neighbours Load(const T* row, int64_t step) {
    return {Simd<T>::Load(row - step), Simd<T>::Load(row), Simd<T>::Load(row + step)};
  }
};

/// A register of outputs away from the border.
template <class Taps, class T>
GRADOPS_FN Simd<T> AdjointAt(Taps taps, Neighbours<T> a, Neighbours<T> b, AxisScale<T> scale) {
  return scale.Combine(taps.DerivativeAdjoint(a.before, a.here, a.after),
                       taps.Smooth(b.before, b.here, b.after));
}

/// The weights of the adjoint's horizontal pass around the columns that the border changes, as
/// numbers of type W: one set for every position.
template <class W>
class EdgeWeights {
 public:
  static constexpr int64_t kReach = 4 * kMaxChannels;  // two columns and the rest of a line
  static constexpr int64_t kLine = 32;                 // elements in a line of memory, at most
  static constexpr int64_t kSize = kReach + 2 * kLine;

  /// Those at positions first, first + 1, ..., and whether the border changes them: 0 or 1.
  struct Side {
    int64_t first;
    W derivative[3][kSize], smoothing[3][kSize], changed[kSize];
  };

  EdgeWeights(const KernelParams& params, const Tile& tile) {
    const ColumnEdges edges(params, tile, /*adjoint=*/true);
    const ColumnRange own = {tile.column_begin, tile.column_end};
    interior_ = edges.Interior(tile, own);
    sides_[0].first = tile.Position(tile.column_begin);
    sides_[1].first = math::Max(interior_.end - kLine, sides_[0].first + kReach);
    const double* const d = params.stencil.derivative;
    const double transposed[] = {d[2], d[1], d[0]};
    for (Side& side : sides_) {
      for (int k = 0; k < 3; ++k) {
        std::fill_n(side.derivative[k], kSize, static_cast<W>(transposed[k]));
        std::fill_n(side.smoothing[k], kSize, static_cast<W>(params.stencil.smoothing[k]));
      }
      std::fill_n(side.changed, kSize, W(0));
    }
    edges.ForEach(tile, own, [&](const math::AxisTaps& taps, int64_t x) {
      for (Side& side : sides_) Change(side, x - side.first, taps);
    });
  }

  /// Positions that the border does not change.
  PositionRange Interior() const { return interior_; }
  /// The side that has the weights of the register at position x.
  GRADOPS_FN const Side& SideOf(int64_t x) const {
    return sides_[x < sides_[0].first + kReach ? 0 : 1];
  }

 private:
  static void Change(Side& side, int64_t i, const math::AxisTaps& taps) {
    if (i < 0 || i >= kSize) return;
    for (int k = 0; k < 3; ++k) {
      side.derivative[k][i] = static_cast<W>(taps.derivative[k]);
      side.smoothing[k][i] = static_cast<W>(taps.smoothing[k]);
    }
    side.changed[i] = 1;
  }

  PositionRange interior_;
  Side sides_[2];
};

/// The horizontal pass of the adjoint in the columns that the border changes, one register at a
/// time.
template <class T>
class AdjointEdges {
 public:
  AdjointEdges(const KernelParams& params, const Tile& tile) : weights_(params, tile) {}

  /// Positions that the border does not change.
  PositionRange Interior() const { return weights_.Interior(); }
  /// The adjoint at position x.
  template <class Taps>
  GRADOPS_FN Simd<T> At(Taps taps, int64_t x, Neighbours<T> a, Neighbours<T> b,
                        AxisScale<T> scale) const {
    const PositionRange interior = Interior();
    const Simd<T> inside = AdjointAt(taps, a, b, scale);
    if (x >= interior.begin && x + Simd<T>::kLanes <= interior.end) return inside;
    const auto& side = weights_.SideOf(x);
    const int64_t i = x - side.first;
    const Simd<T> value =
        scale.Combine(Weighted(side.derivative, i, a), Weighted(side.smoothing, i, b));
    return Select(Simd<T>::Load(side.changed + i) > Simd<T>(0), value, inside);
  }

 private:
  static constexpr int64_t kSize = EdgeWeights<T>::kSize;

  /// Sum of weight_k * neighbour_k. A neighbour of weight 0 is left out, even a NaN.
  static GRADOPS_FN Simd<T> Weighted(const T weights[3][kSize], int64_t i, Neighbours<T> values) {
    const Simd<T> zero(0);
    const auto add = [=](Simd<T> sum, int k, Simd<T> value) GRADOPS_LAMBDA {
      const Simd<T> weight = Simd<T>::Load(weights[k] + i);
      return Select(Abs(weight) > zero, sum + weight * value, sum);
    };
    return add(add(add(zero, 0, values.before), 1, values.here), 2, values.after);
  }

  const EdgeWeights<T> weights_;
};

/// Writes scale.x * D_w^T a + scale.y * s_w^T b to the tile's columns of row `row` of the image.
/// `added`: a row buffer to add before rounding, or null. `read_soon`: whether to keep the result
/// in the caches.
template <class S, class T = ComputeType<S>>
void HorizontalAdjoint(const KernelParams& params, const Tile& tile, const AdjointEdges<T>& edges,
                       const T* a, const T* b, AxisScale<T> scale, int64_t row, S* image,
                       const T* added = nullptr, bool read_soon = false) {
  const PositionRange interior = edges.Interior();
  const int64_t step = tile.channels;
  const auto plus_added = [=](Simd<T> value, int64_t x) GRADOPS_LAMBDA {
    return added == nullptr ? value : value + Simd<T>::Load(added + x);
  };
  math::VisitTaps<Simd<T>>(params.stencil, [&](auto taps) GRADOPS_LAMBDA {
    tile.ForEachRun(tile.column_begin, tile.column_end, [&](int64_t first, int64_t last) {
      const int64_t from = tile.Position(first), size = (last - first) * step;
      const PositionRange inside = {interior.begin - from, interior.end - from};
      const auto load = [=](const T* row, int64_t x)
                            GRADOPS_LAMBDA { return Neighbours<T>::Load(row + from + x, step); };
      const auto value = [=](int64_t x) GRADOPS_LAMBDA {
        return plus_added(AdjointAt(taps, load(a, x), load(b, x), scale), from + x);
      };
      const auto edge = [&](int64_t x) {
        return plus_added(edges.At(taps, from + x, load(a, x), load(b, x), scale), from + x);
      };
      S* const out = image + tile.ImageOffset(row, first);
      WriteRun(out, size, inside, value, edge, read_soon);
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
