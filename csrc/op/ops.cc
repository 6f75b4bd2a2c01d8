#include <cstdlib>
#include <cstring>

#include "op/op.h"

namespace gradops {
namespace {

constexpr DtypeRule kImage = DtypeRule::kImage, kCompute = DtypeRule::kCompute;

Argument Optional(Argument argument) {
  argument.is_optional = true;
  return argument;
}

Argument OptionalIf(const char* attribute, Argument argument) {
  argument.is_optional = true;
  argument.wanted_by = attribute;
  return argument;
}

Argument Reusing(const char* input, Argument argument) {
  argument.reuses = input;
  return argument;
}

Argument StoodInBy(const char* input, Argument argument) {
  argument.is_optional = true;
  argument.stand_in = input;
  return argument;
}

Argument Images(const char* name, const char* doc) {
  return {name, kImage, ShapeRule::kImages, doc};
}
Argument Gradients(const char* name, const char* doc) {
  return {name, kImage, ShapeRule::kGradients, doc};
}
Argument Losses(const char* name, const char* doc) {
  return {name, kCompute, ShapeRule::kLosses, doc};
}
Argument LikeWeights(const char* name, const char* doc) {
  return {name, kCompute, ShapeRule::kWeights, doc};
}
Argument Counts(const char* name, const char* doc) {
  return {name, kCompute, ShapeRule::kCounts, doc};
}

/// The inputs of a loss op: those that all of them have, and then its own.
std::vector<Argument> LossInputsAnd(std::vector<Argument> others) {
  std::vector<Argument> inputs = {
      Optional(
          Images("y_true", "Target images [B, H, W, C]; an empty tensor for images of zeros.")),
      Images("y_pred", "Predicted images, same shape."),
      Optional({"weights", kCompute, ShapeRule::kMap,
                "Weights of the residuals, [B, H, W, 1] or [B, H, W, C]; an empty tensor for 1."}),
      Optional({"mask", DtypeRule::kBool, ShapeRule::kMap,
                "Which pixels are valid, in the same shapes; an empty tensor for all."}),
  };
  inputs.insert(inputs.end(), others.begin(), others.end());
  return inputs;
}

Op Roofline(const char* name, Argument output, const char* doc) {
  std::vector<Argument> inputs = {Images("a", "Images."), Images("b", "Same shape.")};
  return {name, OptionSet::kImages, inputs, {output}, doc, /*is_roofline=*/true};
}

const Argument kImagesInput = Images("images", "Images [B, H, W, C] or [B, C, H, W].");

}  // namespace

const std::vector<Op>& Ops() {
  static const auto* const ops = new std::vector<Op>{
      {"Loss",
       OptionSet::kLoss,
       LossInputsAnd({}),
       {Losses("loss",
               "One value per example [B], or one per example and axis for normalizer none.")},
       "loss_b = sum of w penalty(residual) over the counted residuals of example b / D_b, where "
       "the residuals compare the stencils of y_pred and y_true and D_b is what the normalizer "
       "says. Takes two reads of memory, for inference and evaluation. Its gradient is computed "
       "from the images again; for training see Gradops>LossMemo."},
      {"LossMemo",
       OptionSet::kLoss,
       LossInputsAnd({Losses("expected",
                             "The upstream gradient that the caller predicts, a scalar or of the "
                             "shape of loss.")}),
       {Losses("loss", "As that of Gradops>Loss."),
        StoodInBy("y_pred", Images("memo",
                                   "Same shape as y_pred. Where there is a site and all "
                                   "of expected is 0: y_pred, or not written."))},
       "Gradops>Loss that also caches the gradient as memo_b = expected_b * d loss_b / d y_pred. "
       "Both are found in one sweep, so a training step takes two reads and one write of memory. "
       "With a site and an expected upstream gradient of 0 only the loss is found."},
      {"LossWeightsMemo",
       OptionSet::kLoss,
       LossInputsAnd({Losses("expected", "As that of Gradops>LossMemo.")}),
       {Losses("loss", "As that of Gradops>Loss."),
        Optional(Images("memo", "Same shape as y_pred.")),
        LikeWeights("weights_memo", "Same shape as weights.")},
       "Gradops>LossMemo that also finds weights_memo_b = expected_b * d loss_b / d weights. (An "
       "op of saved models cannot get another output.)"},
      {"LossGrad",
       OptionSet::kLoss,
       LossInputsAnd({
           Optional(Images("memo",
                           "Output of Gradops>LossMemo for the same images and options, or "
                           "an empty tensor.")),
           Losses("expected", "What that op was given; unused without a memo."),
           Losses("upstream", "The gradient by loss, a scalar or of its shape."),
       }),
       {Reusing("memo", Images("gradient", "Same shape as y_pred."))},
       "gradient_b = upstream_b * d loss_b / d y_pred. A memo makes it faster and does not change "
       "what it is. Where upstream_b equals expected_b, the gradient is the memo itself."},
      {"LossWeightsGrad",
       OptionSet::kLoss,
       LossInputsAnd({
           Optional(LikeWeights(
               "weights_memo",
               "Output of Gradops>LossWeightsMemo for the same inputs and options, or an empty "
               "tensor.")),
           Losses("expected", "What that op was given; unused without a memo."),
           Losses("upstream", "The gradient by loss, a scalar or of its shape."),
       }),
       {Reusing("weights_memo", LikeWeights("by_weights", "Same shape as weights."))},
       "by_weights = the sum over b of upstream_b * d loss_b / d weights, also where a weight is 0 "
       "unless that is NaN or infinite. A memo makes it faster and does not change what it is."},
      {"ExpectedUpstream",
       OptionSet::kLoss,
       {Images("y_pred", "Those of Gradops>LossMemo; only the shape matters."),
        Losses("expected", "As that of Gradops>LossMemo, which the caller predicts.")},
       {Losses("upstream", "What Gradops>LossMemo is to expect, in the shape of its losses.")},
       "The upstream gradient that Gradops>LossGrad last got for this site and as many losses when "
       "its memo had been made for another, unless the time before it had been different. If "
       "nothing is remembered, and on a GPU, what the caller predicts: 0 for no memo."},
      {"LossGradGrad",
       OptionSet::kLoss,
       LossInputsAnd({Images("vector", "Same shape as y_pred."),
                      Losses("upstream", "A scalar or of the shape of loss.")}),
       {OptionalIf("wants_true",
                   Images("by_true", "By y_true, or an empty tensor unless wants_true.")),
        Images("by_pred", "By y_pred, the Hessian-vector product."),
        Losses("by_upstream", "The product of vector_b and d loss_b / d y_pred.")},
       "The derivatives of the sum over b of the products of vector_b and upstream_b * d loss_b / "
       "d y_pred."},
      {"LossWeightsGradGrad",
       OptionSet::kLoss,
       LossInputsAnd({Images("vector", "Same shape as y_pred."),
                      Losses("upstream", "A scalar or of the shape of loss.")}),
       {LikeWeights("by_weights", "Same shape as weights.")},
       "The derivative by weights of the sum over b of the products of vector_b and upstream_b * d "
       "loss_b / d y_pred."},
      {"LossCounts",
       OptionSet::kLoss,
       LossInputsAnd({}),
       {Counts("counts",
               "[B, 2] for down the rows and along the columns, [B, 1] for a joint response.")},
       "The sums of the weights of the counted residuals, by example and axis. Of y_pred only the "
       "shape matters."},
      {"LossCountsGrad",
       OptionSet::kLoss,
       LossInputsAnd({Counts("upstream", "The gradient by counts.")}),
       {LikeWeights("by_weights", "Same shape as weights.")},
       "by_weights = the sum over b and k of upstream_bk * d counts_bk / d weights."},
      {"ImageGradients",
       OptionSet::kImages,
       {kImagesInput},
       {Gradients("gradients", "The shape of images and 2, down the rows and along the columns.")},
       "gradients[..., 0] = S_y images and gradients[..., 1] = S_x images."},
      {"ImageGradientsAdjoint",
       OptionSet::kImages,
       {Gradients("upstream", "The shape of images and 2.")},
       {kImagesInput},
       "images = S_y^T upstream[..., 0] + S_x^T upstream[..., 1], the transpose of "
       "Gradops>ImageGradients. Each of the two ops is the gradient of the other."},
      {"GradientMagnitude",
       OptionSet::kMagnitude,
       {kImagesInput},
       {Images("magnitudes", "Same shape; 0 where border valid counts no gradient.")},
       "magnitudes = sqrt((S_y images)^2 + (S_x images)^2 + response_epsilon)."},
      {"GradientMagnitudeGrad",
       OptionSet::kMagnitude,
       {kImagesInput, Images("upstream", "Same shape.")},
       {Images("gradient", "Same shape.")},
       "gradient = upstream * d magnitudes / d images of Gradops>GradientMagnitude, 0 where a "
       "magnitude is 0."},
      Roofline("Triad", Images("out", "Same shape."),
               "out = a - b: the traffic of loss with gradient, 2 reads and 1 write."),
      Roofline("StreamingTriad", Images("out", "Same shape."),
               "Triad with stores that go past the caches."),
      Roofline("SumAbsoluteDifference",
               {"sums", kCompute, ShapeRule::kSums, "Add up to the sum of |a - b|."},
               "The traffic of a loss alone, 2 reads."),
  };
  return *ops;
}

const Op* FindOp(const std::string& name) {
  for (const Op& op : Ops()) {
    if (op.name == name) return &op;
  }
  return nullptr;
}

size_t Op::ImagesInput() const {
  size_t i = 0;
  while (inputs[i].is_optional) ++i;
  return i;
}

size_t Op::IndexOf(const std::vector<Argument>& arguments, const char* argument) const {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (std::strcmp(arguments[i].name, argument) == 0) return i;
  }
  std::abort();  // a launcher asks for what the table does not have
}

std::vector<const Option*> Op::Options() const {
  std::vector<const Option*> options;
  for (const Option& option : AllOptions()) {
    if (option.set <= option_set) options.push_back(&option);
  }
  return options;
}

}  // namespace gradops
