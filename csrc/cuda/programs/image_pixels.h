#pragma once

#include "cuda/programs/penalties.h"
#include "cuda/programs/shared_rows.h"
#include "cuda/programs/taps.h"
#include "math/dtype.h"
#include "math/int_math.h"
#include "math/response.h"

// The image ops, element by element: a thread gathers its neighbours. Most of them are in the
// caches, because neighbouring threads read them too. weight_pixels.h does the same; away from the
// border image_packs.h is faster.

namespace gradops::cuda {

inline constexpr int kPixelThreads = 256;

/// The sizes of images or of a map. Where each element has a thread: blocks for every row and for
/// every kPixelThreads of it.
struct PixelGrid {
  int64_t planes;  // of all examples
  int height, width, channels;

  GRADOPS_FN int RowSize() const { return width * channels; }
  GRADOPS_FN int BlocksPerRow() const { return math::CeilDiv(RowSize(), kPixelThreads); }
  GRADOPS_FN int64_t Rows() const { return planes * height; }
};

/// A stencil and its border on images.
template <class T>
struct ImageStencil {
  PixelGrid grid;
  BorderTaps<T> taps;
  bool wraps_down, wraps_along;
  T scale;

  GRADOPS_FN int RowEdge(int row) const { return wraps_down ? kInside : EdgeOf(row, grid.height); }
  GRADOPS_FN int ColumnEdge(int pixel) const {
    return wraps_along ? kInside : EdgeOf(pixel, grid.width);
  }
};

template <class T>
ImageStencil<T> MakeImageStencil(const KernelParams& params) {
  const ImageShape& shape = params.shape;
  return {{shape.batch * shape.planes, static_cast<int>(shape.height),
           static_cast<int>(shape.width), static_cast<int>(shape.channels)},
          FindBorderTaps<T>(params),
          math::Wraps(params.stencil, params.border, shape.height),
          math::Wraps(params.stencil, params.border, shape.width),
          static_cast<T>(params.stencil.scale)};
}

/// The arguments of an image op. Plain data, passed by value.
template <class S>
struct ImageArgs : ImageStencil<ComputeType<S>> {
  double response_epsilon;
  const S* in;
  S* out;
  bool is_smoothed_central;  // the stencil
};

/// An element of images or of a map.
struct ImagePixel {
  int64_t plane;  // of all examples
  int row, pixel, channel;

