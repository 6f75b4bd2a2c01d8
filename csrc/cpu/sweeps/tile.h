#pragma once

#include "cpu/kernels.h"
#include "cpu/simd/simd.h"
#include "family/params.h"
#include "math/int_math.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Positions [begin, end) of a row buffer.
struct PositionRange {
  int64_t begin, end;
};

/// Columns [column_begin, column_end) of one plane, with `channels` channels from channel_begin on,
/// which are swept from top to bottom. Row buffers hold `padding` unused elements and then the
/// columns [origin, end) that the outputs depend on, `channels` elements each. Where the width
/// wraps, columns below 0 and from `width` on are ghosts.
struct Tile {
  ImageShape shape;
  int64_t column_begin, column_end;
  int64_t channel_begin, channels;
  int64_t origin, end;
  int64_t padding;  // puts column_begin at the start of a block

  /// Where a column begins in a row buffer.
  GRADOPS_FN int64_t Position(int64_t column) const {
    return padding + (column - origin) * channels;
  }
  GRADOPS_FN int64_t BufferedSize() const { return Position(end); }
  /// The positions of the outputs' columns.
  GRADOPS_FN PositionRange OwnPositions() const {
    return {Position(column_begin), Position(column_end)};
  }
  /// Whether a buffered row is one run of image memory.
  bool IsOneRun() const { return channels == shape.channels && origin >= 0 && end <= shape.width; }
  /// Calls run(begin, end) for ranges of columns that are one run of image memory in every row.
  /// ImageOffset maps those that are ghosts.
  template <class Run>
  GRADOPS_FN void ForEachRun(int64_t begin, int64_t stop, Run&& run) const {
    if (channels == shape.channels && begin >= 0 && stop <= shape.width) return run(begin, stop);
    const bool one_run = channels == shape.channels;
    for (int64_t column = begin; column < stop;) {
      const bool inside = column >= 0 && column < shape.width;
      const int64_t next = one_run && inside ? math::Min(stop, shape.width) : column + 1;
      run(column, next);
      column = next;
    }
  }
  /// Where a pixel lies in a plane. Its row and column may be ghosts of a wrapping axis.
  GRADOPS_FN int64_t ImageOffset(int64_t row, int64_t column) const {
    return (Wrapped(row, shape.height) * shape.width + Wrapped(column, shape.width)) *
               shape.channels +
           channel_begin;
  }

 private:
  static GRADOPS_FN int64_t Wrapped(int64_t index, int64_t size) {
    return index < 0 ? index + size : (index >= size ? index - size : index);
  }
};

/// Columns [begin, end).
struct ColumnRange {
  int64_t begin, end;
};
/// The tile's columns and `reach` more on each side, as far as they exist.
inline ColumnRange ColumnsAround(const KernelParams& params, const Tile& tile, int64_t reach) {
  const int64_t begin = tile.column_begin - reach, end = tile.column_end + reach;
  if (math::Wraps(params.stencil, params.border, tile.shape.width)) return {begin, end};
  return {math::Max<int64_t>(begin, 0), math::Min(end, tile.shape.width)};
}

/// Rows and `reach` more on each side, as far as they exist.
inline RowRange RowsAround(const KernelParams& params, RowRange rows, int64_t reach) {
  const int64_t height = params.shape.height;
  rows = {rows.begin - reach, rows.end + reach};
  if (math::Wraps(params.stencil, params.border, height)) return rows;
  return {math::Max<int64_t>(rows.begin, 0), math::Min(rows.end, height)};
}

/// Columns that an output depends on, on each side: one for the adjoint and one for the stencil.
inline constexpr int64_t kHalo = 2;
/// The most channels of a tile: a ghost column must fit between two rows.
inline constexpr int64_t kMaxChannels = 24;
inline constexpr int64_t kColumnGranule = 32;
/// The rows that a sweep takes together.
inline constexpr int kGroupRows = 4;
/// The most bytes of a buffered row. Chosen by measurement (docs/performance.md), and so that the
/// largest sweep of each width stays below 256 KiB: it buffers over a hundred narrow rows, or 32
/// wide ones.
inline constexpr int64_t kRowBytes = 1728, kMediumRowBytes = 3264, kWideRowBytes = 6272;
/// The distance between buffered rows: there is room before and after each for whole blocks.
template <class T>
constexpr int64_t RowStride(int64_t row_bytes) {
  return row_bytes / sizeof(T) + 3 * kBlock<T>;
}
template <class T>
inline constexpr int64_t kRowStride = RowStride<T>(kRowBytes);
template <class T>
inline constexpr int64_t kMediumRowStride = RowStride<T>(kMediumRowBytes);
template <class T>
inline constexpr int64_t kWideRowStride = RowStride<T>(kWideRowBytes);

