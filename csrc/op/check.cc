#include "op/check.h"

#include <algorithm>

namespace gradops {
namespace {

/// The name of a choice of an option.
template <class Id>
std::string ChoiceName(const std::string& option_name, Id id) {
  for (const Option& option : AllOptions()) {
    if (option.name == option_name) return option.choices[static_cast<size_t>(id)];
  }
  return "";
}

std::string SizeText(int64_t size) { return size < 0 ? "?" : std::to_string(size); }

/// Whether two shapes may be the same. If so, `known` gets the sizes that either of them knows.
bool Merge(const Sizes& other, Sizes* known) {
  if (other.size() != known->size()) return false;
  for (size_t i = 0; i < other.size(); ++i) {
    int64_t& size = (*known)[i];
    if (size >= 0 && other[i] >= 0 && size != other[i]) return false;
    size = std::max(size, other[i]);
  }
  return true;
}

/// The checks of one call.
class Checker {
 public:
  Checker(const Op& op, const LossOptions& options, const std::vector<KnownShape>& inputs)
      : op_(op),
        options_(options),
        inputs_(inputs),
        channel_axis_(ChannelAxis(options.data_format)) {}

  std::string Check() {
    const size_t first = op_.ImagesInput();
    std::string error = CheckImages(op_.inputs[first], inputs_[first]);
    for (size_t i = 0; i < inputs_.size() && error.empty(); ++i) {
      if (i != first && IsKnownToBeGiven(i)) error = CheckInput(op_.inputs[i], *inputs_[i]);
    }
    if (error.empty()) error = CheckImageSize(op_.inputs[first].name);
    return error.empty() ? CheckWeightsAreGiven() : error;
  }

 private:
  bool IsKnownToBeGiven(size_t i) const {
    return inputs_[i] && !(op_.inputs[i].is_optional && *inputs_[i] == Sizes{0});
  }
  std::string Layout() const { return channel_axis_ == 1 ? "[B, C, H, W]" : "[B, H, W, C]"; }

  /// How many axes an argument has besides those of images.
  static size_t ExtraAxes(const Argument& argument) {
    return argument.shape == ShapeRule::kGradients ? 1 : 0;
  }
  std::string CheckRank(const Argument& argument, const Sizes& shape) const {
    const size_t rank = 4 + ExtraAxes(argument);
    if (shape.size() == rank) return "";
    return std::string(argument.name) + " must have rank " + std::to_string(rank) + " " + Layout() +
           (rank > 4 ? " and 2" : "") + ", got shape " + ShapeText(shape);
  }

  /// Checks the input that says how large the images are.
  std::string CheckImages(const Argument& argument, const KnownShape& shape) {
    if (!shape) return "";
    const std::string error = CheckRank(argument, *shape);
    if (!error.empty()) return error;
    if (ExtraAxes(argument) > 0 && (*shape)[4] >= 0 && (*shape)[4] != 2) {
      return std::string(argument.name) + " must have 2 components in its last axis, got shape " +
             ShapeText(shape);
    }
    images_ = Sizes(shape->begin(), shape->begin() + 4);
    return "";
  }

  std::string CheckInput(const Argument& argument, const Sizes& shape) {
    if (argument.shape == ShapeRule::kLosses) return CheckLosses(argument, shape);
    if (argument.shape == ShapeRule::kCounts) return CheckCounts(argument, shape);
    const std::string error = CheckRank(argument, shape);
    if (!error.empty()) return error;
    if (argument.shape == ShapeRule::kMap) return CheckMap(argument, shape);
    if (argument.shape == ShapeRule::kWeights) return CheckLikeWeights(argument, shape);
    return CheckLikeImages(argument, shape);
  }

  std::string CheckLikeImages(const Argument& argument, const Sizes& shape) {
    Sizes merged = images_;
    if (Merge(shape, &merged)) {
      images_ = merged;
      return "";
    }
    return std::string(argument.name) + " and " + op_.inputs[op_.ImagesInput()].name +
           " must have the same shape, got " + ShapeText(shape) + " and " + ShapeText(images_);
  }

  std::string CheckMap(const Argument& argument, const Sizes& shape) const {
    Sizes per_pixel = images_, per_channel = images_;
    per_pixel[channel_axis_] = 1;
    std::string wanted = ShapeText(per_pixel);
    if (per_pixel != images_) wanted += " or " + ShapeText(images_);
    if (Merge(shape, &per_pixel) || Merge(shape, &per_channel)) return "";
    return std::string(argument.name) + " must have shape " + wanted + ", got " + ShapeText(shape);
  }