  /// That of a thread in a block of row `row_of_all`, or one beyond the end of the row.
  GRADOPS_FN static ImagePixel OfThread(const PixelGrid& grid, int row_of_all, int block,
                                        int thread) {
    const int plane = row_of_all / grid.height;
    return At(grid, plane, row_of_all - plane * grid.height, block * kPixelThreads + thread);
  }
  GRADOPS_FN static ImagePixel At(const PixelGrid& grid, int64_t plane, int row, int position) {
    const int pixel = position / grid.channels;
    return {plane, row, pixel, position - pixel * grid.channels};
  }
  GRADOPS_FN bool IsIn(const PixelGrid& grid) const { return pixel < grid.width; }
  /// Where it is in memory.
  GRADOPS_FN int64_t Index(const PixelGrid& grid) const {
    return ((plane * grid.height + row) * grid.width + pixel) * grid.channels + channel;
  }
};

/// Reads the pixels around one, values[down + 1][along + 1] = read(index), or 0 where there is
/// none.
template <class T, class Read, class V>
GRADOPS_FN void ReadNeighbours(const ImageStencil<T>& stencil, const ImagePixel& pixel, Read&& read,
                               V values[3][3]) {
  const PixelGrid& grid = stencil.grid;
  const auto neighbour = [](int position, int size, bool wraps) {
    if (!wraps) return position;
    return position + (position < 0 ? size : (position >= size ? -size : 0));
  };
  const int64_t here = pixel.Index(grid);
  GRADOPS_UNROLL
  for (int k = 0; k < 3; ++k) {
    const int row = neighbour(pixel.row + k - 1, grid.height, stencil.wraps_down);
    const int64_t at_row = here + int64_t{row - pixel.row} * grid.RowSize();
    GRADOPS_UNROLL
    for (int j = 0; j < 3; ++j) {
      const int column = neighbour(pixel.pixel + j - 1, grid.width, stencil.wraps_along);
      const bool exists = row >= 0 && row < grid.height && column >= 0 && column < grid.width;
      values[k][j] = exists ? read(at_row + (column - pixel.pixel) * grid.channels) : V{};
    }
  }
}

/// The gradient at a pixel of images of which read(index) reads an element.
template <class T, class Read>
GRADOPS_FN math::Gradient<T> GradientAt(const ImageStencil<T>& stencil, const ImagePixel& pixel,
                                        Read&& read) {
  const Taps<T>& down = stencil.taps.down.forward[stencil.RowEdge(pixel.row)];
  const Taps<T>& along = stencil.taps.along.forward[stencil.ColumnEdge(pixel.pixel)];
  T values[3][3], derivative[3], smoothed[3];
  ReadNeighbours(stencil, pixel, read, values);
  GRADOPS_UNROLL
  for (int k = 0; k < 3; ++k) {
    const T* const row = values[k];
    derivative[k] = Apply(along.derivative, row[0], row[1], row[2]);
    smoothed[k] = Apply(along.smoothing, row[0], row[1], row[2]);
  }
  return {stencil.scale * Apply(down.derivative, smoothed[0], smoothed[1], smoothed[2]),
          stencil.scale * Apply(down.smoothing, derivative[0], derivative[1], derivative[2])};
}

/// The gradient of an image op's images. Sets `y` and `x` to whether its components count.
template <class S>
GRADOPS_FN math::Gradient<ComputeType<S>> GradientAt(const ImageArgs<S>& args,
                                                     const ImagePixel& pixel, bool* y, bool* x) {
  using T = ComputeType<S>;
  const Taps<T>& down = args.taps.down.forward[args.RowEdge(pixel.row)];
  const Taps<T>& along = args.taps.along.forward[args.ColumnEdge(pixel.pixel)];
  *y = down.derivative_counts && along.smoothing_counts;
  *x = down.smoothing_counts && along.derivative_counts;
  const ImageStencil<T>& stencil = args;
  return GradientAt(stencil, pixel, [&](int64_t at) { return math::Widen(args.in[at]); });
}

/// images [...] -> gradients [..., 2].
struct GradientFunction {
  template <class S>
  GRADOPS_FN void operator()(const ImageArgs<S>& args, const ImagePixel& pixel) const {
    using T = ComputeType<S>;
    bool y, x;
    const math::Gradient<T> g = GradientAt(args, pixel, &y, &x);
    S* const out = args.out + 2 * pixel.Index(args.grid);
    math::Narrow(y ? g.y : T(0), out);
    math::Narrow(x ? g.x : T(0), out + 1);
  }
};

/// upstream [..., 2] -> images [...], by the transpose.
struct AdjointFunction {
  template <class S>
  GRADOPS_FN void operator()(const ImageArgs<S>& args, const ImagePixel& pixel) const {
    using T = ComputeType<S>;
    const Taps<T>& down = args.taps.down.adjoint[args.RowEdge(pixel.row)];
    const Taps<T>& along = args.taps.along.adjoint[args.ColumnEdge(pixel.pixel)];
    const ImageStencil<T>& stencil = args;
    math::Gradient<T> in[3][3];
    const auto read = [&](int64_t at) {
      return math::Gradient<T>{math::Widen(args.in[2 * at]), math::Widen(args.in[2 * at + 1])};
    };
    ReadNeighbours(stencil, pixel, read, in);
    T y[3], x[3];
    GRADOPS_UNROLL
    for (int j = 0; j < 3; ++j) {
      y[j] = Apply(down.derivative, in[0][j].y, in[1][j].y, in[2][j].y);
      x[j] = Apply(down.smoothing, in[0][j].x, in[1][j].x, in[2][j].x);
    }
    const T sum =
        Apply(along.smoothing, y[0], y[1], y[2]) + Apply(along.derivative, x[0], x[1], x[2]);
    math::Narrow(args.scale * sum, args.out + pixel.Index(args.grid));
  }
};

/// images [...] -> magnitudes [...].
struct MagnitudeFunction {
  template <class S>
  GRADOPS_FN void operator()(const ImageArgs<S>& args, const ImagePixel& pixel) const {
    using T = ComputeType<S>;
    bool y, x;
    const math::Gradient<T> g = GradientAt(args, pixel, &y, &x);
    const math::MagnitudeResponse response(args.response_epsilon);
    math::Narrow(y && x ? response.Magnitude(g) : T(0), args.out + pixel.Index(args.grid));
  }
};

/// The magnitude of one image as a response. The gradient of a loss with this response, weighted by
/// the upstream gradient of each pixel, is the gradient of GradientMagnitude.
struct MagnitudeAlone : math::MagnitudeResponse {
  static constexpr bool kDifference = true;
  using MagnitudeResponse::MagnitudeResponse;

  template <class Penalty, class V>
  GRADOPS_FN math::Gradient<V> Values(const Penalty&, math::Gradient<V> p,
                                      math::Gradient<V>) const {
    return {Magnitude(p), V(0)};
  }
  template <class Penalty, class V>
  GRADOPS_FN math::Gradient<V> Slopes(const Penalty&, math::Gradient<V> p,
                                      math::Gradient<V>) const {
    return Unit(p);
  }
};
template <>
inline constexpr bool kTakesPenalty<MagnitudeAlone> = false;

}  // namespace gradops::cuda