/// Calls sweep(tile) for tiles that cover one plane, whose buffered rows take `row_bytes` at most.
template <class T, class Sweep>
void ForEachTile(const KernelParams& params, Sweep&& sweep, int64_t row_bytes = kRowBytes) {
  const ImageShape& shape = params.shape;
  const bool wraps = math::Wraps(params.stencil, params.border, shape.width);
  const int64_t row_size = row_bytes / sizeof(T);
  const int64_t chunks = math::CeilDiv(shape.channels, kMaxChannels);
  const int64_t channel_step = math::CeilDiv(shape.channels, math::Max<int64_t>(chunks, 1));
  for (int64_t channel = 0; channel < shape.channels; channel += channel_step) {
    const int64_t channels = math::Min(channel_step, shape.channels - channel);
    const int64_t widest = (row_size - kBlock<T>) / channels - 2 * kHalo;
    // Tiles end with a line of memory where possible.
    const int64_t granule = widest >= 2 * kColumnGranule ? kColumnGranule : 1;
    const int64_t granules = math::CeilDiv(shape.width, granule);
    const int64_t tiles = math::CeilDiv(granules, widest / granule);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t begin = granules * i / tiles * granule;
      const int64_t end = math::Min(granules * (i + 1) / tiles * granule, shape.width);
      const int64_t first = wraps ? -kHalo : 0, last = wraps ? shape.width + kHalo : shape.width;
      const int64_t origin = math::Max(begin - kHalo, first);
      const int64_t padding = -((begin - origin) * channels) & (kBlock<T> - 1);
      sweep(Tile{shape, begin, end, channel, channels, origin, math::Min(end + kHalo, last),
                 padding});
    }
  }
}

/// Hands out row buffers in the thread's scratch memory.
template <class T>
class RowAllocator {
 public:
  /// For `rows` rows, `stride` elements apart.
  explicit RowAllocator(int64_t rows, int64_t stride = kRowStride<T>)
      : stride_(stride),
        next_(static_cast<T*>(ThreadScratch(Bytes(rows, stride))) + 3 * kBlock<T>) {}

  /// Includes room before the first row and after the last, because loops read whole blocks.
  static constexpr size_t Bytes(int64_t rows, int64_t stride) {
    return (rows * stride + 6 * kBlock<T>)*sizeof(T);
  }

  int64_t Stride() const { return stride_; }
  T* Take(int64_t rows) {
    T* const first = next_;
    next_ += rows * stride_;
    return first;
  }

 private:
  int64_t stride_;
  T* next_;
};

/// How wide the row buffers of a sweep are, and how many.
template <class T>
struct RowLayout {
  int64_t row_bytes, rows;

  constexpr size_t Bytes() const { return RowAllocator<T>::Bytes(rows, RowStride<T>(row_bytes)); }
  RowAllocator<T> Allocator() const { return RowAllocator<T>(rows, RowStride<T>(row_bytes)); }
};

/// The last kRows rows, a power of two, of something that is made row by row. The rows from `first`
/// to first + kRows - 1 are contiguous, and so are kRows rows from first + any multiple of kRows.
template <class T, int kRows>
struct Ring {
  T* rows = nullptr;
  int64_t stride = 0, first = 0;

  Ring() = default;
  explicit Ring(RowAllocator<T>* memory, int64_t first_row = 0)
      : rows(memory->Take(kRows)), stride(memory->Stride()), first(first_row) {}
  Ring(T* the_rows, int64_t the_stride, int64_t first_row)
      : rows(the_rows), stride(the_stride), first(first_row) {}

  GRADOPS_FN T* operator[](int64_t row) const {
    return rows + ((row - first) & (kRows - 1)) * stride;
  }
};

}  // namespace gradops::cpu::GRADOPS_TARGET
