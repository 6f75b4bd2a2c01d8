#pragma once

#include <algorithm>
#include <iterator>
#include <utility>

#include "cpu/passes/byte_rows.h"
#include "cpu/passes/column_edges.h"
#include "cpu/passes/map_rows.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Finds which residuals of a tile count. One is dropped where its support leaves the image (border
/// valid) or holds an invalid pixel. A support is a product of rows and columns, so "all valid"
/// goes through the same two passes as the stencil, in bytes that are 1 or 0, one per channel.
template <class T>
class ResidualMask {
  static constexpr int64_t kByteRows = 3 * 8 + 1 + 2 * kGroupRows;

 public:
  /// Row buffers that this takes: byte rows take the most where those are narrow.
  static constexpr int64_t kRows =
      kByteRows * ByteRowStride(kRowStride<T>) / (kRowStride<T> * sizeof(T)) + 1;

  /// `maps` must outlive this.
  ResidualMask(const KernelParams& params, const Tile& tile, const PixelMap<uint8_t>& mask,
               const MapRows<T>& maps, RowAllocator<T>* memory)
      : params_(params),
        tile_(tile),
        edges_(params, tile, /*adjoint=*/false),
        mask_(mask),
        maps_(maps),
        size_(tile.BufferedSize()),
        stride_(ByteRowStride(memory->Stride())),
        joint_(ResidualsOf(params.response) == 1),
        drops_(MayDrop(params, mask)) {
    auto* bytes = reinterpret_cast<uint8_t*>(memory->Take(kRows));
    const auto take = [&](int64_t rows) { return std::exchange(bytes, bytes + rows * stride_); };
    u_ = {take(8), stride_, 0};
    v_ = {take(8), stride_, 0};
    valid_ = {take(8), stride_, 0};
    spare_ = take(1);
    y_rows_ = take(kGroupRows);
    x_rows_ = joint_ ? y_rows_ : take(kGroupRows);
    std::memset(y_rows_, 1, stride_);
    std::memset(x_rows_, 1, stride_);
  }

  /// Whether any residual or pixel may be dropped.
  static bool MayDrop(const KernelParams& params, const PixelMap<uint8_t>& mask) {
    return mask.data != nullptr || params.border == BorderId::kValid;
  }

  /// Sets Ring::first of the rings, which are then empty.
  void SetFirst(int64_t row) {
    u_.first = v_.first = valid_.first = row;
    std::fill(std::begin(horizontal_), std::end(horizontal_), INT64_MIN);
  }
  /// The columns whose residuals will be asked for.
  void SetColumns(ColumnRange columns) { columns_ = columns; }

