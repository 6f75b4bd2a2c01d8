// The ops: names, attributes, shape functions and documentation. Argument names are Python's, so
// that an error names what the caller wrote.

#include <string>

#include "core/options.h"
#include "core/validate.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/status.h"

namespace gradops::tf_ops {
namespace {

using ::absl::Status;
using ::tensorflow::shape_inference::DimensionHandle;
using ::tensorflow::shape_inference::InferenceContext;
using ::tensorflow::shape_inference::ShapeHandle;

/// The attribute for an option: its allowed names and its default, from the registry.
std::string OptionAttr(const std::string& option) {
  for (const OptionNames& row : AllOptions()) {
    if (row.option != option) continue;
    std::string names;
    for (const std::string& name : row.names) names += (names.empty() ? "'" : ", '") + name + "'";
    return option + ": {" + names + "} = '" + row.names[0] + "'";
  }
  return option + ": string";
}

Status BorderOf(InferenceContext* c, BorderId* border) {
  std::string name;
  TF_RETURN_IF_ERROR(c->GetAttr("border", &name));
  LossOptions options;
  TF_RETURN_IF_ERROR(FromMessage(SetOption("border", name, &options)));
  *border = options.border;
  return absl::OkStatus();
}

/// Checks that input `index` has rank `rank` and, where known, a size that the border allows.
Status CheckImages(InferenceContext* c, int index, const char* argument, int rank,
                   const char* layout) {
  const ShapeHandle shape = c->input(index);
  if (!c->RankKnown(shape)) return absl::OkStatus();
  if (c->Rank(shape) != rank) {
    return InvalidArgument(argument, " must have rank ", rank, " ", layout, ", got shape ",
                           c->DebugString(shape));
  }
  BorderId border;
  TF_RETURN_IF_ERROR(BorderOf(c, &border));
  return FromMessage(
      CheckImageSize(argument, c->Value(c->Dim(shape, 1)), c->Value(c->Dim(shape, 2)), border));
}

/// Checks y_true (input 0) and y_pred (input 1); `images` is what is known of their common shape.
Status CheckImagePair(InferenceContext* c, ShapeHandle* images) {
  TF_RETURN_IF_ERROR(CheckImages(c, 0, "y_true", 4, "[B, H, W, C]"));
  TF_RETURN_IF_ERROR(CheckImages(c, 1, "y_pred", 4, "[B, H, W, C]"));
  ShapeHandle any_images;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 4, &any_images));
  if (!c->Merge(c->input(0), any_images, images).ok()) {
    return InvalidArgument("y_true and y_pred must have the same shape, got ",
                           c->DebugString(c->input(0)), " and ", c->DebugString(c->input(1)));
  }
  return absl::OkStatus();
}

/// Checks that input `index` is a scalar or [B].
Status CheckPerExample(InferenceContext* c, int index, const char* argument, ShapeHandle images) {
  const ShapeHandle shape = c->input(index);
  if (!c->RankKnown(shape) || c->Rank(shape) == 0) return absl::OkStatus();
  DimensionHandle batch;
  if (c->Rank(shape) != 1 || !c->Merge(c->Dim(shape, 0), c->Dim(images, 0), &batch).ok()) {
    return InvalidArgument(argument, " must be a scalar or have shape [B], got ",
                           c->DebugString(shape), " for images ", c->DebugString(images));
  }
  return absl::OkStatus();
}

Status LossShape(InferenceContext* c) {
  ShapeHandle images;
  TF_RETURN_IF_ERROR(CheckImagePair(c, &images));
  c->set_output(0, c->Vector(c->Dim(images, 0)));
  return absl::OkStatus();
}

Status LossMemoShape(InferenceContext* c) {
  ShapeHandle images;
  TF_RETURN_IF_ERROR(CheckImagePair(c, &images));
  TF_RETURN_IF_ERROR(CheckPerExample(c, 2, "expected", images));
  c->set_output(0, c->Vector(c->Dim(images, 0)));
  c->set_output(1, images);
  return absl::OkStatus();
}

Status LossGradShape(InferenceContext* c) {
  ShapeHandle images;
  TF_RETURN_IF_ERROR(CheckImagePair(c, &images));
  const ShapeHandle memo = c->input(2);
  ShapeHandle merged;
  const bool has_memo = c->FullyDefined(memo) && c->Value(c->NumElements(memo)) > 0;
  if (has_memo && !c->Merge(memo, images, &merged).ok()) {
    return InvalidArgument("memo must be empty or have the shape of y_pred, ",
                           c->DebugString(images), ", got ", c->DebugString(memo));
  }
  TF_RETURN_IF_ERROR(CheckPerExample(c, 3, "expected", images));
  TF_RETURN_IF_ERROR(CheckPerExample(c, 4, "upstream", images));
  c->set_output(0, images);
  return absl::OkStatus();
}

Status ImageGradientsShape(InferenceContext* c) {
  TF_RETURN_IF_ERROR(CheckImages(c, 0, "images", 4, "[B, H, W, C]"));
  ShapeHandle images, gradients;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &images));
  TF_RETURN_IF_ERROR(c->Concatenate(images, c->Vector(2), &gradients));
  c->set_output(0, gradients);
  return absl::OkStatus();
}