  std::string CheckLikeWeights(const Argument& argument, const Sizes& shape) const {
    const KnownShape& weights = inputs_[op_.IndexOf(op_.inputs, "weights")];
    Sizes merged = weights ? *weights : shape;
    if (Merge(shape, &merged)) return "";
    return std::string(argument.name) + " must have the shape of weights, " + ShapeText(*weights) +
           ", got " + ShapeText(shape);
  }

  /// Ops that write something of the shape of the weights need them.
  std::string CheckWeightsAreGiven() const {
    for (const Argument& output : op_.outputs) {
      if (output.shape != ShapeRule::kWeights) continue;
      const KnownShape& weights = inputs_[op_.IndexOf(op_.inputs, "weights")];
      if (weights && *weights == Sizes{0}) return "weights must be given, got none";
    }
    return "";
  }

  std::string CheckLosses(const Argument& argument, const Sizes& shape) const {
    Sizes losses = {images_[0]};
    if (options_.normalizer == NormalizerId::kNone)
      losses.push_back(ResidualsOf(options_.response));
    const std::string expected = ShapeText(losses);
    if (shape.empty() || Merge(shape, &losses)) return "";
    return std::string(argument.name) + " must be a scalar or have the shape of the loss, " +
           expected + ", got " + ShapeText(shape);
  }

  std::string CheckCounts(const Argument& argument, const Sizes& shape) const {
    Sizes counts = {images_[0], ResidualsOf(options_.response)};
    const std::string expected = ShapeText(counts);
    if (Merge(shape, &counts)) return "";
    return std::string(argument.name) + " must have the shape of the counts, " + expected +
           ", got " + ShapeText(shape);
  }

  /// Checks that stencil and border are defined for images of this size.
  std::string CheckImageSize(const char* argument) const {
    const int64_t minimum = MinimumSizeOfImages(
        math::MinimumSize(TapsOf(options_.stencil), options_.border), options_.levels);
    const ImageShape shape = MakeShape(images_, options_.data_format);
    const auto ok = [&](int64_t size) { return size < 0 || size >= minimum; };
    if (ok(shape.height) && ok(shape.width)) return "";
    const std::string scales = options_.levels.count == 1
                                   ? ""
                                   : " for scales=" + std::to_string(options_.levels.count) +
                                         " with downsample '" +
                                         ChoiceName("downsample", options_.levels.downsample) + "'";
    return std::string(argument) + " is too small" + scales + ": border '" +
           ChoiceName("border", options_.border) + "' with stencil '" +
           ChoiceName("stencil", options_.stencil) + "' needs height and width of at least " +
           std::to_string(minimum) + ", got height " + SizeText(shape.height) + " and width " +
           SizeText(shape.width);
  }

  const Op& op_;
  const LossOptions& options_;
  const std::vector<KnownShape>& inputs_;
  const size_t channel_axis_;
  Sizes images_ = {-1, -1, -1, -1};  // what is known of the images' sizes
};

}  // namespace

std::string ShapeText(const KnownShape& shape) {
  if (!shape) return "?";
  std::string text = "[";
  for (const int64_t size : *shape) text += (text.size() > 1 ? "," : "") + SizeText(size);
  return text + "]";
}

std::string CheckShapes(const Op& op, const LossOptions& options,
                        const std::vector<KnownShape>& inputs) {
  return Checker(op, options, inputs).Check();
}

std::string CheckShapes(const OpCall& call) {
  std::vector<KnownShape> inputs;
  inputs.reserve(call.inputs.size());
  for (const Buffer& input : call.inputs) inputs.push_back(input.sizes);
  return CheckShapes(*call.op, call.options, inputs);
}

Sizes OutputSizes(const Argument& output, const OpCall& call) {
  const Sizes& given = call.inputs[call.op->ImagesInput()].sizes;
  Sizes images(given.begin(), given.begin() + 4);
  const int64_t residuals = ResidualsOf(call.options.response);
  switch (output.shape) {
    case ShapeRule::kGradients:
      images.push_back(2);
      return images;
    case ShapeRule::kLosses:
      if (call.options.normalizer != NormalizerId::kNone) return {images[0]};
      return {images[0], residuals};
    case ShapeRule::kCounts:
      return {images[0], residuals};
    case ShapeRule::kSums:
      return {kSums};
    case ShapeRule::kWeights:
      return call.inputs[call.op->IndexOf(call.op->inputs, "weights")].sizes;
    default:
      return images;
  }
}

}  // namespace gradops
