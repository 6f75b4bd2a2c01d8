// The kernel of all ops on both devices: check, allocate, launch.

#include <string>
#include <vector>

#include "bindings/tf/attributes.h"
#include "bindings/tf/devices.h"
#include "bindings/tf/op_names.h"
#include "cpu/launch/cpu_target.h"
#include "op/check.h"

namespace gradops::tf_ops {
namespace {

Buffer BufferOf(const Tensor& tensor) {
  const auto sizes = tensor.shape().dim_sizes();
  return {tensor.data(), {sizes.begin(), sizes.end()}};
}

template <class Device>
class Kernel : public OpKernel {
 public:
  explicit Kernel(OpKernelConstruction* context)
      : OpKernel(context), op_(OpOf(context->def().op())) {
    OP_REQUIRES_OK(context, ReadAttributes(op_, context, &options_));
    OP_REQUIRES_OK(context, FromMessage(CheckCpuTarget()));
    for (const Argument& output : op_.outputs) {
      bool is_wanted = true;
      if (*output.wanted_by != '\0') {
        OP_REQUIRES_OK(context, context->GetAttr(output.wanted_by, &is_wanted));
      }
      is_wanted_.push_back(is_wanted);
    }
    OP_REQUIRES_OK(context, Device::Check());
  }

  void Compute(OpKernelContext* context) override {
    const auto images = static_cast<int>(op_.ImagesInput());
    OpCall call{&op_, DtypeOf(context->input_dtype(images)), options_};
    call.inputs.reserve(op_.inputs.size());
    call.outputs.reserve(op_.outputs.size());
    for (int i = 0; i < context->num_inputs(); ++i) {
      call.inputs.push_back(BufferOf(context->input(i)));
    }
    OP_REQUIRES_OK(context, FromMessage(CheckShapes(call)));
    Device device(context);
    int passed_on = 0;
    for (int i = 0; i < context->num_outputs(); ++i) {
      call.outputs.emplace_back();
      const char* const input = PassedOn(op_.outputs[i], call);
      if (*input != '\0') {
        context->set_output(i, context->input(InputOf(input)));
        ++passed_on;
      } else {
        OP_REQUIRES_OK(context, Allocate(context, i, &call));
      }
    }
    if (passed_on == context->num_outputs()) return;
    OP_REQUIRES_OK(context, FromMessage(device.Launch(call)));
  }

 private:
  int InputOf(const char* name) const { return static_cast<int>(op_.IndexOf(op_.inputs, name)); }
  /// The input that is passed on as this output, or "": a memo that is the gradient, or what stands
  /// in for a memo that nobody will use.
  const char* PassedOn(const Argument& output, const OpCall& call) const {
    if (!Device::kIsHost) return "";
    if (*output.stand_in != '\0' && ExpectsNothing(call)) return output.stand_in;
    if (*output.reuses == '\0') return "";
    const Buffer& memo = call.inputs[InputOf(output.reuses)];
    return memo.IsGiven() && (!memo.HasElements() || MemoIsGradient(call)) ? output.reuses : "";
  }
  Status Allocate(OpKernelContext* context, int i, OpCall* call) const {
    const Argument& output = op_.outputs[i];
    if (output.is_optional && is_wanted_[i] && !context->output_required(i)) {
      return absl::OkStatus();
    }
    const Sizes sizes = is_wanted_[i] ? OutputSizes(output, *call) : Sizes{0};
    TensorShape shape;
    TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape(sizes, &shape));
    Tensor* tensor;
    if (*output.reuses != '\0' && call->inputs[InputOf(output.reuses)].IsGiven()) {
      TF_RETURN_IF_ERROR(
          context->forward_input_or_allocate_output({InputOf(output.reuses)}, i, shape, &tensor));
    } else {
      TF_RETURN_IF_ERROR(context->allocate_output(i, shape, &tensor));
    }
    call->outputs[i] = {tensor->data(), sizes};
    return absl::OkStatus();
  }

  const Op& op_;
  LossOptions options_;
  std::vector<bool> is_wanted_;
};

template <class Device>
void RegisterKernels() {
  for (const Op& op : Ops()) {
    if (op.is_roofline) continue;
    const ::tensorflow::KernelDef* const definition =
        ::tensorflow::register_kernel::Name(NameOf(op).c_str()).Device(Device::kName).Build();
    ::tensorflow::kernel_factory::OpKernelRegistrar(
        definition, "gradops::Kernel",
        [](OpKernelConstruction* context) -> OpKernel* { return new Kernel<Device>(context); });
  }
}

const bool kAreRegistered = [] {
  RegisterKernels<Cpu>();
#ifdef GRADOPS_CUDA
  RegisterKernels<Gpu>();
#endif
  return true;
}();

}  // namespace
}  // namespace gradops::tf_ops

// What this library was built for, in a form that Python finds in the file before it loads it
// (gradops/_adapters.py).
extern "C" __attribute__((visibility("default"))) const char gradops_build_marker[];
const char gradops_build_marker[] = "gradops-built-for-tensorflow:" GRADOPS_TF_BUILD_VERSION ";";
