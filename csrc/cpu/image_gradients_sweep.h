#ifndef GRADOPS_CPU_IMAGE_GRADIENTS_SWEEP_H_
#define GRADOPS_CPU_IMAGE_GRADIENTS_SWEEP_H_

#include "cpu/horizontal_pass.h"
#include "cpu/kernels.h"
#include "cpu/vertical_pass.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// out = the tile's part of row `row` of an image.
template <class T>
void LoadRow(const Tile& tile, const T* image, int64_t row, T* out) {
  const bool one_run = tile.IsContiguous();
  const int64_t step = one_run ? tile.end - tile.origin : 1;
  for (int64_t column = tile.origin; column < tile.end; column += step) {
    __builtin_memcpy(out + tile.Position(column), image + tile.ImageOffset(row, column),
                     step * tile.channels * sizeof(T));
  }
}

/// One tile of (dy, dx) = stencil of an image.
template <class T>
void ImageGradientsTile(const KernelParams& params, const Tile& tile, const T* image, RowRange rows,
                        T* gradients) {
  using Buffers = TileBuffers<T, 7>;
  const Buffers buffers(ThreadScratch(Buffers::Bytes(tile.BufferedSize())), tile.BufferedSize());
  const Ring<Buffers> images{buffers, 0};
  T *const smoothed = buffers.Row(3), *const differenced = buffers.Row(4);
  StoreBoth<T> xy{buffers.Row(5), buffers.Row(6)};
  const int64_t height = tile.shape.height;
  const EdgeColumns<false> edges(params);
  int64_t loaded = math::Max<int64_t>(rows.begin - 1, 0);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (; loaded <= math::Min(row + 1, height - 1); ++loaded) {
      LoadRow(tile, image, loaded, images[loaded]);
    }
    VerticalForwardPass<T>(params, tile, images, row, smoothed, differenced);
    HorizontalPass(params, tile, edges, smoothed, differenced, tile.column_begin, tile.column_end,
                   xy);
    for (int64_t column = tile.column_begin; column < tile.column_end; ++column) {
      T* out = gradients + 2 * tile.ImageOffset(row, column);
      const int64_t x = tile.Position(column);
      for (int64_t channel = 0; channel < tile.channels; ++channel) {
        out[2 * channel] = xy.smoothed_row[x + channel];
        out[2 * channel + 1] = xy.derivative_row[x + channel];
      }
    }
  }
}

/// One tile of the adjoint: image = S^T (dy, dx).
template <class T>
void ImageGradientsAdjointTile(const KernelParams& params, const Tile& tile, const T* upstream,
                               RowRange rows, T* image) {
  using Buffers = TileBuffers<T, 9>;
  const Buffers buffers(ThreadScratch(Buffers::Bytes(tile.BufferedSize())), tile.BufferedSize());
  const Ring<Buffers> by_smoothed{buffers, 0}, by_differenced{buffers, 3};
  T *const dx = buffers.Row(6), *const dy = buffers.Row(7), *const out = buffers.Row(8);
  const int64_t height = tile.shape.height;
  const EdgeColumns<true> edges(params);
  const int64_t first = math::Max<int64_t>(rows.begin - 1, 0);
  const int64_t last = math::Min(rows.end + 1, height);
  for (int64_t row = first; row < last; ++row) {
    for (int64_t column = tile.origin; column < tile.end; ++column) {
      const T* in = upstream + 2 * tile.ImageOffset(row, column);
      const int64_t x = tile.Position(column);
      for (int64_t channel = 0; channel < tile.channels; ++channel) {
        dy[x + channel] = in[2 * channel];
        dx[x + channel] = in[2 * channel + 1];
      }
    }
    StoreBoth<T> store{by_smoothed[row], by_differenced[row]};
    HorizontalPass(params, tile, edges, dx, dy, tile.column_begin, tile.column_end, store);
    if (row > rows.begin) {
      VerticalAdjointPass<T>(params, tile, by_smoothed, by_differenced, row - 1, T(1), out);
      StoreRow(tile, out, row - 1, image);
    }
  }
  if (rows.end == height) {
    VerticalAdjointPass<T>(params, tile, by_smoothed, by_differenced, height - 1, T(1), out);
    StoreRow(tile, out, height - 1, image);
  }
}

/// KernelTable::image_gradients: all tiles of one unit.
template <class T>
void ImageGradientsUnit(const KernelParams& params, const T* image, RowRange rows, T* gradients) {
  ForEachTile<T>(params.shape, [&](const Tile& tile) {
    ImageGradientsTile(params, tile, image, rows, gradients);
  });
}

/// KernelTable::image_gradients_adjoint: all tiles of one unit.
template <class T>
void ImageGradientsAdjointUnit(const KernelParams& params, const T* upstream, RowRange rows,
                               T* image) {
  ForEachTile<T>(params.shape, [&](const Tile& tile) {
    ImageGradientsAdjointTile(params, tile, upstream, rows, image);
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_IMAGE_GRADIENTS_SWEEP_H_
