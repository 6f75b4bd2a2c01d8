#ifndef GRADOPS_CPU_TILE_H_
#define GRADOPS_CPU_TILE_H_

#include "core/params.h"
#include "cpu/simd.h"
#include "math/int_math.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// A block of one plane that is swept from top to bottom: the outputs of columns
/// [column_begin, column_end) and `channels` channels from channel_begin on. Its row buffers begin
/// at column `origin` and hold the columns that the outputs depend on, `channels` numbers each.
/// Where the width wraps, columns below 0 and from `width` on are ghosts.
struct Tile {
  ImageShape shape;
  int64_t column_begin, column_end;
  int64_t channel_begin, channels;
  int64_t origin, end;  // columns [origin, end) are buffered

  GRADOPS_FN int64_t Position(int64_t column) const { return (column - origin) * channels; }
  GRADOPS_FN int64_t BufferedSize() const { return Position(end); }
  /// Calls run(column_begin, column_end) for stretches of columns of which a row is one run of
  /// image memory, ghosts mapped back into the image by the callee.
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
  /// Where a pixel lies in a plane; rows and columns may be ghosts of a wrapping axis.
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

/// Columns that an output's residuals reach on each side: one for the adjoint, one for the stencil.
inline constexpr int64_t kHalo = 2;
/// Channels of a tile at most, so that a ghost column fits between two rows.
inline constexpr int64_t kMaximumChannels = 24;
inline constexpr int64_t kColumnGranule = 32;
/// Bytes of a buffered row at most. Chosen by measurement (docs/performance.md), and for all rows
/// of the largest sweep to stay below 256 KiB.
#ifndef GRADOPS_ROW_BYTES
#define GRADOPS_ROW_BYTES 1728
#endif
inline constexpr int64_t kRowBytes = GRADOPS_ROW_BYTES;
/// From one buffered row to the next, with room before and after each for whole blocks. A constant,
/// so that loops over several rows need one pointer.
template <class T>
inline constexpr int64_t kRowStride = kRowBytes / sizeof(T) + 3 * kBlock<T>;

/// Calls sweep(tile) for tiles that cover the outputs of one plane.
template <class T, class Sweep>
void ForEachTile(const KernelParams& params, Sweep&& sweep) {
  const ImageShape& shape = params.shape;
  const bool wraps = math::Wraps(params.stencil, params.border, shape.width);
  const int64_t row_size = kRowBytes / sizeof(T);
  const int64_t chunks = math::CeilDiv(shape.channels, kMaximumChannels);
  const int64_t channel_step = math::CeilDiv(shape.channels, math::Max<int64_t>(chunks, 1));
  for (int64_t channel = 0; channel < shape.channels; channel += channel_step) {
    const int64_t channels = math::Min(channel_step, shape.channels - channel);
    const int64_t widest = row_size / channels - 2 * kHalo;
    // Tiles end where lines of memory do, if they can.
    const int64_t granule = widest >= 2 * kColumnGranule ? kColumnGranule : 1;
    const int64_t granules = math::CeilDiv(shape.width, granule);
    const int64_t tiles = math::CeilDiv(granules, widest / granule);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t begin = granules * i / tiles * granule;
      const int64_t end = math::Min(granules * (i + 1) / tiles * granule, shape.width);
      const int64_t first = wraps ? -kHalo : 0, last = wraps ? shape.width + kHalo : shape.width;
      sweep(Tile{shape, begin, end, channel, channels, math::Max(begin - kHalo, first),
                 math::Min(end + kHalo, last)});
    }
  }
}

/// Memory of a sweep, handed out row by row.
template <class T>
class RowAllocator {
 public:
  /// `memory`: on a 64-byte boundary, Bytes(rows) bytes for as many rows as are taken.
  explicit RowAllocator(void* memory) : next_(static_cast<T*>(memory) + 3 * kBlock<T>) {}

  /// With room before the first row and after the last for what a loop reads too much.
  static constexpr size_t Bytes(int64_t rows) {
    return (rows * kRowStride<T> + 6 * kBlock<T>)*sizeof(T);
  }

  T* Take(int64_t rows) {
    T* const first = next_;
    next_ += rows * kRowStride<T>;
    return first;
  }

 private:
  T* next_;
};

/// The last `kRows` rows of something that is made row by row; a power of two. Rows first,
/// first + 1, ... lie one after the other, and so do any that begin at a multiple of kRows after
/// it.
template <class T, int kRows>
struct Ring {
  T* rows = nullptr;
  int64_t first = 0;

  GRADOPS_FN T* operator[](int64_t row) const {
    return rows + ((row - first) & (kRows - 1)) * kRowStride<T>;
  }
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_TILE_H_
