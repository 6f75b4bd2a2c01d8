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
  using Buffers = TileBuffers<T, 9>;
  const Buffers buffers(ThreadScratch(Buffers::Bytes(tile.BufferedSize())), tile.BufferedSize());
  const Ring<Buffers> u{buffers, 0}, v{buffers, 3};
  T *const in = buffers.Row(6), *const dx = buffers.Row(7), *const dy = buffers.Row(8);
  const HorizontalPass<T, false> horizontal(params, tile);
  const int64_t height = tile.shape.height;
  int64_t loaded = math::Max<int64_t>(rows.begin - 1, 0);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (; loaded <= math::Min(row + 1, height - 1); ++loaded) {
      LoadRow(tile, image, loaded, in);
      horizontal.Forward(in, tile.column_begin, tile.column_end, u[loaded], v[loaded]);
    }
    ForEachResidual<T>(params, tile, u, v, row, [&](int64_t x, Simd<T> gx, Simd<T> gy) {
      gx.Store(dx + x);
      gy.Store(dy + x);
    });
    for (int64_t column = tile.column_begin; column < tile.column_end; ++column) {
      T* out = gradients + 2 * tile.ImageOffset(row, column);
      const int64_t x = tile.Position(column);
      for (int64_t channel = 0; channel < tile.channels; ++channel) {
        out[2 * channel] = dy[x + channel];
        out[2 * channel + 1] = dx[x + channel];
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
  const Ring<Buffers> dx{buffers, 0}, dy{buffers, 3};
  T *const a = buffers.Row(6), *const b = buffers.Row(7), *const out = buffers.Row(8);
  const HorizontalPass<T, true> horizontal(params, tile);
  const int64_t height = tile.shape.height;
  int64_t loaded = math::Max<int64_t>(rows.begin - 1, 0);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (; loaded <= math::Min(row + 1, height - 1); ++loaded) {
      for (int64_t column = tile.origin; column < tile.end; ++column) {
        const T* in = upstream + 2 * tile.ImageOffset(loaded, column);
        const int64_t x = tile.Position(column);
        for (int64_t channel = 0; channel < tile.channels; ++channel) {
          dy[loaded][x + channel] = in[2 * channel];
          dx[loaded][x + channel] = in[2 * channel + 1];
        }
      }
    }
    VerticalAdjoint(params, tile, dx, dy, row, a, b);
    horizontal.Adjoint(a, b, T(1), out);
    StoreRow(tile, out, row, image);
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
  StreamFence();
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_IMAGE_GRADIENTS_SWEEP_H_
