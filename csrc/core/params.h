#ifndef GRADOPS_CORE_PARAMS_H_
#define GRADOPS_CORE_PARAMS_H_

#include <cstdint>

#include "core/options.h"

namespace gradops {

/// Images are [batch, height, width, channels], dense, row-major.
struct ImageShape {
  int64_t batch, height, width, channels;

  GRADOPS_FN int64_t RowSize() const { return width * channels; }
  GRADOPS_FN int64_t ExampleSize() const { return height * RowSize(); }
};

/// Everything a kernel needs beside its buffers; plain data, passed by value.
struct KernelParams {
  ImageShape shape;
  math::Stencil stencil;  // scaled
  BorderId border;
  PenaltyId penalty;
  ResponseId response;

  /// Residuals counted per example: both components of every channel of every pixel.
  GRADOPS_FN int64_t ResidualCount() const { return 2 * shape.ExampleSize(); }
};

inline KernelParams MakeParams(const ImageShape& shape, const LossOptions& options) {
  return {shape, ScaledStencil(options), options.border, options.penalty, options.response};
}

/// The type of a per-example loss and of its upstream gradient, for images of type T.
template <class T>
struct LossTypeOf {
  using Type = float;
};
template <>
struct LossTypeOf<double> {
  using Type = double;
};
template <class T>
using LossType = typename LossTypeOf<T>::Type;

}  // namespace gradops

#endif  // GRADOPS_CORE_PARAMS_H_
