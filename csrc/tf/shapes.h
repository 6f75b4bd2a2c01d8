#ifndef GRADOPS_TF_SHAPES_H_
#define GRADOPS_TF_SHAPES_H_

#include <string>

#include "core/options.h"
#include "core/params.h"
#include "core/validate.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/status.h"

// What the shape functions of all ops share: options from attributes, checks as far as shapes are
// known. Argument names are Python's, so that an error names what the caller wrote.

namespace gradops::tf_ops {

using ::absl::Status;
using ::tensorflow::shape_inference::DimensionHandle;
using ::tensorflow::shape_inference::InferenceContext;
using ::tensorflow::shape_inference::ShapeHandle;

/// The attribute for an option: its allowed names and its default, from the registry.
inline std::string OptionAttr(const std::string& option) {
  for (const OptionNames& row : AllOptions()) {
    if (row.option != option) continue;
    std::string names;
    for (const std::string& name : row.names) names += (names.empty() ? "'" : ", '") + name + "'";
    return option + ": {" + names + "} = '" + row.names[0] + "'";
  }
  return option + ": string";
}

/// Reads the options that an op has as attributes; `get(name, &text)` says whether it has one.
template <class Get>
Status ReadOptionAttrs(Get&& get, LossOptions* options) {
  std::string text;
  for (const OptionNames& row : AllOptions()) {
    if (!get(row.option, &text)) continue;
    TF_RETURN_IF_ERROR(FromMessage(SetOption(row.option, text, options)));
  }
  for (const char* parameter : kNumberOptions) {
    if (!get(parameter, &text)) continue;
    TF_RETURN_IF_ERROR(FromMessage(SetOption(parameter, text, options)));
  }
  return absl::OkStatus();
}

inline Status OptionsOf(InferenceContext* c, LossOptions* options) {
  return ReadOptionAttrs(
      [c](const std::string& name, std::string* text) { return c->GetAttr(name, text).ok(); },
      options);
}

inline const char* LayoutOf(const LossOptions& options) {
  return options.data_format == DataFormatId::kChannelsFirst ? "[B, C, H, W]" : "[B, H, W, C]";
}

/// Checks that input `index` has the rank of images (one more for gradients) and, where known, a
/// size that stencil and border allow.
inline Status CheckImages(InferenceContext* c, int index, const char* argument,
                          const LossOptions& options, int extra_axes = 0) {
  const ShapeHandle shape = c->input(index);
  if (!c->RankKnown(shape)) return absl::OkStatus();
  if (c->Rank(shape) != 4 + extra_axes) {
    return InvalidArgument(argument, " must have rank ", 4 + extra_axes, " ", LayoutOf(options),
                           extra_axes > 0 ? " and 2" : "", ", got shape ", c->DebugString(shape));
  }
  const int height_axis = options.data_format == DataFormatId::kChannelsFirst ? 2 : 1;
  return FromMessage(CheckImageSize(argument, c->Value(c->Dim(shape, height_axis)),
                                    c->Value(c->Dim(shape, height_axis + 1)), options));
}

/// Whether an optional input is known not to be given: it is then a vector of no numbers.
inline bool IsAbsent(InferenceContext* c, int index) {
  const ShapeHandle shape = c->input(index);
  return c->RankKnown(shape) && c->Rank(shape) == 1 && c->Value(c->Dim(shape, 0)) == 0;
}

/// Checks y_true (input 0, perhaps absent) and y_pred (input 1); `images` is what is known of their
/// common shape.
inline Status CheckImagePair(InferenceContext* c, const LossOptions& options, ShapeHandle* images) {
  TF_RETURN_IF_ERROR(CheckImages(c, 1, "y_pred", options));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 4, images));
  if (IsAbsent(c, 0)) return absl::OkStatus();
  TF_RETURN_IF_ERROR(CheckImages(c, 0, "y_true", options));
  if (!c->RankKnown(c->input(0))) return absl::OkStatus();
  if (!c->Merge(c->input(0), *images, images).ok()) {
    return InvalidArgument("y_true and y_pred must have the same shape, got ",
                           c->DebugString(c->input(0)), " and ", c->DebugString(c->input(1)));
  }
  return absl::OkStatus();
}

/// Checks that input `index`, if given, has a value per pixel or per pixel and channel.
inline Status CheckMap(InferenceContext* c, int index, const char* argument,
                       const LossOptions& options, ShapeHandle images) {
  const ShapeHandle shape = c->input(index);
  if (!c->RankKnown(shape) || IsAbsent(c, index)) return absl::OkStatus();
  if (c->Rank(shape) != 4) {
    return InvalidArgument(argument, " must have rank 4 ", LayoutOf(options), ", got shape ",
                           c->DebugString(shape));
  }
  int64_t map[4], of_images[4];
  for (int i = 0; i < 4; ++i) {
    map[i] = c->Value(c->Dim(shape, i));
    of_images[i] = c->Value(c->Dim(images, i));
  }
  return FromMessage(CheckPixelMap(argument, map, of_images, options.data_format));
}

/// The shape of the loss: [B] or, for normalizer "none", [B, axes].
inline ShapeHandle LossShapeOf(InferenceContext* c, const LossOptions& options,
                               ShapeHandle images) {
  const DimensionHandle batch = c->Dim(images, 0);
  if (options.normalizer != NormalizerId::kNone) return c->Vector(batch);
  return c->Matrix(batch, ResidualsOf(options.response));
}

/// Checks that input `index` is a scalar or has the shape of the loss.
inline Status CheckLossLike(InferenceContext* c, int index, const char* argument,
                            ShapeHandle loss) {
  const ShapeHandle shape = c->input(index);
  ShapeHandle merged;
  if (!c->RankKnown(shape) || c->Rank(shape) == 0 || c->Merge(shape, loss, &merged).ok()) {
    return absl::OkStatus();
  }
  return InvalidArgument(argument, " must be a scalar or have the shape of the loss, ",
                         c->DebugString(loss), ", got ", c->DebugString(shape));
}

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_SHAPES_H_
