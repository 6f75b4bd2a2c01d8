#pragma once

#include <cstdint>

#include "family/registry.h"
#include "math/int_math.h"
#include "math/macros.h"

namespace gradops {

/// A loss of several terms: sum_s weights[s] * (loss of level s) + pixel_weight * (mean of
/// |y_pred - y_true|). Level 0 is the images; each further one is half as high and wide.
struct Levels {
  static constexpr int kMax = 16;

  int count = 1;
  DownsampleId downsample = DownsampleId::kStride;
  double weights[kMax] = {1};
  double pixel_weight = 0;

  /// Whether the loss is that of level 0 alone, with weight 1.
  GRADOPS_FN bool IsSingleTerm() const {
    return count == 1 && weights[0] == 1 && pixel_weight == 0;
  }
};

/// The size of an axis one level further. Means of pairs leave out the last pixel of an odd size.
inline int64_t CoarserSize(int64_t size, DownsampleId downsample) {
  return downsample == DownsampleId::kStride ? math::CeilDiv<int64_t>(size, 2) : size / 2;
}

/// The smallest size of an axis for which the last level has size `minimum`.
inline int64_t MinimumSizeOfImages(int64_t minimum, const Levels& levels) {
  const int64_t step = int64_t{1} << (levels.count - 1);
  return levels.downsample == DownsampleId::kStride ? (minimum - 1) * step + 1 : minimum * step;
}

}  // namespace gradops
