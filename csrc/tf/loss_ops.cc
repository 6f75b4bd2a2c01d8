// The loss ops: names, attributes, shape functions and documentation.

#include "tensorflow/core/framework/op.h"
#include "tf/shapes.h"

namespace gradops::tf_ops {
namespace {

/// What every loss op checks, of inputs y_true, y_pred, weights and mask.
struct LossShapes {
  LossOptions options;
  ShapeHandle images, loss;

  Status Check(InferenceContext* c) {
    TF_RETURN_IF_ERROR(OptionsOf(c, &options));
    TF_RETURN_IF_ERROR(CheckImagePair(c, options, &images));
    TF_RETURN_IF_ERROR(CheckMap(c, 2, "weights", options, images));
    TF_RETURN_IF_ERROR(CheckMap(c, 3, "mask", options, images));
    loss = LossShapeOf(c, options, images);
    return absl::OkStatus();
  }
};

Status LossShape(InferenceContext* c) {
  LossShapes shapes;
  TF_RETURN_IF_ERROR(shapes.Check(c));
  c->set_output(0, shapes.loss);
  return absl::OkStatus();
}

Status LossMemoShape(InferenceContext* c) {
  LossShapes shapes;
  TF_RETURN_IF_ERROR(shapes.Check(c));
  TF_RETURN_IF_ERROR(CheckLossLike(c, 4, "expected", shapes.loss));
  c->set_output(0, shapes.loss);
  c->set_output(1, shapes.images);
  return absl::OkStatus();
}

Status LossGradShape(InferenceContext* c) {
  LossShapes shapes;
  TF_RETURN_IF_ERROR(shapes.Check(c));
  const ShapeHandle memo = c->input(4);
  ShapeHandle merged;
  if (c->RankKnown(memo) && !IsAbsent(c, 4) && !c->Merge(memo, shapes.images, &merged).ok()) {
    return InvalidArgument("memo must be empty or have the shape of y_pred, ",
                           c->DebugString(shapes.images), ", got ", c->DebugString(memo));
  }
  TF_RETURN_IF_ERROR(CheckLossLike(c, 5, "expected", shapes.loss));
  TF_RETURN_IF_ERROR(CheckLossLike(c, 6, "upstream", shapes.loss));
  c->set_output(0, shapes.images);
  return absl::OkStatus();
}

Status LossGradGradShape(InferenceContext* c) {
  LossShapes shapes;
  TF_RETURN_IF_ERROR(shapes.Check(c));
  ShapeHandle vector;
  if (!c->Merge(c->input(4), shapes.images, &vector).ok()) {
    return InvalidArgument("vector must have the shape of y_pred, ", c->DebugString(shapes.images),
                           ", got ", c->DebugString(c->input(4)));
  }
  TF_RETURN_IF_ERROR(CheckLossLike(c, 5, "upstream", shapes.loss));
  bool wants_true;
  TF_RETURN_IF_ERROR(c->GetAttr("wants_true", &wants_true));
  c->set_output(0, wants_true ? shapes.images : c->Vector(0));
  c->set_output(1, shapes.images);
  c->set_output(2, shapes.loss);
  return absl::OkStatus();
}

Status LossCountsShape(InferenceContext* c) {
  LossShapes shapes;
  TF_RETURN_IF_ERROR(shapes.Check(c));
  c->set_output(0, c->Matrix(c->Dim(shapes.images, 0), ResidualsOf(shapes.options.response)));
  return absl::OkStatus();
}

#define GRADOPS_LOSS_INPUTS \
  .Input("y_true: T").Input("y_pred: T").Input("weights: Tloss").Input("mask: bool")
#define GRADOPS_LOSS_ATTRS                    \
  .Attr("T: {half, bfloat16, float, double}") \
      .Attr("Tloss: {float, double}")         \
      .Attr(OptionAttr("stencil"))            \
      .Attr(OptionAttr("border"))             \
      .Attr(OptionAttr("scale"))              \
      .Attr(OptionAttr("penalty"))            \
      .Attr("penalty_parameter: string = ''") \
      .Attr(OptionAttr("response"))           \
      .Attr("response_epsilon: string = ''")  \
      .Attr(OptionAttr("normalizer"))         \
      .Attr("scale_weights: string = ''")     \
      .Attr("pixel_weight: string = ''")      \
      .Attr(OptionAttr("downsample"))         \
      .Attr(OptionAttr("data_format"))
#define GRADOPS_LOSS_DOCS                                                                         \
  "y_true: Target images [B, H, W, C], or a vector of no numbers for images of zeros.\n"          \
  "y_pred: Predicted images, same shape.\n"                                                       \
  "weights: Of the residuals, by pixel [B, H, W, 1] or [B, H, W, C]; a vector of no numbers for " \
  "none.\n"                                                                                       \
  "mask: Which pixels are valid, in the same shapes; a vector of no numbers for all.\n"           \
  "Tloss: double for double images, else float.\n"                                                \
  "stencil: The derivative filter.\n"                                                             \
  "border: What the stencil sees outside the image.\n"                                            \
  "scale: Taps as they are, or divided so that a unit ramp has gradient 1.\n"                     \
  "penalty: rho, applied to each residual.\n"                                                     \
  "penalty_parameter: Its number, as decimal text; empty for the default.\n"                      \
  "response: What is compared.\n"                                                                 \
  "response_epsilon: Its number, as decimal text; empty for the default.\n"                       \
  "normalizer: What the sum is divided by; none keeps the sums by axis.\n"                        \
  "scale_weights: Of the levels of a loss over several scales, as decimal texts with commas; "    \
  "empty for one level.\n"                                                                        \
  "pixel_weight: Of the mean of |y_pred - y_true|, which is added; empty for 0.\n"                \
  "downsample: How a level is made of the one before.\n"                                          \
  "data_format: Where the channels are.\n"

REGISTER_OP("Gradops>Loss")
GRADOPS_LOSS_INPUTS.Output("loss: Tloss") GRADOPS_LOSS_ATTRS.SetShapeFn(LossShape).Doc(R"doc(
loss_b = sum of w penalty(residual) over the counted residuals of example b / D_b, where the residuals
compare the stencils of y_pred and y_true and D_b is what the normalizer says. For inference and
evaluation, two reads of memory. Its gradient recomputes; see Gradops>LossMemo for training.

loss: One value per example [B], or one per example and axis for normalizer none.
)doc" GRADOPS_LOSS_DOCS);

REGISTER_OP("Gradops>LossMemo")
GRADOPS_LOSS_INPUTS.Input("expected: Tloss")
    .Output("loss: Tloss")
    .Output("memo: T") GRADOPS_LOSS_ATTRS.SetShapeFn(LossMemoShape)
    .Doc(R"doc(
Gradops>Loss that also keeps memo_b = expected_b * d loss_b / d y_pred, found in the same sweep, so two
reads and one write of memory for a whole training step.

expected: The upstream gradient that the caller foresees, a scalar or of the shape of loss.
loss: As that of Gradops>Loss.
memo: Same shape as y_pred.
)doc" GRADOPS_LOSS_DOCS);

REGISTER_OP("Gradops>LossGrad")
GRADOPS_LOSS_INPUTS.Input("memo: T")
    .Input("expected: Tloss")
    .Input("upstream: Tloss")
    .Output("gradient: T") GRADOPS_LOSS_ATTRS.SetShapeFn(LossGradShape)
    .Doc(R"doc(
gradient_b = upstream_b * d loss_b / d y_pred. A memo changes how fast the gradient is found and
never what it means. Where upstream_b equals expected_b the gradient is the memo itself.

memo: Output of Gradops>LossMemo for the same images and options, or a vector of no numbers.
expected: What that op was given; unused without a memo.
upstream: The gradient that arrives at loss, a scalar or of its shape.
gradient: Same shape as y_pred.
)doc" GRADOPS_LOSS_DOCS);

REGISTER_OP("Gradops>LossGradGrad")
GRADOPS_LOSS_INPUTS.Input("vector: T")
    .Input("upstream: Tloss")
    .Output("by_true: T")
    .Output("by_pred: T")
    .Output("by_upstream: Tloss")
    .Attr("wants_true: bool") GRADOPS_LOSS_ATTRS.SetShapeFn(LossGradGradShape)
    .Doc(R"doc(
The derivatives of the sum over b of the products of vector_b and upstream_b * d loss_b / d y_pred.

vector: Same shape as y_pred.
upstream: A scalar or of the shape of loss.
by_true: By y_true, or a vector of no numbers unless wants_true.
by_pred: By y_pred, the Hessian-vector product.
by_upstream: The product of vector_b and d loss_b / d y_pred, of the shape of loss.
wants_true: Whether by_true is computed.
)doc" GRADOPS_LOSS_DOCS);

REGISTER_OP("Gradops>LossCounts")
GRADOPS_LOSS_INPUTS.Output("counts: Tloss") GRADOPS_LOSS_ATTRS.SetShapeFn(LossCountsShape)
    .Doc(R"doc(
The sums of the weights of the counted residuals, by example and axis. Looks at the shape of y_pred,
weights and mask only.

counts: [B, 2] for down the rows and along the columns, [B, 1] for a joint response.
)doc" GRADOPS_LOSS_DOCS);

}  // namespace
}  // namespace gradops::tf_ops
