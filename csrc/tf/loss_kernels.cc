// Kernels of the loss ops: check, allocate, fill in the parameters, launch.

#include "tf/devices.h"

namespace gradops::tf_ops {
namespace {

/// A kernel of inputs y_true, y_pred, weights and mask, on device D and for images of type S.
template <class D, class S>
class LossKernel : public GradopsKernel<D> {
 public:
  using T = ComputeType<S>;
  using GradopsKernel<D>::GradopsKernel;

  void Compute(OpKernelContext* context) final {
    ImageShape shape;
    LossInputs<S> inputs;
    OP_REQUIRES_OK(context, ReadLossInputs(context, this->options_, &shape, &inputs));
    D device(context);
    OP_REQUIRES_OK(context, Run(context, &device, MakeParams(shape, this->options_), inputs));
  }

 protected:
  virtual Status Run(OpKernelContext* context, D* device, const KernelParams& params,
                     const LossInputs<S>& inputs) = 0;
};

template <class D, class S>
class LossOp : public LossKernel<D, S> {
 public:
  using T = ComputeType<S>;
  using LossKernel<D, S>::LossKernel;

 protected:
  Status Run(OpKernelContext* context, D* device, const KernelParams& params,
             const LossInputs<S>& inputs) override {
    Tensor* loss;
    TF_RETURN_IF_ERROR(context->allocate_output(0, LossShapeOf(params), &loss));
    return FromMessage(
        LaunchLoss<S>(params, inputs, loss->flat<T>().data(), {}, nullptr, device->Queue()));
  }
};

template <class D, class S>
class LossMemoOp : public LossKernel<D, S> {
 public:
  using T = ComputeType<S>;
  using LossKernel<D, S>::LossKernel;

 protected:
  Status Run(OpKernelContext* context, D* device, const KernelParams& params,
             const LossInputs<S>& inputs) override {
    PerExample<T> expected;
    TF_RETURN_IF_ERROR(ReadLossLike(context, 4, "expected", params, &expected));
    Tensor *loss, *memo = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, LossShapeOf(params), &loss));
    if (context->output_required(1)) {
      TF_RETURN_IF_ERROR(context->allocate_output(1, context->input(1).shape(), &memo));
    }
    return FromMessage(LaunchLoss<S>(params, inputs, loss->flat<T>().data(), expected,
                                     memo ? device->template Fresh<S>(memo) : nullptr,
                                     device->Queue()));
  }
};

template <class D, class S>
class LossGradOp : public LossKernel<D, S> {
 public:
  using T = ComputeType<S>;
  using LossKernel<D, S>::LossKernel;

 protected:
  Status Run(OpKernelContext* context, D* device, const KernelParams& params,
             const LossInputs<S>& inputs) override {
    PerExample<T> expected, upstream;
    const Tensor &y_pred = context->input(1), &memo = context->input(4);
    const bool has_memo = IsGiven(memo);
    if (has_memo) {
      TF_RETURN_IF_ERROR(ReadLossLike(context, 5, "expected", params, &expected));
      if (memo.shape() != y_pred.shape()) {
        return InvalidArgument("memo must be empty or have the shape of y_pred, ",
                               y_pred.shape().DebugString(), ", got ", memo.shape().DebugString());
      }
    }
    TF_RETURN_IF_ERROR(ReadLossLike(context, 6, "upstream", params, &upstream));
    if constexpr (D::kIsHost) {
      if (has_memo && MemoIsGradient(params.shape.batch, AxesOf(params), expected, upstream)) {
        context->set_output(0, memo);
        return absl::OkStatus();
      }
    }
    Tensor* gradient;
    if (has_memo) {
      TF_RETURN_IF_ERROR(
          context->forward_input_or_allocate_output({4}, 0, y_pred.shape(), &gradient));
    } else {
      TF_RETURN_IF_ERROR(context->allocate_output(0, y_pred.shape(), &gradient));
    }
    return FromMessage(
        LaunchLossGradient<S>(params, inputs, has_memo ? ImageData<S>(memo) : nullptr, expected,
                              upstream, device->template Fresh<S>(gradient), device->Queue()));
  }
};

