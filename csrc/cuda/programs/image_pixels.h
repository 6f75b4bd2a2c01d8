#pragma once

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/taps.h"
#include "math/dtype.h"
#include "math/int_math.h"
#include "math/response.h"

// The image ops: a thread for each element of the images gathers its neighbours. Most of them are
// in the caches, because neighbouring threads read them too.

namespace gradops::cuda {

inline constexpr int kPixelThreads = 256;

/// The arguments of an image op. Plain data, passed by value.
template <class S>
struct ImageArgs {
  KernelParams params;
  BorderTaps<ComputeType<S>> taps;
  bool wraps_down, wraps_along;
  int height, width, channels, row_size;
  const S* in;
  S* out;

  GRADOPS_FN int BlocksPerRow() const { return math::CeilDiv(row_size, kPixelThreads); }
  GRADOPS_FN int64_t Blocks() const {
    return params.shape.batch * params.shape.planes * height * BlocksPerRow();
  }
  GRADOPS_FN int RowEdge(int row) const { return wraps_down ? kInside : EdgeOf(row, height); }
  GRADOPS_FN int ColumnEdge(int pixel) const {
    return wraps_along ? kInside : EdgeOf(pixel, width);
  }
};

template <class S>
ImageArgs<S> MakeImageArgs(const KernelParams& params, const S* in, S* out) {
  const ImageShape& shape = params.shape;
  return {params,
          FindBorderTaps<ComputeType<S>>(params),
          math::Wraps(params.stencil, params.border, shape.height),
          math::Wraps(params.stencil, params.border, shape.width),
          static_cast<int>(shape.height),
          static_cast<int>(shape.width),
          static_cast<int>(shape.channels),
          static_cast<int>(shape.RowSize()),
          in,
          out};
}

/// The element of a thread.
struct ImagePixel {
  int64_t plane_begin;
  int row, pixel, channel;
  bool in_bounds;

  template <class S>
  GRADOPS_FN ImagePixel(const ImageArgs<S>& args, int64_t block, int thread) {
    const int64_t row_of_all = block / args.BlocksPerRow();
    const int position = static_cast<int>(block % args.BlocksPerRow()) * kPixelThreads + thread;
    in_bounds = position < args.row_size;
    plane_begin = row_of_all / args.height * args.height * args.row_size;
    row = static_cast<int>(row_of_all % args.height);
    pixel = position / args.channels;
    channel = position - pixel * args.channels;
  }
  /// Where the neighbour `down` rows and `along` columns away is, or -1 if there is none.
  template <class S>
  GRADOPS_FN int64_t Neighbour(const ImageArgs<S>& args, int down, int along) const {
    int y = row + down, x = pixel + along;
    if (args.wraps_down) y += y < 0 ? args.height : (y >= args.height ? -args.height : 0);
    if (args.wraps_along) x += x < 0 ? args.width : (x >= args.width ? -args.width : 0);
    if (y < 0 || y >= args.height || x < 0 || x >= args.width) return -1;
    return plane_begin + int64_t{y} * args.row_size + x * args.channels + channel;
  }
  template <class S>
  GRADOPS_FN int64_t Here(const ImageArgs<S>& args) const {
    return Neighbour(args, 0, 0);
  }
};

/// The gradient at a pixel. Sets `y` and `x` to whether its components count.
template <class S>
GRADOPS_FN math::Gradient<ComputeType<S>> GradientAt(const ImageArgs<S>& args,
                                                     const ImagePixel& pixel, bool* y, bool* x) {
  using T = ComputeType<S>;
  const Taps<T>& down = args.taps.down.forward[args.RowEdge(pixel.row)];
  const Taps<T>& along = args.taps.along.forward[args.ColumnEdge(pixel.pixel)];
  T derivative[3], smoothed[3];
  GRADOPS_UNROLL
  for (int k = 0; k < 3; ++k) {
    T row[3];
    GRADOPS_UNROLL
    for (int j = 0; j < 3; ++j) {
      const int64_t at = pixel.Neighbour(args, k - 1, j - 1);
      row[j] = at < 0 ? T(0) : math::Widen(args.in[at]);
    }
    derivative[k] = Apply(along.derivative, row[0], row[1], row[2]);
    smoothed[k] = Apply(along.smoothing, row[0], row[1], row[2]);
  }
  *y = down.derivative_counts && along.smoothing_counts;
  *x = down.smoothing_counts && along.derivative_counts;
  const T scale = static_cast<T>(args.params.stencil.scale);
  return {scale * Apply(down.derivative, smoothed[0], smoothed[1], smoothed[2]),
          scale * Apply(down.smoothing, derivative[0], derivative[1], derivative[2])};
}

/// images [...] -> gradients [..., 2].
struct GradientFunction {
  template <class S>
  GRADOPS_FN void operator()(const ImageArgs<S>& args, const ImagePixel& pixel) const {
    using T = ComputeType<S>;
    bool y, x;
    const math::Gradient<T> g = GradientAt(args, pixel, &y, &x);
    S* const out = args.out + 2 * pixel.Here(args);
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
    T y[3], x[3];
    GRADOPS_UNROLL
    for (int j = 0; j < 3; ++j) {
      T column_y[3], column_x[3];
      GRADOPS_UNROLL
      for (int k = 0; k < 3; ++k) {
        const int64_t at = pixel.Neighbour(args, k - 1, j - 1);
        column_y[k] = at < 0 ? T(0) : math::Widen(args.in[2 * at]);
        column_x[k] = at < 0 ? T(0) : math::Widen(args.in[2 * at + 1]);
      }
      y[j] = Apply(down.derivative, column_y[0], column_y[1], column_y[2]);
      x[j] = Apply(down.smoothing, column_x[0], column_x[1], column_x[2]);
    }
    const T sum =
        Apply(along.smoothing, y[0], y[1], y[2]) + Apply(along.derivative, x[0], x[1], x[2]);
    math::Narrow(static_cast<T>(args.params.stencil.scale) * sum, args.out + pixel.Here(args));
  }
};

/// images [...] -> magnitudes [...].
struct MagnitudeFunction {
  template <class S>
  GRADOPS_FN void operator()(const ImageArgs<S>& args, const ImagePixel& pixel) const {
    using T = ComputeType<S>;
    bool y, x;
    const math::Gradient<T> g = GradientAt(args, pixel, &y, &x);
    const math::MagnitudeResponse response(args.params.response_epsilon);
    math::Narrow(y && x ? response.Magnitude(g) : T(0), args.out + pixel.Here(args));
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

}  // namespace gradops::cuda
