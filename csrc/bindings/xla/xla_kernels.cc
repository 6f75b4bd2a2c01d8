// The ops under XLA (tf.function(jit_compile=True)): each becomes a custom call that launches the
// same kernels (xla_handler.cc). One class serves all ops: shapes and checks are those of the op's
// own shape function.

#include <string>
#include <utility>
#include <vector>

// The headers of XLA's clients take half of the time that this file compiles, and XlaOpKernel names
// them without using them. Where TensorFlow guards them otherwise this has no effect.
#define XLA_CLIENT_CLIENT_H_
#define XLA_CLIENT_LOCAL_CLIENT_H_
namespace xla {
class Client;
class LocalClient;
}  // namespace xla

#include "bindings/tf/attributes.h"
#include "bindings/tf/compat.h"
#include "bindings/tf/devices.h"
#include "bindings/tf/op_names.h"
#include "cpu/launch/cpu_target.h"
#include "tensorflow/compiler/tf2xla/shape_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/public/version.h"

#include GRADOPS_XLA_BUILDER_H

namespace gradops::tf_ops {
namespace {

using ::tensorflow::OpRegistrationData;
using ::tensorflow::PartialTensorShape;
using ::tensorflow::TensorShapeToXLAShape;
using ::tensorflow::XlaOpKernelContext;
using ::tensorflow::shape_inference::InferenceContext;
using ::tensorflow::shape_inference::ShapeHandle;

// XLA's own devices.
constexpr const char* kXlaCpu = "XLA_CPU_JIT";
constexpr const char* kXlaGpu = "XLA_GPU_JIT";

/// The op, the dtype of its images and its options, as the text of an MLIR dictionary.
std::string CallAttributes(const Op& op, OpKernelConstruction* context) {
  const Dtype dtype = DtypeOf(context->input_type(static_cast<int>(op.ImagesInput())));
  std::string text =
      absl::StrCat("{", kXlaOp, " = \"", op.name, "\", ", kXlaDtype, " = \"", NameOf(dtype), "\"");
  for (const Option* option : op.Options()) {
    std::string value;
    if (!context->GetAttr(option->name, &value).ok()) continue;
    absl::StrAppend(&text, ", ", option->name, " = \"", value, "\"");
  }
  return text + "}";
}

class XlaCallOp : public ::tensorflow::XlaOpKernel {
 public:
  explicit XlaCallOp(OpKernelConstruction* context)
      : XlaOpKernel(context), op_(OpOf(context->def().op())) {
    OP_REQUIRES(
        context, GRADOPS_XLA_CALLS,
        absl::UnimplementedError(
            "gradops runs under XLA with TensorFlow 2.18 or later, got " GRADOPS_TF_BUILD_VERSION
            ": call it with jit_compile=False"));
    LossOptions options;
    OP_REQUIRES_OK(context, ReadAttributes(op_, context, &options));
    OP_REQUIRES_OK(context, FromMessage(CheckCpuTarget()));
    if (context->device_type().type_string() == kXlaGpu) OP_REQUIRES_OK(context, CheckGpu());
    attributes_ = CallAttributes(op_, context);
  }

