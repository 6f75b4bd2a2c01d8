#ifndef GRADOPS_CPU_TILE_H_
#define GRADOPS_CPU_TILE_H_

#include "core/params.h"
#include "cpu/row_passes.h"
#include "math/int_math.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// A block of one example that is swept from top to bottom: the outputs of columns
/// [column_begin, column_end) and `channels` channels from channel_begin on. Its row buffers begin
/// at column `origin` and hold the columns that the outputs depend on, `channels` numbers each.
struct Tile {
  ImageShape shape;
  int64_t column_begin, column_end;
  int64_t channel_begin, channels;
  int64_t origin, end;  // columns [origin, end) are buffered

  GRADOPS_FN int64_t Position(int64_t column) const { return (column - origin) * channels; }
  GRADOPS_FN int64_t BufferedSize() const { return Position(end); }
  /// Whether a row of the tile is one run of image memory.
  GRADOPS_FN bool IsContiguous() const { return channels == shape.channels; }
  GRADOPS_FN int64_t ImageOffset(int64_t row, int64_t column) const {
    return (row * shape.width + column) * shape.channels + channel_begin;
  }
};

/// Columns that an output's residuals reach on each side: one for the adjoint, one for the stencil.
inline constexpr int64_t kHalo = 2;
/// Bytes of one buffered row at most: short enough for all of a tile's rows to stay in the caches
/// of a core, long enough for the rows of most images to be one tile, which memory streams best.
/// Chosen by measurement (docs/performance.md).
inline constexpr int64_t kTargetRowBytes = 8192;
inline constexpr int64_t kMinimumColumns = 8;

/// Calls sweep(tile) for tiles that cover the outputs of one example.
template <class T, class Sweep>
void ForEachTile(const ImageShape& shape, Sweep&& sweep) {
  const int64_t row_size = kTargetRowBytes / sizeof(T);
  const int64_t channel_step = math::Min(shape.channels, row_size / (kMinimumColumns + 2 * kHalo));
  for (int64_t channel = 0; channel < shape.channels; channel += channel_step) {
    const int64_t channels = math::Min(channel_step, shape.channels - channel);
    const int64_t widest = math::Max(kMinimumColumns, row_size / channels - 2 * kHalo);
    const int64_t tiles = math::CeilDiv(shape.width, widest);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t begin = shape.width * i / tiles, end = shape.width * (i + 1) / tiles;
      sweep(Tile{shape, begin, end, channel, channels, math::Max<int64_t>(begin - kHalo, 0),
                 math::Min(end + kHalo, shape.width)});
    }
  }
}

/// The row buffers of a tile, `kRows` of them, with room before and after each for whole blocks.
template <class T, int kRows>
class TileBuffers {
 public:
  static constexpr int64_t kPadding = Simd<T>::kLanes;

  static GRADOPS_FN int64_t Stride(int64_t size) {
    return math::CeilDiv(size, kPadding) * kPadding + 2 * kPadding;
  }
  static GRADOPS_FN int64_t Bytes(int64_t size) { return kRows * Stride(size) * sizeof(T); }

  /// `memory`: Bytes(size) bytes on a 64-byte boundary.
  GRADOPS_FN TileBuffers(void* memory, int64_t size)
      : base_(static_cast<T*>(memory) + kPadding), stride_(Stride(size)) {}

  GRADOPS_FN T* Row(int64_t index) const { return base_ + index * stride_; }

 private:
  T* base_;
  int64_t stride_;
};

/// Three rows of a TileBuffers that hold the rows r with r % 3 = 0, 1, 2.
template <class Buffers>
struct Ring {
  const Buffers& buffers;
  int first;

  GRADOPS_FN auto* operator[](int64_t row) const { return buffers.Row(first + row % 3); }
};

/// out = the tile's part of row `row` of a - b.
template <class T>
void LoadDifference(const Tile& tile, const T* a, const T* b, int64_t row, T* out) {
  if (tile.IsContiguous()) {
    const int64_t offset = tile.ImageOffset(row, tile.origin);
    Subtract(a + offset, b + offset, out, tile.BufferedSize());
    return;
  }
  for (int64_t column = tile.origin; column < tile.end; ++column) {
    const int64_t offset = tile.ImageOffset(row, column);
    Subtract(a + offset, b + offset, out + tile.Position(column), tile.channels);
  }
}

/// Copies to image memory past the caches, which would otherwise read every line before writing it.
/// Needs StreamFence() before another thread reads it.
template <class T>
void StreamCopy(const T* from, T* to, int64_t size) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t misaligned = reinterpret_cast<uintptr_t>(to) % kBlockBytes / sizeof(T);
  const int64_t head = math::Min(misaligned == 0 ? 0 : kLanes - misaligned, size);
  __builtin_memcpy(to, from, head * sizeof(T));
  int64_t x = head;
  for (; x + kLanes <= size; x += kLanes) Simd<T>::Load(from + x).Stream(to + x);
  __builtin_memcpy(to + x, from + x, (size - x) * sizeof(T));
}

/// Writes the tile's outputs of row `row` from a buffer to image memory. The unit of work
/// ends with StreamFence().
template <class T>
void StoreRow(const Tile& tile, const T* buffer, int64_t row, T* image) {
  const bool one_run = tile.IsContiguous();
  const int64_t step = one_run ? tile.column_end - tile.column_begin : 1;
  for (int64_t column = tile.column_begin; column < tile.column_end; column += step) {
    StreamCopy(buffer + tile.Position(column), image + tile.ImageOffset(row, column),
               step * tile.channels);
  }
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_TILE_H_
