#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "family/options.h"
#include "op/sizes.h"

// The one table that knows the ops: their names, inputs, outputs, attributes, rules of shape and
// dtype, and documentation. The TensorFlow ops, their shape functions and kernels, the kernels for
// XLA, the functions of gradops._kernels and the emulation are made from it. To add an op: a row in
// op/ops.cc, a launcher in cpu/launch/ and one in cuda/launch/, and its function and gradient in
// gradops/_fused/ops.py and gradients.py.

namespace gradops {

/// The partial sums of SumAbsoluteDifference.
inline constexpr int64_t kSums = 1024;

/// The dtype of an argument: that of the images, that in which they are computed, or bool.
enum class Element { kImage, kCompute, kBool };

/// The shape of an argument, in the order of the data format.
enum class ShapeRule {
  kImages,     // [B, H, W, C]
  kGradients,  // [B, H, W, C, 2]
  kMap,        // [B, H, W, 1] or [B, H, W, C]
  kLosses,     // [B] or, for normalizer "none", [B, residuals]; an input may also be a scalar
  kCounts,     // [B, residuals]
  kSums,       // [kSums]
};

/// An input or an output of an op.
struct Argument {
  const char* name;
  Element element;
  ShapeRule shape;
  const char* doc;
  /// An input: an empty tensor of rank 1 may stand for it. An output: it need not be computed.
  bool is_optional = false;
  /// An optional output: the boolean attribute that says whether it is computed, else empty.
  const char* wanted_by = "";
  /// An output: the input whose memory it may take over, else empty.
  const char* reuses = "";
};

struct Op {
  const char* name;
  OptionSet option_set;
  std::vector<Argument> inputs, outputs;
  const char* doc;
  /// Not an op of TensorFlow: what memory allows, for the benchmarks (docs/performance.md).
  bool is_roofline = false;

  /// The input that says how large the images are, and their dtype: the first that has to be given.
  size_t ImagesInput() const;
  /// The position of an argument among the inputs or the outputs.
  size_t IndexOf(const std::vector<Argument>& arguments, const char* argument) const;
  /// The options that it has as attributes.
  std::vector<const Option*> Options() const;
  /// Sets options by `get(name, &text)`, which says whether one is given, and checks them together.
  /// Returns "" or what is wrong.
  template <class Get>
  std::string ReadOptions(Get&& get, LossOptions* options) const;
};

const std::vector<Op>& Ops();

/// Null if there is none of that name.
const Op* FindOp(const std::string& name);

template <class Get>
std::string Op::ReadOptions(Get&& get, LossOptions* options) const {
  *options = LossOptions();
  if (option_set != OptionSet::kLoss) options->response = ResponseId::kMagnitude;
  for (const Option* option : Options()) {
    std::string text;
    if (!get(option->name, &text)) continue;
    const std::string error = SetOption(option->name, text, options);
    if (!error.empty()) return error;
  }
  return CheckOptions(*options);
}

}  // namespace gradops
