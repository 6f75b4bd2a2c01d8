#pragma once

#include "cpu/passes/horizontal_adjoint.h"
#include "cpu/passes/line_writers.h"
#include "cpu/passes/row_group.h"

// The horizontal pass of the adjoint for the rows of a RowGroup, in which most of a gradient is
// written: it takes all channels and one scale for both axes.

namespace gradops::cpu::GRADOPS_TARGET {

/// Rows of a group after the vertical pass of the adjoint, kStride apart: what GroupAdjoint reads.
template <class T, int64_t kStride>
struct AdjointRows {
  static constexpr int64_t begin = 0;  // the first row that is written
  static constexpr bool kAreSigns = false;
  const T *a, *b;

  /// GroupAdjoint for the positions of `lines`, whole lines that the border does not change. Rows
  /// of `out` are out_stride apart.
  template <class Taps, class S, class Writer>
  GRADOPS_FN void WriteLines(const Taps& the_taps, T the_scale, int64_t step, PositionRange lines,
                             S* out, int64_t out_stride, const RowsAhead& the_ahead,
                             Writer writer) const {
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
          const Neighbours<T> a = rows.A(i, x, step), b = rows.B(i, x, step);
          const Simd<T> derivative = taps.DerivativeAdjoint(a.before, a.here, a.after);
          const Simd<T> smoothed = taps.Smooth(b.before, b.here, b.after);
          writer.Write(scale * (derivative + smoothed), i, x, out + i * out_stride + x);
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
/// are written. The tile must have all channels, both axes one scale, and the stencil must smooth.
/// Lines are 64 bytes from the tile's first column on; only without BufferedRows are they lines of
/// memory.
template <class S, class Rows, class Writer>
class GroupAdjoint {
 public:
  using T = ComputeType<S>;

  /// `ahead`: its first row is prefetched.
  GroupAdjoint(const KernelParams& params, const Tile& tile, const AdjointEdges<T>& edges,
               const Rows& rows, T scale, int64_t row, S* image, const RowsAhead& ahead,
               Writer writer)
      : stencil_(params.stencil),
        edges_(edges),
        rows_(rows),
        writer_(writer),
        ahead_(ahead),
        scale_(scale),
        step_(tile.channels),
        out_stride_(tile.shape.RowSize()),
        own_(tile.OwnPositions()),
        // Rows that are not written may lie outside of the image.
        out_(image + tile.ImageOffset(row + rows.begin, tile.column_begin) -
             rows.begin * out_stride_ - own_.begin) {
    const PositionRange interior = edges.Interior();
    left_ =
        math::Min(own_.end, own_.begin + math::CeilDiv(interior.begin - own_.begin, kLine) * kLine);
    right_ = left_ + math::Max<int64_t>(interior.end - left_, 0) / kLine * kLine;
    last_ = left_;
  }

  /// Writes the lines that begin in `part`, but for those that the border changes.
  GRADOPS_FN void Run(PositionRange part) const {
    const PositionRange lines = {LineAt(part.begin), LineAt(part.end)};
    if (lines.begin >= lines.end) return;
    if constexpr (kIsBuffered<Writer>) {
      for (int64_t i = rows_.begin; i < kGroupRows; ++i) {
        writer_.EmptyLines(i, Emptied(i), MemoryLineAt(i, lines.begin), out_ + i * out_stride_);
      }
      last_ = lines.begin;
    }
    WithTaps([&](auto taps) GRADOPS_LAMBDA {
      rows_.WriteLines(taps, scale_, step_, lines, out_, out_stride_, ahead_, writer_);
    });
  }
  /// Writes what Run has not: the lines that the border changes, and what a buffer still has.
  void WriteEdges() const {
    WithTaps([&](auto taps) {
      for (PositionRange lines : {PositionRange{own_.begin, left_}, {right_, own_.end}}) {
        if constexpr (Rows::kAreSigns) {
          rows_.WriteEdgeLines(scale_, step_, lines, out_, out_stride_, writer_);
        } else {
          for (int64_t x = lines.begin; x < lines.end; x += Simd<T>::kLanes) {
            for (int64_t i = rows_.begin; i < kGroupRows; ++i) {
              writer_.Write(EdgeAt(taps, i, x), i, x, out_ + i * out_stride_ + x);
            }
          }
        }
      }
    });
    if constexpr (kIsBuffered<Writer>) {
      for (int64_t i = rows_.begin; i < kGroupRows; ++i) {
        S* const out = out_ + i * out_stride_;
        writer_.EmptyAll(i, own_.begin, math::Min(FirstMemoryLine(i), own_.end), out);
        writer_.EmptyAll(i, Emptied(i), own_.end, out);
      }
    }
  }

 private:
  static constexpr int64_t kLine = 64 / sizeof(S);

  /// The line in [left_, right_] that holds `position`, or the nearest.
  GRADOPS_FN int64_t LineAt(int64_t position) const {
    position = math::Min(math::Max(position, left_), right_);
    return left_ + (position - left_) / kLine * kLine;
  }
  /// The first position of the line of memory that holds the i-th row's element at `position`.
  GRADOPS_FN int64_t MemoryLineAt(int64_t i, int64_t position) const {
    const auto address = reinterpret_cast<uintptr_t>(out_ + i * out_stride_ + position);
    return position - static_cast<int64_t>(address % 64 / sizeof(S));
  }
  /// Where Run begins to empty the buffer of the i-th row, a stretch after it was filled.
  GRADOPS_FN int64_t FirstMemoryLine(int64_t i) const { return MemoryLineAt(i, left_ + kLine - 1); }
  /// Up to where it has done so.
  GRADOPS_FN int64_t Emptied(int64_t i) const {
    return math::Max(FirstMemoryLine(i), MemoryLineAt(i, last_));
  }
  template <class Taps>
  Simd<T> EdgeAt(const Taps& taps, int64_t i, int64_t x) const {
    return edges_.At(taps, x, rows_.A(i, x, step_), rows_.B(i, x, step_), {scale_, scale_});
  }
  template <class Visitor>
  GRADOPS_FN void WithTaps(Visitor&& visitor) const {
    if constexpr (!Rows::kAreSigns) {
      if (stencil_.smoothing[0] != 1) {
        return visitor(math::InteriorTaps<Simd<T>, math::TapsKind::kSmoothing>(stencil_));
      }
    }
    visitor(math::InteriorTaps<Simd<T>, math::TapsKind::kUnit>(stencil_));
  }

  const math::Stencil& stencil_;
  const AdjointEdges<T>& edges_;
  const Rows rows_;
  const Writer writer_;
  const RowsAhead ahead_;
  const T scale_;
  const int64_t step_, out_stride_;
  const PositionRange own_;
  S* const out_;
  int64_t left_, right_;  // the lines between are interior
  mutable int64_t last_;  // where the lines begin that Run has written last
};

}  // namespace gradops::cpu::GRADOPS_TARGET