Status ImageGradientsAdjointShape(InferenceContext* c) {
  TF_RETURN_IF_ERROR(CheckImages(c, 0, "upstream", 5, "[B, H, W, C, 2]"));
  ShapeHandle upstream, images;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 5, &upstream));
  DimensionHandle two;
  if (!c->WithValue(c->Dim(upstream, 4), 2, &two).ok()) {
    return InvalidArgument("upstream must have 2 components in its last axis, got shape ",
                           c->DebugString(upstream));
  }
  TF_RETURN_IF_ERROR(c->Subshape(upstream, 0, 4, &images));
  c->set_output(0, images);
  return absl::OkStatus();
}

// The attributes of every op, and those of the ops that know a penalty.
#define GRADOPS_IMAGE_ATTRS        \
  .Attr("T: {float, double}")      \
      .Attr(OptionAttr("stencil")) \
      .Attr(OptionAttr("border"))  \
      .Attr(OptionAttr("scale"))
#define GRADOPS_LOSS_ATTRS                           \
  GRADOPS_IMAGE_ATTRS.Attr("Tloss: {float, double}") \
      .Attr(OptionAttr("penalty"))                   \
      .Attr(OptionAttr("response"))
#define GRADOPS_IMAGE_ATTR_DOCS                        \
  "stencil: The derivative filter.\n"                  \
  "border: What the stencil sees outside the image.\n" \
  "scale: \"raw\" uses the stencil's taps as they are.\n"
#define GRADOPS_LOSS_ATTR_DOCS                                 \
  GRADOPS_IMAGE_ATTR_DOCS                                      \
  "Tloss: float for float images, double for double images.\n" \
  "penalty: rho, applied to each residual.\n"                  \
  "response: What is compared.\n"

REGISTER_OP("Gradops>Loss")
    .Input("y_true: T")
    .Input("y_pred: T")
    .Output("loss: Tloss") GRADOPS_LOSS_ATTRS.SetShapeFn(LossShape)
    .Doc(R"doc(
loss_b = mean over h, w, c and both axes k of penalty((S_k y_pred)_b - (S_k y_true)_b),
where S_y and S_x are the stencil with its border. For inference and evaluation: two reads of
memory. Its gradient recomputes; see Gradops>LossMemo for training.

y_true: Target images [B, H, W, C].
y_pred: Predicted images, same shape.
loss: One value per example [B].
)doc" GRADOPS_LOSS_ATTR_DOCS);

REGISTER_OP("Gradops>LossMemo")
    .Input("y_true: T")
    .Input("y_pred: T")
    .Input("expected: Tloss")
    .Output("loss: Tloss")
    .Output("memo: T") GRADOPS_LOSS_ATTRS.SetShapeFn(LossMemoShape)
    .Doc(R"doc(
Gradops>Loss that also keeps memo_b = expected_b * d loss_b / d y_pred, found in the same sweep: two
reads and one write of memory for a whole training step.

y_true: Target images [B, H, W, C].
y_pred: Predicted images, same shape.
expected: The upstream gradient that the caller foresees, a scalar or [B].
loss: One value per example [B].
memo: For Gradops>LossGrad only. It has no gradient of its own.
)doc" GRADOPS_LOSS_ATTR_DOCS);

REGISTER_OP("Gradops>LossGrad")
    .Input("y_true: T")
    .Input("y_pred: T")
    .Input("memo: T")
    .Input("expected: Tloss")
    .Input("upstream: Tloss")
    .Output("gradient: T") GRADOPS_LOSS_ATTRS.SetShapeFn(LossGradShape)
    .Doc(R"doc(
gradient_b = upstream_b * d loss_b / d y_pred. The memo is a shortcut that changes what this costs,
never what it means. Where upstream_b equals expected_b the gradient is the memo itself.

y_true: Target images [B, H, W, C].
y_pred: Predicted images, same shape.
memo: Output of Gradops>LossMemo for the same images and options, or an empty tensor for none.
expected: What that op was given, a scalar or [B]; unused without a memo.
upstream: The gradient that arrives at loss, a scalar or [B].
gradient: Same shape as y_pred.
)doc" GRADOPS_LOSS_ATTR_DOCS);

REGISTER_OP("Gradops>ImageGradients")
    .Input("images: T")
    .Output("gradients: T") GRADOPS_IMAGE_ATTRS.SetShapeFn(ImageGradientsShape)
    .Doc(R"doc(
gradients[..., 0] = S_y images and gradients[..., 1] = S_x images.

images: Images [B, H, W, C].
gradients: [B, H, W, C, 2]: down the rows, along the columns.
)doc" GRADOPS_IMAGE_ATTR_DOCS);

REGISTER_OP("Gradops>ImageGradientsAdjoint")
    .Input("upstream: T")
    .Output("images: T") GRADOPS_IMAGE_ATTRS.SetShapeFn(ImageGradientsAdjointShape)
    .Doc(R"doc(
images = S_y^T upstream[..., 0] + S_x^T upstream[..., 1], the transpose of Gradops>ImageGradients. Each
of the two ops is the gradient of the other.

upstream: [B, H, W, C, 2].
images: [B, H, W, C].
)doc" GRADOPS_IMAGE_ATTR_DOCS);

}  // namespace
}  // namespace gradops::tf_ops
