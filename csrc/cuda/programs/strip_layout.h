#pragma once

#include "cuda/programs/tuning.h"
#include "family/params.h"
#include "math/int_math.h"

// How images are divided among blocks of threads. Index arithmetic alone, for host and device.
//
// A block sweeps a strip of rows from top to bottom, across a tile: as many elements of each row as
// its threads hold, kVec each. Neighbours along the row are `step` elements apart. Stencil and
// adjoint are wrong in the 2 * `step` elements at either end of a tile unless the row ends there.
// Tiles overlap by that much, so that each element of the image is an own element of exactly one
// tile. A tile is a run of a row's elements or, if there are very many channels, of one chunk of
// the channels.

namespace gradops::cuda {

inline constexpr int kWarp = 32;
/// Rows of a strip: many, so that few rows are read by two strips, but fewer if multiprocessors
/// would be idle.
inline constexpr int kMaxRows = 128, kMinRows = 8;
/// Steps of a strip besides one for each of its rows.
inline constexpr int kStripSteps = 5;
/// The most elements between neighbours along a row: more channels are divided into chunks.
inline constexpr int kMaxStep = 64;
/// The most elements in a row, and rows in an image: their indices have 32 bits.
inline constexpr int64_t kMaxRowElements = int64_t{1} << 30;

/// The elements that a thread holds: 16 bytes in the type that it computes in.
template <class S>
inline constexpr int kVec = 16 / static_cast<int>(sizeof(ComputeType<S>));

/// The part of the images that a block sweeps.
struct StripBlock {
  int64_t example, plane;  // plane: among those of the whole batch
  int row_begin, row_end;
  int tile, chunk;
};

struct StripLayout {
  ImageShape shape;
  int threads = 0, size = 0;           // of a tile; size: its elements
  int step, far, margin;               // far, margin: step, 2 * step rounded up to whole packs
  int tiles, chunks;                   // of a row
  int height, row_size, rows, strips;  // of a plane; rows: of a strip
  bool wraps_down, wraps_along;

  GRADOPS_FN int64_t BlocksPerPlane() const { return int64_t{strips} * tiles * chunks; }
  GRADOPS_FN int64_t BlocksPerExample() const { return shape.planes * BlocksPerPlane(); }
  GRADOPS_FN int64_t Blocks() const { return shape.batch * BlocksPerExample(); }
  GRADOPS_FN int InnerSize() const { return size - 2 * margin; }

  /// Divides in 32 bits: divisions in 64 bits would take as long as a few rows.
  GRADOPS_FN StripBlock Block(int index) const {
    const int of_plane = static_cast<int>(BlocksPerPlane()), plane = index / of_plane;
    StripBlock block;
    block.plane = plane;
    block.example = plane / static_cast<int>(shape.planes);
    index -= plane * of_plane;
    const int run = index / tiles;
    block.tile = index - run * tiles;
    block.chunk = run % chunks;
    block.row_begin = run / chunks * rows;
    block.row_end = math::Min(block.row_begin + rows, height);
    return block;
  }

  /// Where element `at` of a tile, in [0, size), is in the row or in its chunk of the row. Where
  /// the row wraps, ghosts are before 0 and beyond the end.
  GRADOPS_FN int InRow(const StripBlock& block, int at) const {
    return block.tile * InnerSize() - (wraps_along ? margin : 0) + at;
  }

  /// Whether element `at`, if it exists, is one of the tile's own.
  GRADOPS_FN bool IsOwn(const StripBlock& block, int at) const {
    const bool is_inner = at >= margin && at < size - margin;
    if (wraps_along) {
      const int in_row = InRow(block, at);
      return is_inner && in_row >= 0 && in_row < static_cast<int>(shape.width) * step;
    }
    return is_inner || (block.tile == 0 && at < margin) ||
           (block.tile == tiles - 1 && at >= size - margin);
  }

  /// The position of element `at` of a tile in the row, or -1 if there is no such element.
  GRADOPS_FN int Position(const StripBlock& block, int at) const {
    const int channels = static_cast<int>(shape.channels), width = static_cast<int>(shape.width);
    const int in_row = InRow(block, at), of_pixel = step;
    int pixel = in_row >= 0 ? in_row / of_pixel : -((of_pixel - 1 - in_row) / of_pixel);
    const int channel = block.chunk * of_pixel + in_row - pixel * of_pixel;
    if (channel >= channels) return -1;
    // Wraps farther than stencils reach, so that a pack exists as a whole or not at all.
    if (wraps_along && pixel >= -width && pixel - width < width) {
      pixel += pixel < 0 ? width : (pixel >= width ? -width : 0);
    }
    return pixel >= 0 && pixel < width ? pixel * channels + channel : -1;
  }

