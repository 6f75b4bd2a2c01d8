#include "cuda/launch/sweep.h"

namespace gradops::cuda {

template <class S>
std::string LossOf(const OpCall& call, const Queue& queue) {
  return WithSweepArgs<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    return LaunchSweep<Order::kValue>(args, call.Output<ComputeType<S>>("loss"), device);
  });
}

template <class S>
std::string LossCountsOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const int residuals = ResidualsOf(params.response);
  T* const counts = call.Output<T>("counts");
  Device device(queue);
  if (IsEmpty(params.shape)) {
    device.Zero(counts, params.shape.batch * residuals);
  } else {
    const CountArgs<S> args = MakeCountArgs(params, call.Inputs<S>(), Counted::kResiduals);
    device.WriteCounts(params.shape.batch, residuals, device.Count(args), counts);
  }
  return device.Error();
}

GRADOPS_DEFINE_LAUNCHER(Loss, Queue)
GRADOPS_DEFINE_LAUNCHER(LossCounts, Queue)

}  // namespace gradops::cuda
