#pragma once

#include <cstdint>

#include "family/params.h"

namespace gradops {

/// A [B] tensor, a [B, axes] tensor, or one value for all (strides 0).
template <class T>
struct PerExample {
  const T* data = nullptr;
  int64_t stride = 1;
  int64_t axis_stride = 0;

  GRADOPS_FN T At(int64_t example, int axis) const {
    return data[example * stride + axis * axis_stride];
  }
};

/// A map with one value per pixel, [B, H, W, 1], or per channel, [B, H, W, C] (channels_first:
/// [B, 1, H, W], [B, C, H, W]). Null if it is not given.
template <class T>
struct PixelMap {
  const T* data = nullptr;
  bool per_channel = false;
};

/// How many values an example has in the map.
template <class T>
int64_t ExampleSize(const PixelMap<T>& map, const ImageShape& shape) {
  return map.per_channel ? shape.ExampleSize() : shape.height * shape.width;
}

/// The tensors that a loss is a function of. They need not be aligned.
template <class S>
struct LossInputs {
  const S* y_true;  // null for images of zeros
  const S* y_pred;
  PixelMap<ComputeType<S>> weights;
  PixelMap<uint8_t> mask;  // whatever is not 0 is true
};

/// How many losses an example has: 1 or, for normalizer "none", one sum per axis.
inline int AxesOf(const KernelParams& params) {
  return params.normalizer == NormalizerId::kNone ? ResidualsOf(params.response) : 1;
}

}  // namespace gradops
