#pragma once

#include <string>

#include "op/op.h"

// What the ops are called in TensorFlow, and what a compiled program holds of them.

namespace gradops::tf_ops {

/// Before the name of an op of the table.
inline constexpr const char* kPrefix = "Gradops>";

inline std::string NameOf(const Op& op) { return std::string(kPrefix) + op.name; }

/// The op of a node of this type.
inline const Op& OpOf(const std::string& type) {
  return *FindOp(type.substr(std::string(kPrefix).size()));
}

/// The custom call that xla_kernels.cc writes into a compiled program and xla_handler.cc runs, and
/// its attributes beside the options: the op of the table, and the dtype of its images.
inline constexpr const char* kXlaCall = "gradops";
inline constexpr const char* kXlaOp = "op";
inline constexpr const char* kXlaDtype = "dtype";

}  // namespace gradops::tf_ops
