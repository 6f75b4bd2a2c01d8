#pragma once

#include "cuda/programs/tuning.h"
#include "family/params.h"
#include "math/int_math.h"

// How images are cut for blocks of threads: index arithmetic alone, the same on host and device.
//
// A block sweeps a strip of rows, from top to bottom, across a tile: as many numbers of each row as
// its threads hold, kVec each. Neighbours along the row are `step` numbers apart. What a stencil
// and its adjoint make of a tile is right but for 2 * `step` numbers at an end where the row goes
// on. Tiles overlap by as much, so each number of the image is the own part of exactly one tile. A
// tile is a run of a row's numbers; where an image has very many channels, it is a chunk of them of
// some pixels.

namespace gradops::cuda {

inline constexpr int kWarp = 32;
/// Rows of a strip: many, so that few rows are read by two strips; fewer where multiprocessors
/// would have nothing to do.
inline constexpr int kMaxRows = 128, kMinRows = 8;
/// Steps of a strip besides its rows: those in which it begins and ends.
inline constexpr int kStripSteps = 5;
/// Numbers between neighbours along a row, at most: of images with more channels, chunks of them
/// are swept.
inline constexpr int kMaxStep = 64;
/// Positions in a row, and rows, have 32 bits.
inline constexpr int64_t kMaxRowNumbers = int64_t{1} << 30;

/// Numbers that a thread holds: 16 bytes of what it computes in.
template <class S>
inline constexpr int kVec = 16 / static_cast<int>(sizeof(ComputeType<S>));

/// Which part of the images a block sweeps.
struct StripBlock {
  int64_t example, plane;  // the plane among all examples'
  int row_begin, row_end;
  int tile, chunk;
};

struct StripLayout {
  ImageShape shape;
  int threads, size;                   // of a tile: threads, numbers
  int step, far, margin;               // in whole vectors: step, 2 * step
  int tiles, chunks;                   // of a row
  int height, row_size, rows, strips;  // of a plane
  bool wraps_down, wraps_along;

  GRADOPS_FN int64_t BlocksPerPlane() const { return int64_t{strips} * tiles * chunks; }
  GRADOPS_FN int64_t BlocksPerExample() const { return shape.planes * BlocksPerPlane(); }
  GRADOPS_FN int64_t Blocks() const { return shape.batch * BlocksPerExample(); }
  GRADOPS_FN int InnerSize() const { return size - 2 * margin; }

  /// (By divisions of 32 bits: those of 64 take as long as some rows.)
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

  /// Where number `at` of a tile, in [0, size), lies in the row, or its chunk of it: before 0 or
  /// beyond the end there may be ghosts, where the row wraps.
  GRADOPS_FN int InRow(const StripBlock& block, int at) const {
    return block.tile * InnerSize() - (wraps_along ? margin : 0) + at;
  }

  /// Whether number `at` is the tile's own, if it is there.
  GRADOPS_FN bool IsOwn(const StripBlock& block, int at) const {
    const bool is_inner = at >= margin && at < size - margin;
    if (wraps_along) {
      const int in_row = InRow(block, at);
      return is_inner && in_row >= 0 && in_row < static_cast<int>(shape.width) * step;
    }
    return is_inner || (block.tile == 0 && at < margin) ||
           (block.tile == tiles - 1 && at >= size - margin);
  }

  /// Where number `at` of a tile lies in the row; -1 if there is no such number.
  GRADOPS_FN int Position(const StripBlock& block, int at) const {
    const int channels = static_cast<int>(shape.channels), width = static_cast<int>(shape.width);
    const int in_row = InRow(block, at), of_pixel = step;
    int pixel = in_row >= 0 ? in_row / of_pixel : -((of_pixel - 1 - in_row) / of_pixel);
    const int channel = block.chunk * of_pixel + in_row - pixel * of_pixel;
    if (channel >= channels) return -1;
    // Farther beyond the ends than stencils reach, so that vectors are there as a whole.
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

/// Tiles of `numbers` numbers of a row, for blocks of so many threads; 0 if that cannot be.
inline int64_t TilesOf(const StripLayout& layout, int64_t numbers, int64_t size) {
  if (!layout.wraps_along && numbers <= size) return 1;
  const int64_t inner = size - 2 * layout.margin;
  if (inner <= 0) return 0;
  return math::CeilDiv(numbers - (layout.wraps_along ? 0 : 2 * layout.margin), inner);
}

/// What blocks of so many threads cost: threads, and more where whole blocks do not fill what a
/// multiprocessor holds of them.
inline double CostOf(int64_t blocks, int threads) {
  const int at_once = kThreadsAtOnce / threads * threads;
  return static_cast<double>(blocks) * threads * kThreadsAtOnce / at_once;
}

/// Cuts the rows into chunks of so many channels, and those into the tiles that cost the least.
/// Returns what a row costs then.
inline double CutRows(int channels, int vec, StripLayout* layout) {
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

/// The rows of a strip. Blocks run in waves, as many at once as the multiprocessors hold, and a
/// wave takes as many steps as a strip: those with the fewest steps in all, and the most rows of
/// these.
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

/// The rows of a strip, of which each thread of a large device has one: 64 or fewer.
inline int RowsByThreads(const StripLayout& layout) {
  const int64_t per_row = layout.shape.batch * layout.shape.planes * layout.chunks *
                          int64_t{layout.tiles} * layout.threads;
  int rows = 64;
  while (rows > kMinRows && per_row * math::CeilDiv(layout.height, rows) < 1 << 17) {
    rows /= 2;
  }
  return rows;
}

/// By shape, stencil and the device's number of multiprocessors, so that sums are the same run
/// after run. Of rows of at most kMaxRowNumbers numbers.
inline StripLayout MakeStripLayout(const KernelParams& params, int vec, int processors) {
  StripLayout layout;
  const ImageShape& shape = layout.shape = params.shape;
  layout.height = static_cast<int>(shape.height);
  layout.row_size = static_cast<int>(shape.RowSize());
  layout.wraps_down = math::Wraps(params.stencil, params.border, shape.height);
  layout.wraps_along = math::Wraps(params.stencil, params.border, shape.width);
  // Chunks are narrow enough for tiles of many pixels, and whole vectors.
  const int64_t most = 16 * vec;
  int channels = static_cast<int>(math::Max<int64_t>(math::Min(shape.channels, most), 1));
  double cost = CutRows(channels, vec, &layout);
  for (int chunk = channels / 2; shape.channels % vec == 0 && chunk % vec == 0 && chunk >= 4 * vec;
       chunk /= 2) {
    StripLayout cut = layout;
    const double cost_cut = CutRows(chunk, vec, &cut);
    if (cost_cut < cost) layout = cut, cost = cost_cut;
  }
  layout.rows = kByWaves ? RowsByWaves(layout, processors) : RowsByThreads(layout);
  layout.strips = math::CeilDiv(layout.height, layout.rows);
  return layout;
}

}  // namespace gradops::cuda
