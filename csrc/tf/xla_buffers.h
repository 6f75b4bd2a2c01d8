#ifndef GRADOPS_TF_XLA_BUFFERS_H_
#define GRADOPS_TF_XLA_BUFFERS_H_

#include <string>
#include <vector>

#include "tf/launchers.h"

// The ops on raw buffers, as a compiled program has them. Shapes were checked when it was compiled
// (xla_kernels.cc); what is left to find are the parameters.

namespace gradops::tf_ops {

struct Buffer {
  void* data;
  std::vector<int64_t> sizes;

  /// Whether an optional input is given: a vector of no numbers stands for none.
  bool IsGiven() const { return sizes.size() != 1 || sizes[0] != 0; }
  template <class M>
  M* As() const {
    return static_cast<M*>(data);
  }
};

struct BufferCall {
  std::string op;
  LossOptions options;
  std::vector<Buffer> inputs, outputs;
};

/// The input whose dtype is that of the images.
inline int ImagesOf(const std::string& op) { return op.rfind("Gradops>Loss", 0) == 0 ? 1 : 0; }

/// Runs an op for images of type S; Queue: a ParallelFor or a cuda::Queue. Returns "" or what is
/// wrong.
template <class S, class Queue>
class BufferOp {
 public:
  using T = ComputeType<S>;

  static std::string Run(const BufferCall& call, const Queue& queue) {
    const BufferOp op(call, queue);
    if (call.op == "Gradops>Loss") return op.Loss();
    if (call.op == "Gradops>LossMemo") return op.LossMemo();
    if (call.op == "Gradops>LossGrad") return op.LossGrad();
    if (call.op == "Gradops>LossGradGrad") return op.LossGradGrad();
    if (call.op == "Gradops>LossCounts") return op.LossCounts();
    if (call.op == "Gradops>ImageGradients") return op.ImageGradients();
    if (call.op == "Gradops>ImageGradientsAdjoint") return op.ImageGradientsAdjoint();
    if (call.op == "Gradops>GradientMagnitude") return op.GradientMagnitude();
    if (call.op == "Gradops>GradientMagnitudeGrad") return op.GradientMagnitudeGrad();
    return "gradops has no op " + call.op;
  }

 private:
  BufferOp(const BufferCall& call, const Queue& queue) : call_(call), queue_(queue) {}

  std::string Loss() const {
    return LaunchLoss<S>(Params(), Inputs(), Output<T>(0), {}, nullptr, queue_);
  }
  std::string LossMemo() const {
    return LaunchLoss<S>(Params(), Inputs(), Output<T>(0), LossLike(4), Output<S>(1), queue_);
  }
  std::string LossGrad() const {
    const S* const memo = call_.inputs[4].IsGiven() ? Input<S>(4) : nullptr;
    return LaunchLossGradient<S>(Params(), Inputs(), memo, LossLike(5), LossLike(6), Output<S>(0),
                                 queue_);
  }
  std::string LossGradGrad() const {
    S* const by_true = call_.outputs[0].IsGiven() ? Output<S>(0) : nullptr;
    return LaunchLossSecond<S>(Params(), Inputs(), Input<S>(4), LossLike(5), Output<T>(2),
                               Output<S>(1), by_true, queue_);
  }
  std::string LossCounts() const {
    return LaunchCounts<S>(Params(), Inputs(), Output<T>(0), queue_);
  }
  std::string ImageGradients() const {
    return LaunchImageGradients<S>(Params(), Input<S>(0), Output<S>(0), queue_);
  }
  std::string ImageGradientsAdjoint() const {
    return LaunchImageGradientsAdjoint<S>(Params(), Input<S>(0), Output<S>(0), queue_);
  }
  std::string GradientMagnitude() const {
    return LaunchGradientMagnitude<S>(MagnitudeParams(), Input<S>(0), Output<S>(0), queue_);
  }
  std::string GradientMagnitudeGrad() const {
    return LaunchGradientMagnitudeGradient<S>(MagnitudeParams(), Input<S>(0), Input<S>(1),
                                              Output<S>(0), queue_);
  }

  template <class M>
  const M* Input(int index) const {
    return call_.inputs[index].template As<const M>();
  }
  template <class M>
  M* Output(int index) const {
    return call_.outputs[index].template As<M>();
  }
  const std::vector<int64_t>& ImageSizes() const { return call_.inputs[ImagesOf(call_.op)].sizes; }
  KernelParams Params() const {
    return MakeParams(MakeShape(ImageSizes().data(), call_.options.data_format), call_.options);
  }
  KernelParams MagnitudeParams() const {
    return gradops::MagnitudeParams(MakeShape(ImageSizes().data(), call_.options.data_format),
                                    call_.options);
  }
  template <class M>
  PixelMap<M> Map(int index) const {
    if (!call_.inputs[index].IsGiven()) return {};
    const int axis = call_.options.data_format == DataFormatId::kChannelsFirst ? 1 : 3;
    return {Input<M>(index), call_.inputs[index].sizes[axis] == ImageSizes()[axis]};
  }
  LossInputs<S> Inputs() const {
    return {call_.inputs[0].IsGiven() ? Input<S>(0) : nullptr, Input<S>(1), Map<T>(2),
            Map<bool>(3)};
  }
  PerExample<T> LossLike(int index) const {
    const bool scalar = call_.inputs[index].sizes.empty();
    const int axes = AxesOf(Params());
    return {Input<T>(index), scalar ? 0 : axes, scalar || axes == 1 ? 0 : 1};
  }

  const BufferCall& call_;
  const Queue& queue_;
};

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_XLA_BUFFERS_H_
