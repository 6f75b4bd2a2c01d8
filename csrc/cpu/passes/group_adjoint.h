#pragma once

#include "cpu/passes/horizontal_adjoint.h"
#include "cpu/passes/row_group.h"

// The horizontal pass of the adjoint for the rows of a RowGroup, in which most of a gradient is
// written: it takes whole lines of memory and one scale for both axes.

namespace gradops::cpu::GRADOPS_TARGET {

/// What GroupAdjoint adds to its output: nothing, or rows kStride apart.
struct NothingAdded {
  template <class V>
  GRADOPS_FN V Plus(V value, int64_t, int64_t) const {
    return value;
  }
};
template <class T, int64_t kStride>
struct AddedRows {
  const T* rows;

  GRADOPS_FN Simd<T> Plus(Simd<T> value, int64_t i, int64_t x) const {
    return value + Simd<T>::Load(rows + i * kStride + x);
  }
};

/// Whether the tile's columns are whole lines of memory in every row.
template <class S>
bool IsOfWholeLines(const Tile& tile, const S* image) {
  const PositionRange own = tile.OwnPositions();
  const S* const begin = image + tile.ImageOffset(0, tile.column_begin);
  return tile.IsOneRun() && tile.shape.RowSize() * sizeof(S) % 64 == 0 &&
         (own.end - own.begin) * sizeof(S) % 64 == 0 &&
         reinterpret_cast<uintptr_t>(begin) % 64 == 0;
}

/// Rows of a group after the vertical pass of the adjoint, kStride apart: what GroupAdjoint reads.
template <class T, int64_t kStride>
struct AdjointRows {
  static constexpr int64_t begin = 0, end = kGroupRows;  // the rows that are written
  static constexpr bool kHasSmallTaps = false;           // whether the stencil must have small taps
  const T *a, *b;

  /// GroupAdjoint for the positions of `lines`, whole lines that the border does not change. Rows
  /// of `out` are out_stride apart.
  template <class Taps, class S, class Added>
  void StreamLines(const Taps& the_taps, T the_scale, int64_t step, PositionRange lines, S* out,
                   int64_t out_stride, const RowsAhead& the_ahead, Added added) const {
    constexpr int64_t kLine = 64 / sizeof(S);
    const Taps taps = the_taps;
    const RowsAhead ahead = the_ahead;
    const AdjointRows rows = *this;
    const Simd<T> scale(the_scale);
    for (int64_t line = lines.begin; line < lines.end; line += kLine) {
      ahead.Prefetch(0, line);
#pragma GCC unroll 4
      for (int64_t i = 0; i < kGroupRows; ++i) {
#pragma GCC unroll 8
        for (int64_t x = line; x < line + kLine; x += Simd<T>::kLanes) {
          const T *const ax = rows.a + i * kStride + x, *const bx = rows.b + i * kStride + x;
          const Simd<T> derivative = taps.DerivativeAdjoint(
              GRADOPS_LOAD(ax - step), GRADOPS_LOAD(ax), GRADOPS_LOAD(ax + step));
          const Simd<T> smoothed =
              taps.Smooth(GRADOPS_LOAD(bx - step), GRADOPS_LOAD(bx), GRADOPS_LOAD(bx + step));
          StreamNarrow(added.Plus(scale * (derivative + smoothed), i, x), out + i * out_stride + x);
        }
      }
    }
  }
  /// The registers at position x of the i-th rows.
  GRADOPS_FN Neighbours<T> A(int64_t i, int64_t x, int64_t step) const {
    return Neighbours<T>::Load(a + i * kStride + x, step);
  }
  GRADOPS_FN Neighbours<T> B(int64_t i, int64_t x, int64_t step) const {
    return Neighbours<T>::Load(b + i * kStride + x, step);
  }
};

/// HorizontalAdjoint for `rows`, which has rows row .. row + kGroupRows - 1 and says which of them
/// are written, of whole lines, both halves of which have one scale, and a stencil that smooths.
/// Writes the lines that begin in `part`, and with the row's first and last lines those that the
/// border changes. Prefetches the first row of `ahead`.
template <class S, class Rows, class Added, class T = ComputeType<S>>
void GroupAdjoint(const KernelParams& params, const Tile& tile, const AdjointEdges<T>& edges,
                  const Rows& rows, T scale, int64_t row, S* image, const RowsAhead& ahead,
                  Added added, PositionRange part) {
  constexpr int64_t kLine = 64 / sizeof(S);
  const int64_t out_stride = tile.shape.RowSize(), step = tile.channels;
  const PositionRange own = tile.OwnPositions(), interior = edges.Interior();
  // Rows that are not written may lie outside of the image.
  S* const out = image + tile.ImageOffset(row + rows.begin, tile.column_begin) -
                 rows.begin * out_stride - own.begin;
  // The lines inside [left, right) are interior.
  const int64_t left =
      math::Min(own.end, own.begin + math::CeilDiv(interior.begin - own.begin, kLine) * kLine);
  const int64_t right = left + math::Max<int64_t>(interior.end - left, 0) / kLine * kLine;
  const auto line_at = [=](int64_t position) {
    position = math::Min(math::Max(position, left), right);
    return left + (position - left) / kLine * kLine;
  };
  const auto stream = [&](auto taps) GRADOPS_LAMBDA {
    const auto edge_at = [&](int64_t i, int64_t x) {
      const Neighbours<T> a = rows.A(i, x, step), b = rows.B(i, x, step);
      const AxisScale<T> scales = {scale, scale};
      return edges.At(x, a, b, scales, scales.Combine(a.Derivative(taps), b.Smoothed(taps)));
    };
    const auto edge_lines = [&](int64_t x, int64_t end) {
      for (; x < end; x += Simd<T>::kLanes) {
        for (int64_t i = rows.begin; i < rows.end; ++i) {
          StreamNarrow(added.Plus(edge_at(i, x), i, x), out + i * out_stride + x);
        }
      }
    };
    rows.StreamLines(taps, scale, step, {line_at(part.begin), line_at(part.end)}, out, out_stride,
                     ahead, added);
    if (part.begin <= own.begin) edge_lines(own.begin, left);
    if (part.end >= own.end) edge_lines(right, own.end);
  };
  if constexpr (!Rows::kHasSmallTaps) {
    if (params.stencil.smoothing[0] != 1) {
      return stream(math::InteriorTaps<Simd<T>, math::TapsKind::kSmoothing>(params.stencil));
    }
  }
  stream(math::InteriorTaps<Simd<T>, math::TapsKind::kUnit>(params.stencil));
}

}  // namespace gradops::cpu::GRADOPS_TARGET
