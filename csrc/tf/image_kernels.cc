// CPU kernels of the image ops: check, allocate, fill in the parameters, launch.

#include "tf/op_inputs.h"

namespace gradops::tf_ops {
namespace {

template <class S>
class ImageGradientsOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& images = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(images, "images", options_, &shape));
    TensorShape output_shape = images.shape();
    output_shape.AddDim(2);
    Tensor* gradients;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape, &gradients));
    LaunchImageGradients<S>(MakeParams(shape, options_), ImageData<S>(images),
                            FreshData<S>(gradients), IntraOpParallelFor(context));
  }
};

template <class S>
class ImageGradientsAdjointOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& upstream = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(upstream, "upstream", options_, &shape, 1));
    OP_REQUIRES(context, upstream.dim_size(4) == 2,
                InvalidArgument("upstream must have 2 components in its last axis, got shape ",
                                upstream.shape().DebugString()));
    TensorShape output_shape = upstream.shape();
    output_shape.RemoveDim(4);
    Tensor* images;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape, &images));
    LaunchImageGradientsAdjoint<S>(MakeParams(shape, options_), ImageData<S>(upstream),
                                   FreshData<S>(images), IntraOpParallelFor(context));
  }
};

template <class S>
class GradientMagnitudeOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& images = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(images, "images", options_, &shape));
    Tensor* magnitudes;
    OP_REQUIRES_OK(context, context->allocate_output(0, images.shape(), &magnitudes));
    LaunchGradientMagnitude<S>(MagnitudeParams(shape, options_), ImageData<S>(images),
                               FreshData<S>(magnitudes), IntraOpParallelFor(context));
  }
};

template <class S>
class GradientMagnitudeGradOp : public GradopsKernel {
 public:
  using GradopsKernel::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &images = context->input(0), &upstream = context->input(1);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(images, "images", options_, &shape));
    OP_REQUIRES(
        context, upstream.shape() == images.shape(),
        InvalidArgument("upstream must have the shape of images, ", images.shape().DebugString(),
                        ", got ", upstream.shape().DebugString()));
    Tensor* gradient;
    OP_REQUIRES_OK(context, context->allocate_output(0, images.shape(), &gradient));
    LaunchGradientMagnitudeGradient<S>(MagnitudeParams(shape, options_), ImageData<S>(images),
                                       ImageData<S>(upstream), FreshData<S>(gradient),
                                       IntraOpParallelFor(context));
  }
};

#define GRADOPS_REGISTER_OP(op, S)                                           \
  REGISTER_KERNEL_BUILDER(Name("Gradops>" #op)                               \
                              .Device(::tensorflow::DEVICE_CPU)              \
                              .TypeConstraint<TensorFlowType<S>::Type>("T"), \
                          op##Op<S>);
#define GRADOPS_REGISTER(S)                     \
  GRADOPS_REGISTER_OP(ImageGradients, S)        \
  GRADOPS_REGISTER_OP(ImageGradientsAdjoint, S) \
  GRADOPS_REGISTER_OP(GradientMagnitude, S)     \
  GRADOPS_REGISTER_OP(GradientMagnitudeGrad, S)
GRADOPS_FOR_EACH_DTYPE(GRADOPS_REGISTER)
#undef GRADOPS_REGISTER
#undef GRADOPS_REGISTER_OP

}  // namespace
}  // namespace gradops::tf_ops
