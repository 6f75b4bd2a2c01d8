// Registers the ops of the table: names, attributes, shape functions and documentation.

#include <string>
#include <vector>

#include "bindings/tf/attributes.h"
#include "bindings/tf/op_names.h"
#include "op/check.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace gradops::tf_ops {
namespace {

using ::absl::Status;
using ::tensorflow::shape_inference::DimensionHandle;
using ::tensorflow::shape_inference::InferenceContext;
using ::tensorflow::shape_inference::ShapeHandle;

KnownShape KnownShapeOf(InferenceContext* c, int input) {
  const ShapeHandle shape = c->input(input);
  if (!c->RankKnown(shape)) return {};
  Sizes sizes;
  for (int i = 0; i < c->Rank(shape); ++i) sizes.push_back(c->Value(c->Dim(shape, i)));
  return sizes;
}

/// What is known of the shape of the images, from all inputs that have it.
Status ImagesOf(const Op& op, const std::vector<KnownShape>& shapes, InferenceContext* c,
                ShapeHandle* images) {
  *images = c->UnknownShapeOfRank(4);
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const bool are_gradients = op.inputs[i].shape == ShapeRule::kGradients;
    ShapeHandle shape = c->input(static_cast<int>(i));
    if (!(are_gradients || op.inputs[i].shape == ShapeRule::kImages) || !shapes[i] ||
        (op.inputs[i].is_optional && shapes[i]->size() == 1)) {
      continue;
    }
    if (are_gradients) TF_RETURN_IF_ERROR(c->Subshape(shape, 0, 4, &shape));
    TF_RETURN_IF_ERROR(c->Merge(shape, *images, images));
  }
  return absl::OkStatus();
}

Status SetOutput(const Op& op, const LossOptions& options, ShapeHandle images, int index,
                 InferenceContext* c) {
  const Argument& output = op.outputs[index];
  const DimensionHandle batch = c->Dim(images, 0);
  const ShapeHandle by_axis = c->Matrix(batch, ResidualsOf(options.response));
  ShapeHandle shape = images;
  bool is_wanted = true;
  if (*output.wanted_by != '\0') TF_RETURN_IF_ERROR(c->GetAttr(output.wanted_by, &is_wanted));
  if (!is_wanted) {
    shape = c->Vector(0);
  } else if (output.shape == ShapeRule::kWeights) {
    shape = c->input(static_cast<int>(op.IndexOf(op.inputs, "weights")));
  } else if (output.shape == ShapeRule::kGradients) {
    TF_RETURN_IF_ERROR(c->Concatenate(images, c->Vector(2), &shape));
  } else if (output.shape == ShapeRule::kCounts) {
    shape = by_axis;
  } else if (output.shape == ShapeRule::kLosses) {
    shape = options.normalizer == NormalizerId::kNone ? by_axis : c->Vector(batch);
  }
  c->set_output(index, shape);
  return absl::OkStatus();
}

Status InferShapes(const Op& op, InferenceContext* c) {
  LossOptions options;
  TF_RETURN_IF_ERROR(ReadAttributes(op, c, &options));
  std::vector<KnownShape> shapes;
  for (int i = 0; i < c->num_inputs(); ++i) shapes.push_back(KnownShapeOf(c, i));
  TF_RETURN_IF_ERROR(FromMessage(CheckShapes(op, options, shapes)));
  ShapeHandle images;
  TF_RETURN_IF_ERROR(ImagesOf(op, shapes, c, &images));
  for (int i = 0; i < c->num_outputs(); ++i) {
    TF_RETURN_IF_ERROR(SetOutput(op, options, images, i, c));
  }
  return absl::OkStatus();
}

std::string Spec(const Argument& argument) {
  const char* const type = argument.dtype == DtypeRule::kBool      ? "bool"
                           : argument.dtype == DtypeRule::kCompute ? "Tloss"
                                                                   : "T";
  return std::string(argument.name) + ": " + type;
}

/// The attribute for an option: its choices and its default.
std::string Spec(const Option& option) {
  if (option.choices.empty()) return option.name + ": string = ''";
  std::string choices;
  for (const std::string& name : option.choices) {
    choices += (choices.empty() ? "'" : ", '") + name + "'";
  }
  return option.name + ": {" + choices + "} = '" + option.choices[0] + "'";
}

bool RegisterOps() {
  for (const Op& op : Ops()) {
    if (op.is_roofline) continue;
    ::tensorflow::register_op::OpDefBuilderWrapper builder(NameOf(op).c_str());
    builder.Attr(DtypeAttr());
    if (op.option_set == OptionSet::kLoss) builder.Attr(kComputeAttr);
    std::string doc = std::string(op.doc) + "\n\n";
    const auto describe = [&doc](const std::string& name, const std::string& text) {
      doc += name + ": " + text + "\n";
    };
    for (const Argument& input : op.inputs) {
      builder.Input(Spec(input));
      describe(input.name, input.doc);
    }
    for (const Argument& output : op.outputs) {
      builder.Output(Spec(output));
      describe(output.name, output.doc);
      if (*output.wanted_by == '\0') continue;
      builder.Attr(std::string(output.wanted_by) + ": bool");
      describe(output.wanted_by, std::string("Whether ") + output.name + " is computed.");
    }
    for (const Option* option : op.Options()) {
      builder.Attr(Spec(*option));
      describe(option->name, option->doc);
    }
    builder.SetShapeFn([&op](InferenceContext* c) { return InferShapes(op, c); });
    builder.Doc(doc);
    builder();
  }
  return true;
}

const bool kAreRegistered = RegisterOps();

}  // namespace
}  // namespace gradops::tf_ops
