#pragma once

#include <limits>

#include "cpu/passes/gradient_rows.h"
#include "cpu/passes/residual_row.h"
#include "cpu/passes/row_group.h"
#include "cpu/passes/vertical_adjoint.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Loads the blocks of four rows of image - minus, or of image if minus is null. Prefetches the
/// first kFetched rows of `ahead`.
template <class S, int kFetched>
struct LoadPass {
  using T = ComputeType<S>;

  const S *image, *minus;
  int64_t stride;  // elements from row to row
  T* out;
  int64_t out_stride;
  PositionRange blocks;  // what is loaded of a row
  RowsAhead ahead;

  /// The blocks at positions part.begin .. part.end - 1, each of which begins a block.
  GRADOPS_FN void Run(PositionRange part) const {
    const LoadPass rows = *this;
    const int64_t begin = math::Max(part.begin, blocks.begin);
    const int64_t end = math::Min(part.end, blocks.end);
    VisitDifference(image, minus, [=](auto value) GRADOPS_LAMBDA {
      for (int64_t block = begin; block < end; block += kBlock<T>) {
#pragma GCC unroll 4
        for (int i = 0; i < kFetched; ++i) rows.ahead.Prefetch(i, block);
#pragma GCC unroll 4
        for (int i = 0; i < kGroupRows; ++i) {
#pragma GCC unroll 4
          for (int64_t x = block; x < block + kBlock<T>; x += Simd<T>::kLanes) {
            value(i * rows.stride + x).Store(rows.out + i * rows.out_stride + x);
          }
        }
      }
    });
  }
};

/// Finds the gradients of an image or of a difference of two. Buffers the last eight rows that were
/// loaded, and the gradients of some rows.
template <class S>
class SourceRows {
 public:
  using T = ComputeType<S>;
  /// Row buffers that this takes if it keeps the gradients of `rows` rows.
  static constexpr int64_t Rows(int64_t rows) { return 8 + 2 * rows; }

  SourceRows() = default;
  /// Of image - minus, or of image if minus is null. If both are null, the gradients are 0. `rows`:
  /// how many rows Find will be asked for at once.
  SourceRows(const S* image, const S* minus, int64_t rows, RowAllocator<T>* memory)
      : image_(image), minus_(minus), rows_(memory), gradients_(memory, rows) {
    if (image != nullptr) return;
    const int64_t stride = memory->Stride();
    // With the ghost columns before the first row and after the last, which RowGroups read.
    for (int64_t x = -kMaxChannels; x < 8 * stride; ++x) rows_.rows[x] = 0;
    for (int64_t x = -kBlock<T>; x < rows * stride - kBlock<T>; ++x) {
      gradients_.y[x] = gradients_.x[x] = 0;
    }
  }

  void SetFirst(int64_t row) { rows_.first = row; }
  bool IsGiven() const { return image_ != nullptr; }
  T* Row(int64_t row) const { return rows_[row]; }
  /// The gradients that Find found for the i-th row.
  GradientRow<T> Gradients(int64_t i) const {
    return gradients_.y == nullptr ? gradients_ : gradients_.Row(i, rows_.stride);
  }

  void Load(const Tile& tile, int64_t row) { LoadRow(tile, image_, minus_, row, rows_[row]); }

