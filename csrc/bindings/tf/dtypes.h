#pragma once

#include <string>

#include "family/dtypes.h"
#include "tensorflow/core/framework/types.h"

namespace gradops::tf_ops {

// TensorFlow reads NumPy's names of the dtypes; in an attribute, those without underscores.

/// The attribute T of every op: the dtype of its images. In the order of the table.
inline std::string DtypeAttr() { return "T: {" + DtypeNames() + "}"; }
/// The attribute of the dtype of losses, upstream gradients and weights.
inline constexpr const char* kComputeAttr = "Tloss: {float, double}";

inline ::tensorflow::DataType DataTypeOf(const char* name) {
  ::tensorflow::DataType type = ::tensorflow::DT_INVALID;
  ::tensorflow::DataTypeFromString(name, &type);
  return type;
}

/// The dtype of images or losses, which the attributes above have restricted.
inline Dtype DtypeOf(::tensorflow::DataType type) {
#define GRADOPS_RETURN_IF(enumerator, S, name)                       \
  static const ::tensorflow::DataType enumerator = DataTypeOf(name); \
  if (type == enumerator) return Dtype::enumerator;
  GRADOPS_DTYPES(GRADOPS_RETURN_IF)
#undef GRADOPS_RETURN_IF
  __builtin_unreachable();
}

}  // namespace gradops::tf_ops
