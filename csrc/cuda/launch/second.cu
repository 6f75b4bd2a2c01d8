#include "cuda/launch/sweep.h"

namespace gradops::cuda {

template <class S>
std::string LossGradGradOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  return WithSweepArgs<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    args.vector = call.Input<S>("vector");
    args.upstream = call.PerLoss<T>("upstream");
    args.by_pred = call.Output<S>("by_pred");
    args.by_true = call.Output<S>("by_true");
    args.by_weights = call.Output<T>("by_weights");
    return LaunchSweep<Order::kSecond>(args, call.Output<T>("by_upstream"), device);
  });
}

GRADOPS_DEFINE_LAUNCHER(LossGradGrad, Queue)

}  // namespace gradops::cuda
