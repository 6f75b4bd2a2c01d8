#include "cuda/launch/sweep.h"

namespace gradops::cuda {

template <class S>
std::string LaunchMemo(const OpCall& call, const Queue& queue, ComputeType<S>* by_weights) {
  using T = ComputeType<S>;
  return WithSweepArgs<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    T* const losses = call.Output<T>("loss");
    args.upstream = call.PerLoss<T>("expected");
    args.by_pred = call.Output<S>("memo");
    args.by_weights = by_weights;
    return args.by_pred == nullptr ? LaunchValues(args, losses, device)
                                   : LaunchSweep<Order::kSlope>(args, losses, device);
  });
}

template <class S>
std::string LossMemoOf(const OpCall& call, const Queue& queue) {
  return LaunchMemo<S>(call, queue, nullptr);
}

template <class S>
std::string LossWeightsMemoOf(const OpCall& call, const Queue& queue) {
  return LaunchMemo<S>(call, queue, call.Output<ComputeType<S>>("weights_memo"));
}

/// How the memo is used is decided on the device (cuda/programs/memo.h).
template <class S>
std::string LossGradOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  return WithSweepArgs<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    T* const no_losses = nullptr;
    args.memo = call.Input<S>("memo");
    args.memo_axes = AxesOf(args.params);
    args.expected = call.PerLoss<T>("expected");
    args.upstream = call.PerLoss<T>("upstream");
    args.by_pred = call.Output<S>("gradient");
    return LaunchSweep<Order::kSlope>(args, no_losses, device);
  });
}

GRADOPS_DEFINE_LAUNCHER(LossMemo, Queue)
GRADOPS_DEFINE_LAUNCHER(LossWeightsMemo, Queue)
GRADOPS_DEFINE_LAUNCHER(LossGrad, Queue)

}  // namespace gradops::cuda
