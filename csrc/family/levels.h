#pragma once

#include <cstdint>

#include "family/registry.h"
#include "math/int_math.h"
#include "math/macros.h"

namespace gradops {

/// A loss of several terms: sum_s weights[s] * the loss of level s, where level 0 is the images and
/// each further one half as high and wide, and pixel_weight * the mean of |y_pred - y_true|.
struct Levels {
  static constexpr int kMaximum = 16;

  int count = 1;
  DownsampleId downsample = DownsampleId::kStride;
  double weights[kMaximum] = {1};
  double pixel_weight = 0;

  /// Whether there is one term, that of the images' gradients, of weight 1.
  GRADOPS_FN bool IsSingleTerm() const {
    return count == 1 && weights[0] == 1 && pixel_weight == 0;
  }
};

/// The size of an axis, one level further. The means of pairs leave a last odd one out.
inline int64_t CoarserSize(int64_t size, DownsampleId downsample) {
  return downsample == DownsampleId::kStride ? math::CeilDiv<int64_t>(size, 2) : size / 2;
}

/// The smallest size of an axis of which the last level has `minimum`.
inline int64_t MinimumSizeOfImages(int64_t minimum, const Levels& levels) {
  const int64_t step = int64_t{1} << (levels.count - 1);
  return levels.downsample == DownsampleId::kStride ? (minimum - 1) * step + 1 : minimum * step;
}

}  // namespace gradops
