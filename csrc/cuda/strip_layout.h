#ifndef GRADOPS_CUDA_STRIP_LAYOUT_H_
#define GRADOPS_CUDA_STRIP_LAYOUT_H_

#include "core/params.h"
#include "math/int_math.h"

// How images are cut for blocks of threads: index arithmetic alone, the same on host and device.
//
// A block sweeps a strip of rows, from top to bottom, across a tile: as many numbers of each row as
// its threads hold, kVec each. Neighbours along the row are `step` numbers apart. What a stencil
// makes of a tile is right but for `step` numbers at either end, and tiles overlap by as much, so
// each number of the image is the inner part of exactly one tile. A tile is a run of a row's
// numbers; where an image has very many channels, it is a chunk of them of some pixels.

namespace gradops::cuda {

inline constexpr int kThreads = 256;
/// Images of more channels are cut into chunks of so many.
inline constexpr int64_t kMostChannels = 128, kChunk = 64;
inline constexpr int64_t kMostRows = 64;

/// Numbers that a thread holds: 16 bytes of what it computes in.
template <class S>
inline constexpr int kVec = 16 / static_cast<int>(sizeof(ComputeType<S>));

/// Which part of the images a block sweeps.
struct StripBlock {
  int64_t example, plane;  // the plane among all examples'
  int64_t row_begin, row_end;
  int64_t tile, chunk;
};

struct StripLayout {
  ImageShape shape;
  int64_t size;           // numbers of a tile
  int64_t step, halo;     // halo: step in whole vectors
  int64_t tiles, chunks;  // of a row
  int64_t rows, strips;   // of a plane
  bool wraps_down, wraps_along;

  GRADOPS_FN int64_t BlocksPerPlane() const { return strips * tiles * chunks; }
  GRADOPS_FN int64_t BlocksPerExample() const { return shape.planes * BlocksPerPlane(); }
  GRADOPS_FN int64_t Blocks() const { return shape.batch * BlocksPerExample(); }
  GRADOPS_FN int64_t InnerSize() const { return size - 2 * halo; }

  GRADOPS_FN StripBlock Block(int64_t index) const {
    StripBlock block;
    block.plane = index / BlocksPerPlane();
    block.example = block.plane / shape.planes;
    index %= BlocksPerPlane();
    block.tile = index % tiles;
    block.chunk = index / tiles % chunks;
    block.row_begin = index / (tiles * chunks) * rows;
    block.row_end = math::Min(block.row_begin + rows, shape.height);
    return block;
  }

  /// Whether number `at` of a tile, in [-halo, size + halo), is of its inner part.
  GRADOPS_FN bool IsInner(int64_t at) const { return at >= halo && at < size - halo; }

  /// Where number `at` of a tile lies in the row, which may be beyond its ends by two pixels where
  /// the row wraps; -1 if it is not to be read. `column`: its pixel, before wrapping.
  GRADOPS_FN int64_t Position(const StripBlock& block, int64_t at, int64_t* column) const {
    const int64_t in_row = block.tile * InnerSize() - halo + at;
    int64_t channel;
    if (chunks == 1) {
      *column = FloorDiv(in_row, shape.channels);
      channel = in_row - *column * shape.channels;
    } else {
      *column = FloorDiv(in_row, kChunk);
      channel = block.chunk * kChunk + in_row - *column * kChunk;
    }
    if (channel >= shape.channels) return -1;
    int64_t pixel = *column;
    if (wraps_along && pixel >= -2 && pixel < shape.width + 2) {
      pixel =
          pixel < 0 ? pixel + shape.width : (pixel >= shape.width ? pixel - shape.width : pixel);
    }
    if (pixel < 0 || pixel >= shape.width) return -1;
    return pixel * shape.channels + channel;
  }

  /// The row of the image that stands for `row`, in [-2, height + 2), or -1.
  GRADOPS_FN int64_t Row(int64_t row) const {
    if (row >= 0 && row < shape.height) return row;
    if (!wraps_down) return -1;
    return row < 0 ? row + shape.height : row - shape.height;
  }

 private:
  GRADOPS_FN static int64_t FloorDiv(int64_t a, int64_t b) {
    return a >= 0 ? a / b : -((b - 1 - a) / b);
  }
};

/// By shape and stencil alone, so that sums are the same run after run.
inline StripLayout MakeStripLayout(const KernelParams& params, int vec) {
  StripLayout layout;
  const ImageShape& shape = layout.shape = params.shape;
  layout.size = int64_t{kThreads} * vec;
  const bool is_cut = shape.channels > kMostChannels;
  layout.step = is_cut ? kChunk : math::Max<int64_t>(shape.channels, 1);
  layout.halo = math::CeilDiv<int64_t>(layout.step, vec) * vec;
  layout.chunks = is_cut ? math::CeilDiv(shape.channels, kChunk) : 1;
  const int64_t numbers = is_cut ? shape.width * kChunk : shape.RowSize();
  layout.tiles = math::CeilDiv(numbers, layout.InnerSize());
  layout.rows = kMostRows;
  layout.strips = math::CeilDiv(shape.height, layout.rows);
  layout.wraps_down = math::Wraps(params.stencil, params.border, shape.height);
  layout.wraps_along = math::Wraps(params.stencil, params.border, shape.width);
  return layout;
}

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_STRIP_LAYOUT_H_