  void Compile(XlaOpKernelContext* context) override {
    std::vector<TensorShape> shapes, output_shapes;
    OP_REQUIRES_OK(context, ReadInputShapes(context, &shapes));
    OP_REQUIRES_OK(context, FindOutputShapes(shapes, &output_shapes));
    std::vector<::xla::XlaOp> operands;
    std::vector<::xla::Shape> operand_shapes, results;
    for (int i = 0; i < context->num_inputs(); ++i) {
      operands.push_back(context->Input(i));
      operand_shapes.emplace_back();
      OP_REQUIRES_OK(context, TensorShapeToXLAShape(context->input_type(i), shapes[i],
                                                    &operand_shapes.back()));
    }
    for (int i = 0; i < context->num_outputs(); ++i) {
      results.emplace_back();
      OP_REQUIRES_OK(context, TensorShapeToXLAShape(context->expected_output_dtype(i),
                                                    output_shapes[i], &results.back()));
    }
    const bool is_tuple = results.size() > 1;
    using Alias = std::pair<::xla::ShapeIndex, std::pair<int64_t, ::xla::ShapeIndex>>;
    std::vector<Alias> aliases;
    const char* const reused = op_.outputs[0].reuses;
    if (*reused != '\0') {
      const auto input = static_cast<int64_t>(op_.IndexOf(op_.inputs, reused));
      if (shapes[input] == output_shapes[0]) aliases.push_back({{}, {input, {}}});
    }
    const ::xla::XlaOp call = ::xla::CustomCallWithLayout(
        context->builder(), kXlaCall, operands,
        is_tuple ? ::xla::ShapeUtil::MakeTupleShape(results) : results[0], operand_shapes,
        attributes_, /*has_side_effect=*/false, aliases, /*literal=*/nullptr,
        ::xla::CustomCallSchedule::SCHEDULE_NONE,
        ::xla::CustomCallApiVersion::API_VERSION_TYPED_FFI);
    for (int i = 0; i < context->num_outputs(); ++i) {
      context->SetOutput(i, is_tuple ? ::xla::GetTupleElement(call, i) : call);
    }
  }

 private:
  /// The shapes of arrays whose sizes are known now, as the custom call needs them.
  Status ReadInputShapes(XlaOpKernelContext* context, std::vector<TensorShape>* shapes) const {
    for (int i = 0; i < context->num_inputs(); ++i) {
      TF_ASSIGN_OR_RETURN(const ::xla::Shape shape, context->InputXlaShape(i));
      if (!shape.is_static()) {
        return absl::InvalidArgumentError(
            absl::StrCat("gradops needs sizes that XLA knows when it compiles, got ",
                         shape.ToString(), " for input ", i, " of ", def().op()));
      }
      shapes->emplace_back();
      TF_RETURN_IF_ERROR(::tensorflow::XLAShapeToTensorShape(shape, &shapes->back()));
    }
    return absl::OkStatus();
  }

  /// Those that the op's shape function gives.
  Status FindOutputShapes(const std::vector<TensorShape>& input_shapes,
                          std::vector<TensorShape>* shapes) const {
    const OpRegistrationData* op;
    TF_RETURN_IF_ERROR(::tensorflow::OpRegistry::Global()->LookUp(def().op(), &op));
    const std::vector<PartialTensorShape> inputs(input_shapes.begin(), input_shapes.end());
    InferenceContext inference(TF_GRAPH_DEF_VERSION, ::tensorflow::AttrSlice(def()), op->op_def,
                               inputs, {}, {}, {});
    TF_RETURN_IF_ERROR(inference.construction_status());
    TF_RETURN_IF_ERROR(inference.Run(op->shape_inference_fn));
    for (int i = 0; i < inference.num_outputs(); ++i) {
      const ShapeHandle output = inference.output(i);
      TensorShape shape;
      for (int axis = 0; axis < inference.Rank(output); ++axis) {
        shape.AddDim(inference.Value(inference.Dim(output, axis)));
      }
      shapes->push_back(shape);
    }
    return absl::OkStatus();
  }

  const Op& op_;
  std::string attributes_;
};

// As kernels of XLA's own devices: REGISTER_XLA_OP is seen only by a process that loads the library
// before it runs its first graph. On the GPU also without CUDA kernels: to say what is missing.
const bool kAreRegistered = [] {
  for (const Op& op : Ops()) {
    if (op.is_roofline) continue;
    for (const char* device : {kXlaCpu, kXlaGpu}) {
      ::tensorflow::kernel_factory::OpKernelRegistrar(
          ::tensorflow::register_kernel::Name(NameOf(op).c_str()).Device(device).Build(),
          "gradops::XlaCallOp",
          [](OpKernelConstruction* context) -> OpKernel* { return new XlaCallOp(context); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace gradops::tf_ops
