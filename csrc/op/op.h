#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "family/options.h"

// The table of ops: their names, inputs, outputs, attributes, rules of shape and dtype, and
// documentation. The TensorFlow ops, their shape functions and kernels, the kernels for XLA, the
// functions of gradops._kernels and the emulation are made from it. CONTRIBUTING.md says how to add
// an op.

namespace gradops {

/// The sizes of a tensor's axes.
using Sizes = std::vector<int64_t>;

/// How many partial sums SumAbsoluteDifference has.
inline constexpr int64_t kSums = 1024;

/// The dtype of an argument: that of the images, the one in which they are computed, or bool.
enum class DtypeRule { kImage, kCompute, kBool };

/// The shape of an argument, in the order of the data format.
enum class ShapeRule {
  kImages,     // [B, H, W, C]
  kGradients,  // [B, H, W, C, 2]
  kMap,        // [B, H, W, 1] or [B, H, W, C]
  kWeights,    // the shape of the input weights
  kLosses,     // [B] or, for normalizer "none", [B, residuals]; an input may also be a scalar
  kCounts,     // [B, residuals]
  kSums,       // [kSums]
};

/// An input or an output of an op.
struct Argument {
  const char* name;
  DtypeRule dtype;
  ShapeRule shape;
  const char* doc;
  /// Whether an input may be an empty tensor of rank 1, or an output need not be computed.
  bool is_optional = false;
  /// For an optional output: the boolean attribute that asks for it, if there is one.
  const char* wanted_by = "";
  /// For an output: the input whose memory it may reuse, if there is one.
  const char* reuses = "";
  /// For an optional output: the input that may stand in for it where it is of no use.
  const char* stand_in = "";
};

struct Op {
  const char* name;
  OptionSet option_set;
  std::vector<Argument> inputs, outputs;
  const char* doc;
  /// A memory benchmark (docs/performance.md), which TensorFlow has no op for.
  bool is_roofline = false;

  /// The index of the input that gives the images' size and dtype: the first that is not optional.
  size_t ImagesInput() const;
  /// The index of an argument among `arguments`, the inputs or the outputs.
  size_t IndexOf(const std::vector<Argument>& arguments, const char* argument) const;
  /// The options that it has as attributes.
  std::vector<const Option*> Options() const;
  /// Sets the options for which get(name, &text) returns true, and checks them together. Returns ""
  /// or what is wrong.
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
