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
    return LaunchSweep<Order::kSecond>(args, call.Output<T>("by_upstream"), device);
  });
}

template <class S>
std::string LossWeightsGradGradOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  return WithSweepArgs<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    args.vector = call.Input<S>("vector");
    args.upstream = call.PerLoss<T>("upstream");
    args.by_weights = call.Output<T>("by_weights");
    T* losses = nullptr;
    if (DividesByWeights(args.params.normalizer)) {
      // The sweep that finds the products needs somewhere to write the derivative by y_pred.
      const ImageShape& shape = args.params.shape;
      args.by_pred = device->template Take<S>(shape.batch * shape.ExampleSize());
      losses = device->template Take<T>(shape.batch);
    }
    return LaunchSweep<Order::kSecond>(args, losses, device);
  });
}

GRADOPS_DEFINE_LAUNCHER(LossGradGrad, Queue)
GRADOPS_DEFINE_LAUNCHER(LossWeightsGradGrad, Queue)

}  // namespace gradops::cuda
