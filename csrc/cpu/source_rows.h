#ifndef GRADOPS_CPU_SOURCE_ROWS_H_
#define GRADOPS_CPU_SOURCE_ROWS_H_

#include <limits>

#include "cpu/component_group.h"
#include "cpu/horizontal_pass.h"
#include "cpu/residual_row.h"
#include "cpu/vertical_pass.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Columns [begin, end) of which a sweep wants residuals.
struct ColumnRange {
  int64_t begin, end;
};

/// An image, or a difference of two, on its way to its gradients: its last eight rows, as they were
/// loaded, and the gradients of a group of rows.
template <class S>
class SourceRows {
 public:
  using T = ComputeType<S>;
  static constexpr int64_t kRows = 8 + 2 * kGroupRows;

  SourceRows() = default;
  /// The rows of image - minus; of image where minus is null; gradients of 0 where both are.
  SourceRows(const S* image, const S* minus, RowAllocator<T>* memory)
      : image_(image), minus_(minus), rows_{memory->Take(8)} {
    T* const y = memory->Take(kGroupRows);
    gradients_ = {y, memory->Take(kGroupRows)};
    if (image != nullptr) return;
    for (int64_t x = 0; x < kGroupRows * kRowStride<T>; ++x) {
      gradients_.y[x - kBlock<T>] = gradients_.x[x - kBlock<T>] = 0;
    }
  }

  void SetFirst(int64_t row) { rows_.first = row; }
  bool IsGiven() const { return image_ != nullptr; }
  T* Row(int64_t row) const { return rows_[row]; }
  /// The gradients that Find found, of the i-th row.
  GradientRow<T> Gradients(int64_t i) const {
    return gradients_.y == nullptr ? gradients_ : gradients_.Row(i);
  }

  void Load(const Tile& tile, int64_t row) { LoadRow(tile, image_, minus_, row, rows_[row]); }

  /// Writes the ghost columns of a row, for a ComponentGroup. There, taps that land on the same
  /// pixel meet as numbers and not as weights: the same if the numbers are finite, which is
  /// returned.
  bool AddGhosts(const KernelParams& params, const Tile& tile, int64_t row) {
    T* const numbers = rows_[row];
    const int64_t step = tile.channels, width = tile.shape.width;
    bool finite = true;
    const auto add = [&](int64_t ghost) {
      const int64_t source = math::MapToImage(params.border, ghost, width);
      for (int64_t i = 0; i < step; ++i) {
        const T value = source < 0 ? T(0) : numbers[tile.Position(source) + i];
        finite = finite && math::Abs(value) <= std::numeric_limits<T>::max();
        numbers[tile.Position(ghost) + i] = value;
      }
    };
    if (tile.origin == 0) add(-1);
    if (tile.end == width) add(width);
    return finite;
  }

  /// The gradients of rows row .. row + count - 1, up to a group; image rows [first, last) are
  /// there.
  void Find(const KernelParams& params, const Tile& tile, const ColumnEdges& edges,
            ColumnRange columns, int64_t row, int64_t count, int64_t first, int64_t last, T* u_rows,
            T* v_rows) {
    const Ring<T, 8> u{u_rows, row - 1}, v{v_rows, row - 1};
    for (int64_t i = first; i < last; ++i) {
      HorizontalForward(params, tile, edges, rows_[i], columns.begin, columns.end, u[i], v[i]);
    }
    for (int64_t i = 0; i < count; ++i) {
      const GradientRow<T> gradient = gradients_.Row(i);
      VerticalForward(params, tile.shape.height, tile.BufferedSize(), u, v, row + i, gradient.y,
                      gradient.x);
    }
  }

  /// Where a ComponentGroup finds what it should fetch next, from image row `row` on.
  void SetAhead(const Tile& tile, int64_t row, ComponentGroup<T>* group) const {
    const int64_t next = math::Min(row, tile.shape.height - 1);
    const int64_t offset = tile.ImageOffset(next, math::Max<int64_t>(tile.origin, 0));
    group->ahead_pred = reinterpret_cast<const char*>(image_ + offset);
    group->ahead_true = reinterpret_cast<const char*>((minus_ ? minus_ : image_) + offset);
    group->ahead_stride = tile.shape.RowSize() * sizeof(S);
    group->ahead_bytes = sizeof(S);
  }

 private:
  const S *image_ = nullptr, *minus_ = nullptr;
  Ring<T, 8> rows_;
  GradientRow<T> gradients_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_SOURCE_ROWS_H_
