#pragma once

#include "family/dtypes.h"
#include "tensorflow/core/framework/types.h"

namespace gradops::tf_ops {

/// The attribute T of every op: the dtype of its images. In the order of the table.
inline constexpr const char* kDtypeAttr = "T: {half, bfloat16, float, double}";
/// The attribute of the dtype of losses, upstream gradients and weights.
inline constexpr const char* kComputeAttr = "Tloss: {float, double}";

inline Dtype DtypeOf(::tensorflow::DataType type) {
  switch (type) {
    case ::tensorflow::DT_HALF:
      return Dtype::kFloat16;
    case ::tensorflow::DT_BFLOAT16:
      return Dtype::kBFloat16;
    case ::tensorflow::DT_DOUBLE:
      return Dtype::kFloat64;
    default:
      return Dtype::kFloat32;
  }
}

}  // namespace gradops::tf_ops
