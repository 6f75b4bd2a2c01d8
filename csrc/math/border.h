#pragma once

#include <cstdint>

#include "math/macros.h"

namespace gradops::math {

/// What a stencil sees where it leaves the image. Named in family/registry.h.
enum class Border : int32_t { kReflect, kReplicate, kZero, kCircular, kValid };

/// The position inside the image that stands in for `position` in [-1, size], or -1 if there is
/// none: a ghost of border zero reads as 0, and border valid has no ghosts.
///   reflect    -1 -> 1, size -> size - 2 (TensorFlow REFLECT, OpenCV REFLECT_101); needs size >= 2
///   replicate  -1 -> 0, size -> size - 1
///   circular   -1 -> size - 1, size -> 0
GRADOPS_FN int64_t MapToImage(Border border, int64_t position, int64_t size) {
  if (position >= 0 && position < size) return position;
  switch (border) {
    case Border::kReflect:
      return position < 0 ? -position : 2 * (size - 1) - position;
    case Border::kReplicate:
      return position < 0 ? 0 : size - 1;
    case Border::kCircular:
      return position < 0 ? position + size : position - size;
    case Border::kZero:
    case Border::kValid:
      return -1;
  }
  return -1;
}

}  // namespace gradops::math