  /// The row of the image that stands for `row`, in [-2, height + 2), or -1.
  GRADOPS_FN int Row(int row) const {
    if (row >= 0 && row < height) return row;
    if (!wraps_down) return -1;
    return row < 0 ? row + height : row - height;
  }
};

/// How many tiles of `size` elements a row of `elements` elements needs; 0 if that is impossible.
inline int64_t TilesOf(const StripLayout& layout, int64_t elements, int64_t size) {
  if (!layout.wraps_along && elements <= size) return 1;
  const int64_t inner = size - 2 * layout.margin;
  if (inner <= 0) return 0;
  return math::CeilDiv(elements - (layout.wraps_along ? 0 : 2 * layout.margin), inner);
}

/// The cost of `blocks` blocks: their threads, and more if whole blocks do not fill a
/// multiprocessor.
inline double CostOf(int64_t blocks, int threads) {
  const int at_once = kThreadsAtOnce / threads * threads;
  return static_cast<double>(blocks) * threads * kThreadsAtOnce / at_once;
}

/// Divides rows into chunks of `channels` channels, and chunks into the tiles that cost least.
/// Returns the cost of a row.
inline double DivideRows(int channels, int vec, StripLayout* layout) {
  layout->chunks = static_cast<int>(math::CeilDiv<int64_t>(layout->shape.channels, channels));
  layout->step = channels;
  layout->far = math::CeilDiv(layout->step, vec) * vec;
  layout->margin = math::CeilDiv(2 * layout->step, vec) * vec;
  double least = 0;
  for (int threads = kWarp; threads <= kMaxThreads; threads += kWarp) {
    const int64_t tiles =
        TilesOf(*layout, layout->shape.width * layout->step, int64_t{threads} * vec);
    if (tiles == 0 || (least != 0 && CostOf(tiles, threads) > least)) continue;
    least = CostOf(tiles, threads);
    layout->threads = threads;
    layout->size = threads * vec;
    layout->tiles = static_cast<int>(tiles);
  }
  return layout->chunks * least;
}

/// The rows of a strip that lead to the fewest steps in all; the most rows if several do. Blocks
/// run in waves, as many at once as the multiprocessors hold, and a wave takes the steps of one
/// strip.
inline int RowsByWaves(const StripLayout& layout, int processors) {
  const int64_t at_once = int64_t{processors} * (kThreadsAtOnce / layout.threads);
  const int64_t per_strip = layout.shape.batch * layout.shape.planes * layout.tiles * layout.chunks;
  int best = kMaxRows;
  int64_t fewest = 0;
  for (int rows = kMaxRows; rows >= kMinRows; --rows) {
    const int64_t blocks = per_strip * math::CeilDiv(layout.height, rows);
    const int64_t steps = math::CeilDiv(blocks, at_once) * (rows + kStripSteps);
    if (fewest == 0 || steps < fewest) fewest = steps, best = rows;
  }
  return best;
}

/// The rows of a strip, 64 or fewer, so that every thread of a large device has work.
inline int RowsByThreads(const StripLayout& layout) {
  const int64_t per_row = layout.shape.batch * layout.shape.planes * layout.chunks *
                          int64_t{layout.tiles} * layout.threads;
  int rows = 64;
  while (rows > kMinRows && per_row * math::CeilDiv(layout.height, rows) < 1 << 17) {
    rows /= 2;
  }
  return rows;
}

/// Depends on the shape, the stencil and the device's number of multiprocessors alone, so that sums
/// are the same in every run. Rows must have at most kMaxRowElements elements.
inline StripLayout MakeStripLayout(const KernelParams& params, int vec, int processors) {
  StripLayout layout;
  const ImageShape& shape = layout.shape = params.shape;
  layout.height = static_cast<int>(shape.height);
  layout.row_size = static_cast<int>(shape.RowSize());
  layout.wraps_down = math::Wraps(params.stencil, params.border, shape.height);
  layout.wraps_along = math::Wraps(params.stencil, params.border, shape.width);
  // Chunks are narrow enough for tiles of many pixels. If there are several, they are whole packs.
  const int64_t max_channels = math::Min(16 * vec, kMaxThreads * vec / 8);
  int channels = static_cast<int>(math::Max<int64_t>(math::Min(shape.channels, max_channels), 1));
  double cost = DivideRows(channels, vec, &layout);
  for (int chunk = channels / 2; shape.channels % vec == 0 && chunk % vec == 0 && chunk >= 4 * vec;
       chunk /= 2) {
    StripLayout other = layout;
    const double other_cost = DivideRows(chunk, vec, &other);
    if (other_cost < cost) layout = other, cost = other_cost;
  }
  layout.rows = kByWaves ? RowsByWaves(layout, processors) : RowsByThreads(layout);
  layout.strips = math::CeilDiv(layout.height, layout.rows);
  return layout;
}

}  // namespace gradops::cuda
