#ifndef GRADOPS_TF_OP_INPUTS_H_
#define GRADOPS_TF_OP_INPUTS_H_

#include <string>
#include <vector>

#include "core/cpu_target.h"
#include "core/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/shapes.h"

// What every kernel does before it launches: read the options, check the inputs at run time (shapes
// may have been unknown when the graph was built).

namespace gradops::tf_ops {

using ::tensorflow::OpKernel;
using ::tensorflow::OpKernelConstruction;
using ::tensorflow::OpKernelContext;
using ::tensorflow::Tensor;
using ::tensorflow::TensorShape;

/// TensorFlow's name for the dtype of images of type S.
template <class S>
struct TensorFlowType {
  using Type = S;
};
template <>
struct TensorFlowType<math::Half> {
  using Type = ::Eigen::half;
};
template <>
struct TensorFlowType<math::BFloat16> {
  using Type = ::tensorflow::bfloat16;
};

template <class S>
const S* ImageData(const Tensor& tensor) {
  using Type = typename TensorFlowType<S>::Type;
  static_assert(sizeof(Type) == sizeof(S), "the same bits");
  return reinterpret_cast<const S*>(tensor.flat<Type>().data());
}

template <class S>
S* MutableImageData(Tensor* tensor) {
  return const_cast<S*>(ImageData<S>(*tensor));
}

/// Reads the options that the op has as attributes.
inline Status ReadOptions(OpKernelConstruction* context, LossOptions* options) {
  TF_RETURN_IF_ERROR(ReadOptionAttrs(
      [context](const std::string& name, std::string* text) {
        return context->HasAttr(name) && context->GetAttr(name, text).ok();
      },
      options));
  TF_RETURN_IF_ERROR(FromMessage(CheckOptions(*options)));
  return FromMessage(CheckCpuTarget());
}

/// The sizes of the first four axes of images.
inline std::vector<int64_t> SizesOf(const Tensor& tensor) {
  std::vector<int64_t> sizes;
  for (int i = 0; i < 4; ++i) sizes.push_back(tensor.dim_size(i));
  return sizes;
}

/// The shape of images, with `extra_axes` more axes than four.
inline Status ReadImageShape(const Tensor& tensor, const char* argument, const LossOptions& options,
                             ImageShape* shape, int extra_axes = 0) {
  if (tensor.dims() != 4 + extra_axes) {
    return InvalidArgument(argument, " must have rank ", 4 + extra_axes, " ", LayoutOf(options),
                           extra_axes > 0 ? " and 2" : "", ", got shape ",
                           tensor.shape().DebugString());
  }
  *shape = MakeShape(SizesOf(tensor).data(), options.data_format);
  return FromMessage(CheckImageSize(argument, shape->height, shape->width, options));
}

/// Whether an optional input is given: a vector of no numbers stands for none.
inline bool IsGiven(const Tensor& tensor) {
  return tensor.dims() != 1 || tensor.NumElements() != 0;
}

/// A map of input `index`, if given.
template <class M>
Status ReadMap(OpKernelContext* context, int index, const char* argument,
               const LossOptions& options, PixelMap<M>* map) {
  const Tensor &tensor = context->input(index), &images = context->input(1);
  if (!IsGiven(tensor)) return absl::OkStatus();
  if (tensor.dims() != 4) {
    return InvalidArgument(argument, " must have rank 4 ", LayoutOf(options), ", got shape ",
                           tensor.shape().DebugString());
  }
  TF_RETURN_IF_ERROR(FromMessage(CheckPixelMap(argument, SizesOf(tensor).data(),
                                               SizesOf(images).data(), options.data_format)));
  const int axis = options.data_format == DataFormatId::kChannelsFirst ? 1 : 3;
  *map = {tensor.flat<M>().data(), tensor.dim_size(axis) == images.dim_size(axis)};
  return absl::OkStatus();
}

/// y_true, y_pred, weights and mask: inputs 0 to 3.
template <class S>
Status ReadLossInputs(OpKernelContext* context, const LossOptions& options, ImageShape* shape,
                      LossInputs<S>* inputs) {
  const Tensor &y_true = context->input(0), &y_pred = context->input(1);
  TF_RETURN_IF_ERROR(ReadImageShape(y_pred, "y_pred", options, shape));
  inputs->y_pred = ImageData<S>(y_pred);
  inputs->y_true = nullptr;
  if (IsGiven(y_true)) {
    TF_RETURN_IF_ERROR(ReadImageShape(y_true, "y_true", options, shape));
    if (y_true.shape() != y_pred.shape()) {
      return InvalidArgument("y_true and y_pred must have the same shape, got ",
                             y_true.shape().DebugString(), " and ", y_pred.shape().DebugString());
    }
    inputs->y_true = ImageData<S>(y_true);
  }
  TF_RETURN_IF_ERROR(ReadMap(context, 2, "weights", options, &inputs->weights));
  return ReadMap(context, 3, "mask", options, &inputs->mask);
}

/// The shape of the loss: [B] or, for normalizer "none", [B, axes].
inline TensorShape LossShapeOf(const KernelParams& params) {
  TensorShape shape({params.shape.batch});
  if (params.normalizer == NormalizerId::kNone) shape.AddDim(AxesOf(params));
  return shape;
}

/// Input `index` as a value per loss, from a scalar or a tensor of the shape of the loss.
template <class T>
Status ReadLossLike(OpKernelContext* context, int index, const char* argument,
                    const KernelParams& params, PerExample<T>* values) {
  const Tensor& tensor = context->input(index);
  const bool scalar = tensor.dims() == 0;
  if (!scalar && tensor.shape() != LossShapeOf(params)) {
    return InvalidArgument(argument, " must be a scalar or have the shape of the loss, ",
                           LossShapeOf(params).DebugString(), ", got ",
                           tensor.shape().DebugString());
  }
  const int axes = AxesOf(params);
  *values = {tensor.flat<T>().data(), scalar ? 0 : axes, scalar || axes == 1 ? 0 : 1};
  return absl::OkStatus();
}

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_OP_INPUTS_H_