  /// LoadEnds and the pass that Inside returns load rows row .. row + 3 of a tile that is one run:
  /// a block at the beginning of each row and two at its end, or a short row as a whole; and the
  /// blocks between. The pass leaves alone the first block of the buffer and the last kBlock
  /// positions of the row.
  void LoadEnds(const Tile& tile, int64_t row) {
    const int64_t first = tile.Position(tile.origin), size = tile.BufferedSize() - first;
    if (size < kLongRow) {
      for (int64_t i = row; i < row + kGroupRows; ++i) Load(tile, i);
      return;
    }
    VisitDifference(image_, minus_, [&](auto value) GRADOPS_LAMBDA {
      for (int64_t i = row; i < row + kGroupRows; ++i) {
        const int64_t from = tile.ImageOffset(i, tile.origin);
        T* const out = rows_[i] + first;
        for (int64_t block : {int64_t{0}, size - 2 * kBlock<T>, size - kBlock<T>}) {
#pragma GCC unroll 4
          for (int64_t x = block; x < block + kBlock<T>; x += Simd<T>::kLanes) {
            value(from + x).Store(out + x);
          }
        }
      }
    });
  }
  template <int kFetched>
  LoadPass<S, kFetched> Inside(const Tile& tile, int64_t row, const RowsAhead& ahead) const {
    const int64_t first = tile.Position(tile.origin), end = tile.BufferedSize();
    const int64_t offset = tile.ImageOffset(row, tile.origin) - first;
    PositionRange blocks = {0, 0};
    if (end - first >= kLongRow) {
      blocks = {(first / kBlock<T> + 1) * kBlock<T>, (end / kBlock<T> - 1) * kBlock<T>};
    }
    return {image_ + offset,
            OffsetIfGiven(minus_, offset),
            tile.shape.RowSize(),
            rows_[row],
            rows_.stride,
            blocks,
            ahead};
  }
  /// The rows that a RowGroup from `row` on depends on.
  SourceGroup<T> Group(int64_t row) const { return {rows_[row - 1], rows_[row + 1]}; }

  /// Writes the ghost columns of a row, for a RowGroup, and returns whether they are finite. Taps
  /// that fall on the same pixel are then added as products instead of as weights, which is the
  /// same unless the pixel is NaN or infinite.
  bool AddGhosts(const KernelParams& params, const Tile& tile, int64_t row) {
    T* const elements = rows_[row];
    const int64_t step = tile.channels, width = tile.shape.width;
    bool finite = true;
    const auto add = [&](int64_t ghost) {
      const int64_t source = math::MapToImage(params.border, ghost, width);
      for (int64_t i = 0; i < step; ++i) {
        const T value = source < 0 ? T(0) : elements[tile.Position(source) + i];
        finite = finite && math::Abs(value) <= std::numeric_limits<T>::max();
        elements[tile.Position(ghost) + i] = value;
      }
    };
    if (tile.origin == 0) add(-1);
    if (tile.end == width) add(width);
    return finite;
  }

  /// Finds the gradients of rows row .. row + count - 1 in `columns`. These rows, the one above and
  /// the one below must be loaded, as far as they exist.
  void Find(const KernelParams& params, const Tile& tile, const ColumnEdges& edges,
            ColumnRange columns, int64_t row, int64_t count) {
    const int64_t height = tile.shape.height;
    const bool wraps = math::Wraps(params.stencil, params.border, height);
    for (int64_t i = 0; i < count;) {
      const int64_t first = row + i;
      const int64_t left = wraps ? count - i : math::Min(count - i, height - 1 - first);
      const T* rows[kGroupRows + 2];
      const auto find = [&](auto size) {
        for (int64_t k = 0; k < size + 2; ++k) rows[k] = rows_[first - 1 + k];
        FindGradientRows<size>(params.stencil, tile, edges, columns, rows, Gradients(i),
                               rows_.stride);
        i += size;
      };
      if (!wraps && math::IsForwardEdge(first, height)) {
        for (int64_t k = 0; k < 3; ++k) rows[k] = rows_[first - 1 + k];
        FindEdgeRow(params.stencil, tile, edges, columns, rows,
                    ForwardTaps(params.stencil, params.border, first, height), Gradients(i));
        ++i;
      } else if (left >= 4) {
        find(std::integral_constant<int, 4>());
      } else if (left >= 2) {
        find(std::integral_constant<int, 2>());
      } else {
        find(std::integral_constant<int, 1>());
      }
    }
  }

 private:
  static constexpr int64_t kLongRow = 3 * kBlock<T>;

  const S *image_ = nullptr, *minus_ = nullptr;
  Ring<T, 8> rows_;
  GradientRow<T> gradients_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
