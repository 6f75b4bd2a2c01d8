// Kernels of the image ops: check, allocate, fill in the parameters, launch.

#include "tf/devices.h"

namespace gradops::tf_ops {
namespace {

template <class D, class S>
class ImageGradientsOp : public GradopsKernel<D> {
 public:
  using GradopsKernel<D>::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& images = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(images, "images", this->options_, &shape));
    TensorShape output_shape = images.shape();
    output_shape.AddDim(2);
    Tensor* gradients;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape, &gradients));
    D device(context);
    OP_REQUIRES_OK(context, FromMessage(LaunchImageGradients<S>(
                                MakeParams(shape, this->options_), ImageData<S>(images),
                                device.template Fresh<S>(gradients), device.Queue())));
  }
};

template <class D, class S>
class ImageGradientsAdjointOp : public GradopsKernel<D> {
 public:
  using GradopsKernel<D>::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& upstream = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(upstream, "upstream", this->options_, &shape, 1));
    OP_REQUIRES(context, upstream.dim_size(4) == 2,
                InvalidArgument("upstream must have 2 components in its last axis, got shape ",
                                upstream.shape().DebugString()));
    TensorShape output_shape = upstream.shape();
    output_shape.RemoveDim(4);
    Tensor* images;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape, &images));
    D device(context);
    OP_REQUIRES_OK(context, FromMessage(LaunchImageGradientsAdjoint<S>(
                                MakeParams(shape, this->options_), ImageData<S>(upstream),
                                device.template Fresh<S>(images), device.Queue())));
  }
};

template <class D, class S>
class GradientMagnitudeOp : public GradopsKernel<D> {
 public:
  using GradopsKernel<D>::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& images = context->input(0);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(images, "images", this->options_, &shape));
    Tensor* magnitudes;
    OP_REQUIRES_OK(context, context->allocate_output(0, images.shape(), &magnitudes));
    D device(context);
    OP_REQUIRES_OK(context, FromMessage(LaunchGradientMagnitude<S>(
                                MagnitudeParams(shape, this->options_), ImageData<S>(images),
                                device.template Fresh<S>(magnitudes), device.Queue())));
  }
};

template <class D, class S>
class GradientMagnitudeGradOp : public GradopsKernel<D> {
 public:
  using GradopsKernel<D>::GradopsKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &images = context->input(0), &upstream = context->input(1);
    ImageShape shape;
    OP_REQUIRES_OK(context, ReadImageShape(images, "images", this->options_, &shape));
    OP_REQUIRES(
        context, upstream.shape() == images.shape(),
        InvalidArgument("upstream must have the shape of images, ", images.shape().DebugString(),
                        ", got ", upstream.shape().DebugString()));
    Tensor* gradient;
    OP_REQUIRES_OK(context, context->allocate_output(0, images.shape(), &gradient));
    D device(context);
    OP_REQUIRES_OK(
        context, FromMessage(LaunchGradientMagnitudeGradient<S>(
                     MagnitudeParams(shape, this->options_), ImageData<S>(images),
                     ImageData<S>(upstream), device.template Fresh<S>(gradient), device.Queue())));
  }
};

#define GRADOPS_REGISTER_OP(op, D, S)                                                     \
  REGISTER_KERNEL_BUILDER(                                                                \
      Name("Gradops>" #op).Device(D::kName).TypeConstraint<TensorFlowType<S>::Type>("T"), \
      op##Op<D, S>);
#define GRADOPS_REGISTER_ON(D, S)                  \
  GRADOPS_REGISTER_OP(ImageGradients, D, S)        \
  GRADOPS_REGISTER_OP(ImageGradientsAdjoint, D, S) \
  GRADOPS_REGISTER_OP(GradientMagnitude, D, S)     \
  GRADOPS_REGISTER_OP(GradientMagnitudeGrad, D, S)
#define GRADOPS_REGISTER(S) GRADOPS_FOR_EACH_DEVICE(GRADOPS_REGISTER_ON, S)
GRADOPS_FOR_EACH_DTYPE(GRADOPS_REGISTER)
#undef GRADOPS_REGISTER
#undef GRADOPS_REGISTER_ON
#undef GRADOPS_REGISTER_OP

}  // namespace
}  // namespace gradops::tf_ops
