// CPU kernels of the ops: check, allocate, fill in the parameters, launch.

#include "tf/op_inputs.h"

namespace gradops::tf_ops {
namespace {

using ::tensorflow::DEVICE_CPU;
using ::tensorflow::OpKernel;
using ::tensorflow::TensorShape;

class GradopsKernel : public OpKernel {
 public:
  explicit GradopsKernel(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, ReadOptions(context, &options_));
  }

 protected:
  LossOptions options_;
};

template <class T>
class LossOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImagePair(context, options_.border, &shape));
    Tensor* loss;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({shape.batch}), &loss));
    LaunchLoss<T>(MakeParams(shape, options_), context->input(0).flat<T>().data(),
                  context->input(1).flat<T>().data(), loss->flat<LossType<T>>().data(), {}, nullptr,
                  IntraOpParallelFor(context));
  }
};

template <class T>
class LossMemoOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    ImageShape shape;
    PerExample<LossType<T>> expected;
    OP_REQUIRES_OK(context, ReadImagePair(context, options_.border, &shape));
    OP_REQUIRES_OK(context, ReadPerExample(context, 2, "expected", shape.batch, &expected));
    Tensor *loss, *memo = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({shape.batch}), &loss));
    if (context->output_required(1)) {
      OP_REQUIRES_OK(context, context->allocate_output(1, context->input(1).shape(), &memo));
    }
    LaunchLoss<T>(MakeParams(shape, options_), context->input(0).flat<T>().data(),
                  context->input(1).flat<T>().data(), loss->flat<LossType<T>>().data(), expected,
                  memo ? FreshData<T>(memo) : nullptr, IntraOpParallelFor(context));
  }
};

template <class T>
class LossGradOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    ImageShape shape;
    PerExample<LossType<T>> expected, upstream;
    OP_REQUIRES_OK(context, ReadImagePair(context, options_.border, &shape));
    OP_REQUIRES_OK(context, ReadPerExample(context, 3, "expected", shape.batch, &expected));
    OP_REQUIRES_OK(context, ReadPerExample(context, 4, "upstream", shape.batch, &upstream));
    const Tensor &y_pred = context->input(1), &memo = context->input(2);
    const bool has_memo = memo.shape() == y_pred.shape();
    OP_REQUIRES(
        context, has_memo || memo.NumElements() == 0,
        InvalidArgument("memo must be empty or have the shape of y_pred, ",
                        y_pred.shape().DebugString(), ", got ", memo.shape().DebugString()));
    if (has_memo && MemoIsGradient(shape.batch, expected, upstream)) {
      context->set_output(0, memo);
      return;
    }
    Tensor* gradient;
    if (has_memo) {
      OP_REQUIRES_OK(context,
                     context->forward_input_or_allocate_output({2}, 0, y_pred.shape(), &gradient));
    } else {
      OP_REQUIRES_OK(context, context->allocate_output(0, y_pred.shape(), &gradient));
    }
    LaunchLossGradient<T>(MakeParams(shape, options_), context->input(0).flat<T>().data(),
                          y_pred.flat<T>().data(), has_memo ? memo.flat<T>().data() : nullptr,
                          expected, upstream, FreshData<T>(gradient), IntraOpParallelFor(context));
  }
};

template <class T>
class ImageGradientsOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& images = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context,
                   ReadImageShape(images, "images", 4, "[B, H, W, C]", options_.border, &shape));
    TensorShape output_shape = images.shape();
    output_shape.AddDim(2);
    Tensor* gradients;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape, &gradients));
    LaunchImageGradients<T>(MakeParams(shape, options_), images.flat<T>().data(),
                            FreshData<T>(gradients), IntraOpParallelFor(context));
  }
};

template <class T>
class ImageGradientsAdjointOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& upstream = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(upstream, "upstream", 5, "[B, H, W, C, 2]",
                                           options_.border, &shape));
    OP_REQUIRES(context, upstream.dim_size(4) == 2,
                InvalidArgument("upstream must have 2 components in its last axis, got shape ",
                                upstream.shape().DebugString()));
    TensorShape output_shape = upstream.shape();
    output_shape.RemoveDim(4);
    Tensor* images;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape, &images));
    LaunchImageGradientsAdjoint<T>(MakeParams(shape, options_), upstream.flat<T>().data(),
                                   FreshData<T>(images), IntraOpParallelFor(context));
  }
};

#define GRADOPS_REGISTER(T)                                                            \
  REGISTER_KERNEL_BUILDER(Name("Gradops>Loss")                                         \
                              .Device(DEVICE_CPU)                                      \
                              .TypeConstraint<T>("T")                                  \
                              .TypeConstraint<LossType<T>>("Tloss"),                   \
                          LossOp<T>);                                                  \
  REGISTER_KERNEL_BUILDER(Name("Gradops>LossMemo")                                     \
                              .Device(DEVICE_CPU)                                      \
                              .TypeConstraint<T>("T")                                  \
                              .TypeConstraint<LossType<T>>("Tloss"),                   \
                          LossMemoOp<T>);                                              \
  REGISTER_KERNEL_BUILDER(Name("Gradops>LossGrad")                                     \
                              .Device(DEVICE_CPU)                                      \
                              .TypeConstraint<T>("T")                                  \
                              .TypeConstraint<LossType<T>>("Tloss"),                   \
                          LossGradOp<T>);                                              \
  REGISTER_KERNEL_BUILDER(                                                             \
      Name("Gradops>ImageGradients").Device(DEVICE_CPU).TypeConstraint<T>("T"),        \
      ImageGradientsOp<T>);                                                            \
  REGISTER_KERNEL_BUILDER(                                                             \
      Name("Gradops>ImageGradientsAdjoint").Device(DEVICE_CPU).TypeConstraint<T>("T"), \
      ImageGradientsAdjointOp<T>);
GRADOPS_REGISTER(float)
GRADOPS_REGISTER(double)
#undef GRADOPS_REGISTER

}  // namespace
}  // namespace gradops::tf_ops

// What this library was built for, in a form that Python finds in the file before it loads it
// (gradops/_library.py).
extern "C" __attribute__((visibility("default"))) const char gradops_build_marker[];
const char gradops_build_marker[] = "gradops-built-for-tensorflow:" GRADOPS_TF_BUILD_VERSION ";";
