// The image ops: names, attributes, shape functions and documentation.

#include "tensorflow/core/framework/op.h"
#include "tf/shapes.h"

namespace gradops::tf_ops {
namespace {

Status ImageGradientsShape(InferenceContext* c) {
  LossOptions options;
  ShapeHandle images, gradients;
  TF_RETURN_IF_ERROR(OptionsOf(c, &options));
  TF_RETURN_IF_ERROR(CheckImages(c, 0, "images", options));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &images));
  TF_RETURN_IF_ERROR(c->Concatenate(images, c->Vector(2), &gradients));
  c->set_output(0, gradients);
  return absl::OkStatus();
}

Status ImageGradientsAdjointShape(InferenceContext* c) {
  LossOptions options;
  ShapeHandle upstream, images;
  TF_RETURN_IF_ERROR(OptionsOf(c, &options));
  TF_RETURN_IF_ERROR(CheckImages(c, 0, "upstream", options, 1));
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

Status GradientMagnitudeShape(InferenceContext* c) {
  LossOptions options;
  ShapeHandle images;
  TF_RETURN_IF_ERROR(OptionsOf(c, &options));
  TF_RETURN_IF_ERROR(CheckImages(c, 0, "images", options));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 4, &images));
  c->set_output(0, images);
  return absl::OkStatus();
}

Status GradientMagnitudeGradShape(InferenceContext* c) {
  TF_RETURN_IF_ERROR(GradientMagnitudeShape(c));
  ShapeHandle images;
  if (!c->Merge(c->input(0), c->input(1), &images).ok()) {
    return InvalidArgument("upstream must have the shape of images, ", c->DebugString(c->input(0)),
                           ", got ", c->DebugString(c->input(1)));
  }
  return absl::OkStatus();
}

#define GRADOPS_IMAGE_ATTRS                   \
  .Attr("T: {half, bfloat16, float, double}") \
      .Attr(OptionAttr("stencil"))            \
      .Attr(OptionAttr("border"))             \
      .Attr(OptionAttr("scale"))              \
      .Attr(OptionAttr("data_format"))
#define GRADOPS_MAGNITUDE_ATTRS GRADOPS_IMAGE_ATTRS.Attr("response_epsilon: string = ''")
#define GRADOPS_IMAGE_DOCS                                                    \
  "stencil: The derivative filter.\n"                                         \
  "border: What the stencil sees outside the image.\n"                        \
  "scale: Taps as they are, or divided so that a unit ramp has gradient 1.\n" \
  "data_format: Where the channels are.\n"
#define GRADOPS_MAGNITUDE_DOCS \
  GRADOPS_IMAGE_DOCS           \
  "response_epsilon: Added to the squares, as decimal text; empty for 0.\n"

REGISTER_OP("Gradops>ImageGradients")
    .Input("images: T")
    .Output("gradients: T") GRADOPS_IMAGE_ATTRS.SetShapeFn(ImageGradientsShape)
    .Doc(R"doc(
gradients[..., 0] = S_y images and gradients[..., 1] = S_x images.

images: Images [B, H, W, C] or [B, C, H, W].
gradients: The shape of images and 2, down the rows and along the columns.
)doc" GRADOPS_IMAGE_DOCS);

REGISTER_OP("Gradops>ImageGradientsAdjoint")
    .Input("upstream: T")
    .Output("images: T") GRADOPS_IMAGE_ATTRS.SetShapeFn(ImageGradientsAdjointShape)
    .Doc(R"doc(
images = S_y^T upstream[..., 0] + S_x^T upstream[..., 1], the transpose of Gradops>ImageGradients. Each
of the two ops is the gradient of the other.

upstream: The shape of images and 2.
images: Images [B, H, W, C] or [B, C, H, W].
)doc" GRADOPS_IMAGE_DOCS);

REGISTER_OP("Gradops>GradientMagnitude")
    .Input("images: T")
    .Output("magnitudes: T") GRADOPS_MAGNITUDE_ATTRS.SetShapeFn(GradientMagnitudeShape)
    .Doc(R"doc(
magnitudes = sqrt((S_y images)^2 + (S_x images)^2 + response_epsilon).

images: Images [B, H, W, C] or [B, C, H, W].
magnitudes: Same shape; 0 where border valid counts no gradient.
)doc" GRADOPS_MAGNITUDE_DOCS);

REGISTER_OP("Gradops>GradientMagnitudeGrad")
    .Input("images: T")
    .Input("upstream: T")
    .Output("gradient: T") GRADOPS_MAGNITUDE_ATTRS.SetShapeFn(GradientMagnitudeGradShape)
    .Doc(R"doc(
gradient = upstream * d magnitudes / d images of Gradops>GradientMagnitude, 0 where a magnitude is 0.

images: Images [B, H, W, C] or [B, C, H, W].
upstream: Same shape.
gradient: Same shape.
)doc" GRADOPS_MAGNITUDE_DOCS);

}  // namespace
}  // namespace gradops::tf_ops
