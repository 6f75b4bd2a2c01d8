#pragma once

#include <optional>

#include "cpu/passes/sign_rows.h"
#include "cpu/passes/vertical_adjoint.h"
#include "cpu/rows/coarser_rows.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Turns slopes into the gradient by one image. Buffers the last four rows of slopes, and a group
/// of rows after the vertical pass of the adjoint; or instead of that, where slopes are signs, the
/// signs that RowGroups leave (SignRows), in the same memory. The buffers of what is added to a
/// group are also those of BufferedRows.
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
  void SetFirst(int64_t row) {
    slopes_y_.first = slopes_x_.first = row;
    signs_.SetFirst(row);
  }
  GradientRow<T> Slopes(int64_t row) const { return {slopes_y_[row], slopes_x_[row]}; }
  /// The group's rows after the vertical pass of the adjoint, kGroupRows of each.
  T* A() const { return a_; }
  T* B() const { return b_; }
  /// The buffer of what is added to the i-th row of a group, which the caller fills. Once this was
  /// called, it is added in every group.
  T* Added(int64_t i) {
    adds_ = true;
    return added_ + i * stride_;
  }

  /// From now on RowGroups leave signs, in place of slopes and rows after the vertical pass.
  void KeepSigns(const KernelParams& params, const Tile& tile, T scale) {
    keeps_signs_ = true;
    if constexpr (kMayKeepSigns) {
      sign_edges_.emplace(params, tile);
      static_assert(SignRows::kBytes <= 2 * kGroupRows * kMediumRowBytes, "they fit in a_ and b_");
      signs_ = SignRows(a_);
      if constexpr (ScaledIntegers<S>::kAreUsed) scaled_ = ScaledIntegers<S>(scale);
    }
  }
  bool KeepsSigns() const { return keeps_signs_; }
  SignRow Signs(int64_t row) const { return signs_[row]; }
  /// RowGroup::nan_check.
  T* NaNCheck() { return nan_check_; }
  /// Whether a slope was NaN where signs were kept: then all outputs must be found without signs.
  bool MetNaN() const {
    bool met = false;
    for (const T lane : nan_check_) met = met || lane != lane;
    return met;
  }
  /// Before a RowGroup from `row` on. If the rows above it were not in one, takes the signs of the
  /// two; slopes exist from row `first` on. (If only those of row - 1 do, they stand for both: then
  /// the output that row - 2 would change, row - 1, is not wanted.)
  void BeginGroup(int64_t row, int64_t first, int64_t size, PositionRange needed) {
    if constexpr (kMayKeepSigns) {
      if (!keeps_signs_) return;
      if (row != signs_end_ && row - 1 >= first) {
        const GradientRow<T> above = Slopes(math::Max(row - 2, first));
        signs_.Take(row - 2, above, Slopes(row - 1), size, needed, nan_check_);
      }
      signs_end_ = row + kGroupRows;
    }
  }
  /// Before row `row`, which is not in a RowGroup: makes slopes of the two rows above if they were.
  void BeginRow(int64_t row, int64_t size) {
    if constexpr (kMayKeepSigns) {
      if (row != signs_end_) return;
      for (int64_t i = row - 2; i < row; ++i) signs_.Give(i, size, Slopes(i));
    }
  }

  /// The vertical pass of row `row`, as the first of a group. Needs slopes row - 1 .. row + 1.
  void FindVertical(const KernelParams& params, const Tile& tile, int64_t row) {
    VerticalAdjoint(params, tile.shape.height, tile.BufferedSize(), slopes_y_, slopes_x_, row, a_,
                    b_);
  }
  /// Finds what is added to the rows [first, first + count) that are in `wanted`, once the caller
  /// has filled its part.
  void FindAdded(const Tile& tile, int64_t first, int64_t count, RowRange wanted) {
    if (coarser_.plane == nullptr) return;
    const int64_t end = math::Min(first + count, wanted.end);
    for (int64_t row = math::Max(first, wanted.begin); row < end; ++row) {
      AddCoarser(tile, row, added_ + (row - first) * stride_);
    }
  }
  /// Writes the rows [first, first + count) that are in `wanted`, row by row.
  void Emit(const KernelParams& params, const Tile& tile, const AdjointEdges<T>& edges,
            AxisScale<T> scale, int64_t first, int64_t count, RowRange wanted) {
    const int64_t end = math::Min(first + count, wanted.end);
    const bool adds = Adds();
    for (int64_t row = math::Max(first, wanted.begin); row < end; ++row) {
      const int64_t offset = (row - first) * stride_;
      HorizontalAdjoint(params, tile, edges, a_ + offset, b_ + offset, scale, row, image_,
                        adds ? added_ + offset : nullptr, read_soon_);
    }
  }

  /// Whether VisitGroup may write whole groups of rows. `saves`: whether a group saves more than
  /// BufferedRows cost images of 16 bits.
  bool TakesGroup(const Tile& tile, AxisScale<T> scale, bool saves) const {
    return scale.x == scale.y && tile.channels == tile.shape.channels &&
           (saves || std::is_same_v<S, T> || IsOfWholeLines(tile, image_));
  }
  /// Calls visitor(pass), where the pass is a GroupAdjoint that writes the group of rows from
  /// `first` on: those in `wanted`, which must be all of them unless signs are kept, and must not
  /// end before the group does. What is added must be in its buffers.
  template <class Visitor>
  void VisitGroup(const KernelParams& params, const Tile& tile, const AdjointEdges<T>& edges,
                  AxisScale<T> scale, int64_t first, RowRange wanted, const RowsAhead& ahead,
                  Visitor&& visitor) {
    const auto visit = [&](auto stride, const auto& rows) {
      constexpr int64_t kStride = decltype(stride)::value;
      const auto visit_writer = [&](auto writer) {
        visitor(GroupAdjoint<S, std::decay_t<decltype(rows)>, decltype(writer)>(
            params, tile, edges, rows, scale.x, first, image_, ahead, writer));
      };
      if (!IsOfWholeLines(tile, image_)) {
        return visit_writer(BufferedRows<T, kStride>{added_, Adds(), read_soon_});
      }
      if constexpr (std::is_same_v<S, T>) {  // only coarser levels are read soon
        if (read_soon_) return visit_writer(CachedRows<T, kStride>{Adds() ? added_ : nullptr});
      }
      if (Adds()) return visit_writer(StreamedSums<T, kStride>{added_});
      visit_writer(StreamedRows<S>{&scaled_});
    };
    const auto visit_rows = [&](auto stride) {
      if constexpr (kMayKeepSigns) {
        if (keeps_signs_) {
          const int64_t begin = math::Max<int64_t>(wanted.begin - first, 0);
          const bool is_twice = params.stencil.smoothing[1] == 2;
          return visit(stride, SignGroup{signs_[first - 1], signs_[first + 1], is_twice, begin,
                                         &*sign_edges_});
        }
      }
      visit(stride, AdjointRows<T, decltype(stride)::value>{a_, b_});
    };
    if (stride_ == kGroupStride<T, true>) {
      visit_rows(std::integral_constant<int64_t, kGroupStride<T, true>>());
    } else {
      visit_rows(std::integral_constant<int64_t, kGroupStride<T, false>>());
    }
  }

 private:
  static constexpr bool kMayKeepSigns = std::is_same_v<T, float>;

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
  bool read_soon_ = false, adds_ = false, keeps_signs_ = false;
  Ring<T, 4> slopes_y_, slopes_x_;
  int64_t stride_ = 0;
  SignRows signs_;
  std::optional<EdgeWeights<int8_t>> sign_edges_;
  ScaledIntegers<S> scaled_;
  int64_t signs_end_ = INT64_MIN;  // the row after the last group, if that left signs
  T nan_check_[kBlock<T>] = {};
  T *a_ = nullptr, *b_ = nullptr, *coarser_row_ = nullptr, *added_ = nullptr;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