template <class D, class S>
class LossGradGradOp : public LossKernel<D, S> {
 public:
  using T = ComputeType<S>;

  explicit LossGradGradOp(OpKernelConstruction* context) : LossKernel<D, S>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("wants_true", &wants_true_));
  }

 protected:
  Status Run(OpKernelContext* context, D* device, const KernelParams& params,
             const LossInputs<S>& inputs) override {
    const Tensor &y_pred = context->input(1), &vector = context->input(4);
    if (vector.shape() != y_pred.shape()) {
      return InvalidArgument("vector must have the shape of y_pred, ", y_pred.shape().DebugString(),
                             ", got ", vector.shape().DebugString());
    }
    PerExample<T> upstream;
    TF_RETURN_IF_ERROR(ReadLossLike(context, 5, "upstream", params, &upstream));
    Tensor *by_true, *by_pred, *by_upstream;
    const TensorShape none({0});
    TF_RETURN_IF_ERROR(context->allocate_output(0, wants_true_ ? y_pred.shape() : none, &by_true));
    TF_RETURN_IF_ERROR(context->allocate_output(1, y_pred.shape(), &by_pred));
    TF_RETURN_IF_ERROR(context->allocate_output(2, LossShapeOf(params), &by_upstream));
    return FromMessage(LaunchLossSecond<S>(
        params, inputs, ImageData<S>(vector), upstream, by_upstream->flat<T>().data(),
        device->template Fresh<S>(by_pred),
        wants_true_ ? device->template Fresh<S>(by_true) : nullptr, device->Queue()));
  }

 private:
  bool wants_true_;
};

template <class D, class S>
class LossCountsOp : public LossKernel<D, S> {
 public:
  using T = ComputeType<S>;
  using LossKernel<D, S>::LossKernel;

 protected:
  Status Run(OpKernelContext* context, D* device, const KernelParams& params,
             const LossInputs<S>& inputs) override {
    Tensor* counts;
    const TensorShape shape({params.shape.batch, ResidualsOf(params.response)});
    TF_RETURN_IF_ERROR(context->allocate_output(0, shape, &counts));
    return FromMessage(LaunchCounts<S>(params, inputs, counts->flat<T>().data(), device->Queue()));
  }
};

#define GRADOPS_REGISTER_OP(op, D, S)                                       \
  REGISTER_KERNEL_BUILDER(Name("Gradops>" #op)                              \
                              .Device(D::kName)                             \
                              .TypeConstraint<TensorFlowType<S>::Type>("T") \
                              .TypeConstraint<ComputeType<S>>("Tloss"),     \
                          op##Op<D, S>);
#define GRADOPS_REGISTER_ON(D, S)         \
  GRADOPS_REGISTER_OP(Loss, D, S)         \
  GRADOPS_REGISTER_OP(LossMemo, D, S)     \
  GRADOPS_REGISTER_OP(LossGrad, D, S)     \
  GRADOPS_REGISTER_OP(LossGradGrad, D, S) \
  GRADOPS_REGISTER_OP(LossCounts, D, S)
#define GRADOPS_REGISTER(S) GRADOPS_FOR_EACH_DEVICE(GRADOPS_REGISTER_ON, S)
GRADOPS_FOR_EACH_DTYPE(GRADOPS_REGISTER)
#undef GRADOPS_REGISTER
#undef GRADOPS_REGISTER_ON
#undef GRADOPS_REGISTER_OP

}  // namespace
}  // namespace gradops::tf_ops

// What this library was built for, in a form that Python finds in the file before it loads it
// (gradops/_library.py).
extern "C" __attribute__((visibility("default"))) const char gradops_build_marker[];
const char gradops_build_marker[] = "gradops-built-for-tensorflow:" GRADOPS_TF_BUILD_VERSION ";";