  /// Loads the mask of image rows row .. row + count - 1, up to four.
  void Load(int64_t row, int64_t count) {
    if (!drops_) return;
    // Loads all rows before using any: bytes just stored are slow to read back at an offset.
    for (int64_t i = 0; i < count; ++i) LoadMask(row + i, valid_[row + i]);
    if (mask_.data != nullptr) {
      const MapAhead ahead = maps_.Ahead(mask_, row + count, count);
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t at = 0; at < ahead.size; at += 64) ahead.Prefetch(i, at);
      }
    }
  }
  /// Replaces the invalid pixels of a loaded row by 0 in the columns that ghosts are copied from:
  /// where a pixel and its ghost cancel, the pixel is not in the residual's support, but a NaN in
  /// it would not cancel.
  void HideEdges(int64_t row, T* image_row) const {
    if (mask_.data == nullptr) return;
    const uint8_t* const valid = valid_[row];
    const auto hide = [&](int64_t begin, int64_t end) {
      for (int64_t x = tile_.Position(begin); x < tile_.Position(end); ++x) {
        if (valid[x] == 0) image_row[x] = 0;
      }
    };
    const int64_t width = tile_.shape.width;
    if (tile_.origin == 0) hide(0, math::Min<int64_t>(2, tile_.end));
    if (tile_.end == width) hide(math::Max(width - 2, tile_.origin), width);
  }
  /// Finds which residuals of row `row` count: Y() and X(). The mask of the image rows in its
  /// support must be loaded.
  void Find(int64_t row) {
    if (!drops_) return;
    uint8_t *const y = y_rows_, *const x = joint_ ? spare_ : x_rows_;
    const math::AxisTaps taps = TapsOfRow(row);
    if (taps.derivative_cancels) {
      std::memcpy(y, valid_[row], size_);
    } else {
      VerticalAll(taps.derivative_counts, taps.derivative_support, v_, row, y);
    }
    VerticalAll(taps.smoothing_counts, taps.smoothing_support, u_, row, x);
    SetCancelled(valid_[row], x);
    if (joint_) AndBytes(y, x, x, y, size_);
  }
  /// Whether FindGroup can find which of rows row .. row + kGroupRows - 1 count.
  bool TakesGroup(int64_t row) const {
    return params_.stencil.IsSmoothedCentral() &&
           (math::Wraps(params_.stencil, params_.border, tile_.shape.height) ||
            (row > 0 && row + kGroupRows < tile_.shape.height));
  }
  void FindGroup(int64_t row) {
    if (!drops_) return;
    const uint8_t* valid[kGroupRows + 2];
    for (int64_t i = 0; i < kGroupRows + 2; ++i) valid[i] = valid_[row - 1 + i];
    if (joint_) {
      AllOfGroup<true>(valid);
    } else {
      AllOfGroup<false>(valid);
    }
  }
  /// Finds which pixels of image row `row` count: those that are valid.
  void FindPixels(int64_t row) { LoadMask(row, y_rows_); }

  /// What was found of the first row, by axis: 0 where a residual is dropped. Rows are Stride()
  /// apart, or all the same if that is 0. X is Y where both axes have one residual.
  const uint8_t* Y() const { return y_rows_; }
  const uint8_t* X() const { return x_rows_; }
  int64_t Stride() const { return drops_ ? stride_ : 0; }

 private:
  void LoadMask(int64_t row, uint8_t* out) const {
    const int64_t first = tile_.Position(tile_.origin);
    if (mask_.data == nullptr) {
      std::memset(out + first, 1, size_ - first);
    } else {
      maps_.Load(mask_, row, out);
    }
  }

  math::AxisTaps InteriorSupport() const {
    math::AxisTaps taps;
    for (int k = 0; k < 3; ++k) {
      taps.derivative_support[k] = params_.stencil.derivative[k] != 0;
      taps.smoothing_support[k] = params_.stencil.smoothing[k] != 0;
    }
    return taps;
  }
  math::AxisTaps TapsOfRow(int64_t row) const {
    const int64_t height = tile_.shape.height;
    const bool wraps = math::Wraps(params_.stencil, params_.border, height);
    return math::IsForwardEdge(row, height) && !wraps
               ? ForwardTaps(params_.stencil, params_.border, row, height)
               : InteriorSupport();
  }

  /// Find for four rows at once: HorizontalAll and VerticalAll away from the border.
  /// `valid`: the mask of the row above them, of the rows, and of the row below.
  template <bool kJoint>
  void AllOfGroup(const uint8_t* const (&valid)[kGroupRows + 2]) {
    const int64_t step = tile_.channels, stride = stride_;
    uint8_t *const y_rows = y_rows_, *const x_rows = x_rows_;
    for (int64_t position = 0; position < size_; position += GRADOPS_VECTOR_BYTES) {
      struct Supports {
        UnalignedBytes u, v;
      };
      const auto horizontal = [=](const uint8_t* row) GRADOPS_LAMBDA {
        const uint8_t* const at = row + position;
        const UnalignedBytes u = LoadBytes(at - step) & LoadBytes(at + step);
        return Supports{u, u & LoadBytes(at)};
      };
      Supports above = horizontal(valid[0]), here = horizontal(valid[1]);
#pragma GCC unroll 4
      for (int64_t i = 0; i < kGroupRows; ++i) {
        const Supports below = horizontal(valid[i + 2]);
        const UnalignedBytes y = above.v & below.v, x = above.u & here.u & below.u;
        const int64_t to = i * stride + position;
        StoreBytes(y_rows + to, kJoint ? y & x : y);
        if (!kJoint) StoreBytes(x_rows + to, x);
        above = here;
        here = below;
      }
    }
    edges_.ForEach(tile_, columns_, [&](const math::AxisTaps& edge, int64_t position) {
      uint8_t u[kGroupRows + 2], v[kGroupRows + 2];
      for (int64_t i = 0; i < kGroupRows + 2; ++i) {
        u[i] = All(edge.derivative_counts, edge.derivative_support, valid[i] + position);
        v[i] = All(edge.smoothing_counts, edge.smoothing_support, valid[i] + position);
      }
      for (int64_t i = 0; i < kGroupRows; ++i) {
        const uint8_t y = v[i] & v[i + 2];
        const uint8_t x =
            edge.derivative_cancels ? valid[i + 1][position] : u[i] & u[i + 1] & u[i + 2];
        const int64_t to = i * stride + position;
        y_rows[to] = kJoint ? y & x : y;
        if (!kJoint) x_rows[to] = x;
      }
    });
  }
  /// 1 if all that is in the support of the pixel `here` along its row is 1, and it counts.
  uint8_t All(bool counts, const bool support[3], const uint8_t* here) const {
    uint8_t all = counts;
    for (int k = 0; k < 3; ++k) {
      if (support[k]) all &= here[(k - 1) * tile_.channels];
    }
    return all;
  }

  /// out = 1 where the rows in the support of `row` are all 1; 0 everywhere if `row` does not
  /// count.
  void VerticalAll(bool counts, const bool support[3], const Ring<uint8_t, 8>& rows, int64_t row,
                   uint8_t* out) {
    if (!counts) {
      std::memset(out, 0, size_);
    } else {
      for (int k = 0; k < 3; ++k) {
        if (support[k]) HorizontalAll(row + k - 1);
      }
      const uint8_t* const any = rows[support[1] ? row : (support[0] ? row - 1 : row + 1)];
      AndBytes(support[0] ? rows[row - 1] : any, any, support[2] ? rows[row + 1] : any, out, size_);
    }
  }
  /// out = valid in the columns where the derivative along the row cancels.
  void SetCancelled(const uint8_t* valid, uint8_t* out) const {
    const ColumnRange columns = {math::Max<int64_t>(tile_.origin, 0),
                                 math::Min(tile_.end, tile_.shape.width)};
    edges_.ForEach(tile_, columns, [&](const math::AxisTaps& edge, int64_t i) {
      if (edge.derivative_cancels) out[i] = valid[i];
    });
  }
  /// VerticalAll along row `row` of the mask, for the supports of U and of V, unless it was done.
  void HorizontalAll(int64_t row) {
    if (std::exchange(horizontal_[row & 7], row) == row) return;
    const uint8_t* const here = valid_[row];
    uint8_t *const u = u_[row], *const v = v_[row];
    const uint8_t *const before = here - tile_.channels, *const after = here + tile_.channels;
    const auto all = [&](const bool support[3], uint8_t* out) {
      const uint8_t* const any = support[1] ? here : (support[0] ? before : after);
      AndBytes(support[0] ? before : any, any, support[2] ? after : any, out, size_);
    };
    const math::AxisTaps taps = InteriorSupport();
    all(taps.derivative_support, u);
    all(taps.smoothing_support, v);
    edges_.ForEach(tile_, columns_, [&](const math::AxisTaps& edge, int64_t i) {
      u[i] = All(edge.derivative_counts, edge.derivative_support, here + i);
      v[i] = All(edge.smoothing_counts, edge.smoothing_support, here + i);
    });
  }

  const KernelParams& params_;
  const Tile& tile_;
  const ColumnEdges edges_;
  const PixelMap<uint8_t> mask_;
  const MapRows<T>& maps_;
  const int64_t size_, stride_;  // bytes of a row, and from row to row
  const bool joint_, drops_;
  ColumnRange columns_ = {0, 0};
  // The mask, and whether it is valid over the supports of U and of V along the row.
  Ring<uint8_t, 8> valid_, u_, v_;
  int64_t horizontal_[8];  // the rows that are in u_ and v_
  uint8_t *y_rows_, *x_rows_;
  uint8_t* spare_;  // a row of x before it is joined with y
};

}  // namespace gradops::cpu::GRADOPS_TARGET
