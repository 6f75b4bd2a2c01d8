#pragma once

#include <cstdint>

#include "family/dtypes.h"
#include "family/options.h"

namespace gradops {

/// Images are [batch, planes, height, width, channels], dense, row-major: channels_last has one
/// plane, channels_first one channel. A stencil never looks from one plane or channel into another.
struct ImageShape {
  int64_t batch, planes, height, width, channels;

  GRADOPS_FN int64_t RowSize() const { return width * channels; }
  GRADOPS_FN int64_t PlaneSize() const { return height * RowSize(); }
  GRADOPS_FN int64_t ExampleSize() const { return planes * PlaneSize(); }
};

/// From the sizes of the four axes in the order of the data format.
inline ImageShape MakeShape(const int64_t sizes[4], DataFormatId data_format) {
  if (data_format == DataFormatId::kChannelsFirst) {
    return {sizes[0], sizes[1], sizes[2], sizes[3], 1};
  }
  return {sizes[0], 1, sizes[1], sizes[2], sizes[3]};
}

/// Everything a kernel needs beside its buffers; plain data, passed by value.
struct KernelParams {
  ImageShape shape;
  math::Stencil stencil;
  BorderId border;
  PenaltyId penalty;
  double penalty_parameter;
  ResponseId response;
  double response_epsilon;
  NormalizerId normalizer;
  Levels levels;
};

inline KernelParams MakeParams(const ImageShape& shape, const LossOptions& options) {
  return {shape,
          ScaledStencil(options),
          options.border,
          options.penalty,
          PenaltyParameterOf(options),
          options.response,
          ResponseEpsilonOf(options),
          options.normalizer,
          options.levels};
}

}  // namespace gradops
