#pragma once

#include <cstdint>

#include "family/dtypes.h"
#include "family/options.h"

namespace gradops {

/// Images are [batch, planes, height, width, channels], dense and row-major. In channels_last they
/// have one plane, in channels_first one channel. Stencils never cross planes or channels.
struct ImageShape {
  int64_t batch, planes, height, width, channels;

  GRADOPS_FN int64_t RowSize() const { return width * channels; }
  /// A row of a map with one value per channel, or else per pixel.
  GRADOPS_FN int64_t MapRowSize(bool per_channel) const { return per_channel ? RowSize() : width; }
  GRADOPS_FN int64_t PlaneSize() const { return height * RowSize(); }
  GRADOPS_FN int64_t ExampleSize() const { return planes * PlaneSize(); }
};

/// What a sweep finds: the sums of values; those and slopes; or, given a vector, the sums of
/// <vector, slopes> and their derivatives.
enum class Order { kValue, kSlope, kSecond };

/// Everything that a kernel needs besides its buffers. Plain data, passed by value.
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
