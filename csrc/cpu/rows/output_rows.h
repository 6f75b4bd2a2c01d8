#pragma once

#include "cpu/passes/group_adjoint.h"
#include "cpu/passes/vertical_pass.h"
#include "cpu/rows/coarser_rows.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Turns slopes into the gradient by one image. Buffers the last four rows of slopes, and a group
/// of rows after the vertical pass of the adjoint.
template <class S>
class OutputRows {
 public:
  using T = ComputeType<S>;
  static constexpr int64_t kRows = 2 * 4 + 3 * kGroupRows + 1;

  OutputRows() = default;
  /// `image`: one plane of the gradient, to which `coarser` is added.
  OutputRows(S* image, const CoarserGradient<T>& coarser, bool read_soon, RowAllocator<T>* memory)
      : image_(image),
        coarser_(coarser),
        read_soon_(read_soon),
        slopes_y_(memory),
        slopes_x_(memory),
        stride_(memory->Stride()),
        a_(memory->Take(kGroupRows)),
        b_(memory->Take(kGroupRows)),
        coarser_row_(memory->Take(1)),
        added_(memory->Take(kGroupRows)) {}

  bool IsWanted() const { return image_ != nullptr; }
  void SetFirst(int64_t row) { slopes_y_.first = slopes_x_.first = row; }
  GradientRow<T> Slopes(int64_t row) const { return {slopes_y_[row], slopes_x_[row]}; }
  /// The group's rows after the vertical pass of the adjoint, kGroupRows of each.
  T* A() const { return a_; }
  T* B() const { return b_; }
  /// The buffer of what Emit adds to the i-th row of a group, which the caller fills. Once this was
  /// called, Emit adds it in every group.
  T* Added(int64_t i) {
    adds_ = true;
    return added_ + i * stride_;
  }

  /// The vertical pass of row `row`, the i-th of the group. Needs slopes row - 1 .. row + 1.
  void FindVertical(const KernelParams& params, const Tile& tile, int64_t row, int64_t i) {
    VerticalAdjoint(params, tile.shape.height, tile.BufferedSize(), slopes_y_, slopes_x_, row,
                    a_ + i * stride_, b_ + i * stride_);
  }
  /// The horizontal pass of the rows [first, first + count) of the group that are in `wanted`. May
  /// prefetch the first row of `ahead`, which may be null.
  void Emit(const KernelParams& params, const Tile& tile, const AdjointEdges<T>& edges,
            AxisScale<T> scale, int64_t first, int64_t count, RowRange wanted,
            const RowsAhead* ahead) {
    const int64_t end = math::Min(first + count, wanted.end);
    int64_t row = math::Max(first, wanted.begin);
    const bool all = row == first && end == first + kGroupRows;
    if (coarser_.plane != nullptr) {
      for (int64_t i = row; i < end; ++i) AddCoarser(tile, i, added_ + (i - first) * stride_);
    }
    if (ahead != nullptr && all && TakesGroup(tile, scale, row)) {
      return EmitGroup(params, tile, edges, scale, row, *ahead, {0, tile.BufferedSize()});
    }
    const bool adds = Adds();
    for (; row < end; ++row) {
      const int64_t offset = (row - first) * stride_;
      const T *const a = a_ + offset, *const b = b_ + offset;
      if (adds || read_soon_) {
        HorizontalAdjoint(params, tile, edges, a, b, scale, row, image_,
                          LevelOutput<T>{adds ? added_ + offset : nullptr, read_soon_});
      } else {
        HorizontalAdjoint(params, tile, edges, a, b, scale, row, image_);
      }
    }
  }

  /// Whether EmitGroup may write the rows from `row` on.
  bool TakesGroup(const Tile& tile, AxisScale<T> scale, int64_t row) const {
    return !read_soon_ && scale.x == scale.y && IsOfWholeLines(tile, image_, row);
  }
  /// Emits the lines of a whole group that begin in `part`. What is added must be in its buffers.
  void EmitGroup(const KernelParams& params, const Tile& tile, const AdjointEdges<T>& edges,
                 AxisScale<T> scale, int64_t row, const RowsAhead& ahead, PositionRange part) {
    const auto emit = [&](auto stride, auto added) {
      GroupAdjoint<decltype(stride)::value>(params, tile, edges, a_, b_, scale.x, row, image_,
                                            ahead, added, part);
    };
    const auto emit_rows = [&](auto stride) {
      if (Adds()) return emit(stride, AddedRows<T, decltype(stride)::value>{added_});
      emit(stride, NothingAdded());
    };
    if (stride_ == kGroupStride<T, true>) {
      emit_rows(std::integral_constant<int64_t, kGroupStride<T, true>>());
    } else {
      emit_rows(std::integral_constant<int64_t, kGroupStride<T, false>>());
    }
  }

 private:
  /// Whether there is anything to add to the gradient.
  bool Adds() const { return adds_ || coarser_.plane != nullptr; }
  /// Adds the next level's part to what is added to row `row`.
  void AddCoarser(const Tile& tile, int64_t row, T* added) const {
    SpreadRow(tile, coarser_, row, adds_ ? coarser_row_ : added);
    if (!adds_) return;
    const PositionRange own = tile.OwnPositions();
    for (int64_t x = own.begin; x < own.end; ++x) added[x] += coarser_row_[x];
  }

  S* image_ = nullptr;
  CoarserGradient<T> coarser_;
  bool read_soon_ = false, adds_ = false;
  Ring<T, 4> slopes_y_, slopes_x_;
  int64_t stride_ = 0;
  T *a_ = nullptr, *b_ = nullptr, *coarser_row_ = nullptr, *added_ = nullptr;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
