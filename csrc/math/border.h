#ifndef GRADOPS_MATH_BORDER_H_
#define GRADOPS_MATH_BORDER_H_

#include <cstdint>

#include "math/macros.h"

namespace gradops::math {

/// What a stencil sees where it leaves the image. Named in core/registry.h.
enum class Border : int32_t { kReflect };

/// The position inside [0, size) that stands in for `position` in [-1, size].
/// reflect (TensorFlow REFLECT, OpenCV REFLECT_101): -1 -> 1, size -> size - 2; needs size >= 2.
GRADOPS_FN int64_t MapToImage(Border border, int64_t position, int64_t size) {
  switch (border) {
    case Border::kReflect:
      if (position < 0) return -position;
      if (position >= size) return 2 * (size - 1) - position;
      return position;
  }
  return position;
}

/// The smallest height and width for which the border is defined.
GRADOPS_FN int64_t MinimumSize(Border border) {
  switch (border) {
    case Border::kReflect:
      return 2;
  }
  return 1;
}

}  // namespace gradops::math

#endif  // GRADOPS_MATH_BORDER_H_
