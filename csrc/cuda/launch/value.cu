#include "cuda/launch/sweep.h"

namespace gradops::cuda {

template <class S>
std::string LaunchValues(const StripArgs<S>& args, ComputeType<S>* losses, Device* device) {
  return LaunchSweep<Order::kValue>(args, losses, device);
}
#define GRADOPS_INSTANTIATE(enumerator, S, name) \
  template std::string LaunchValues(const StripArgs<S>&, ComputeType<S>*, Device*);
GRADOPS_DTYPES(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

template <class S>
std::string LossOf(const OpCall& call, const Queue& queue) {
  return WithSweepArgs<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    return LaunchValues(args, call.Output<ComputeType<S>>("loss"), device);
  });
}

/// How the memo is used is decided on the device (cuda/programs/memo.h).
template <class S>
std::string LossWeightsGradOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  return WithSweepArgs<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    const NormalizerId normalizer = args.params.normalizer;
    const int64_t batch = args.params.shape.batch;
    args.upstream = call.PerLoss<T>("upstream");
    args.by_weights = call.Output<T>("by_weights");
    args.weights_memo = call.Input<T>("weights_memo");
    if (args.weights_memo != nullptr) {
      args.expected = call.PerLoss<T>("expected");
      MemoUse* const uses = device->template Take<MemoUse>(batch);
      device->Run(DecideOnWeightsMemo<T>{batch, AxesOf(args.params),
                                         normalizer == NormalizerId::kBatch, args.expected,
                                         args.upstream, uses});
      args.memo_uses = uses;
    }
    T* const losses = DividesByWeights(normalizer) ? device->template Take<T>(batch) : nullptr;
    return LaunchValues(args, losses, device);
  });
}

/// The upstream gradients of a device are not remembered: the host would have to wait for them.
template <class S>
std::string ExpectedUpstreamOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  Device device(queue);
  device.Run(CopyPerLoss<T>{params.shape.batch, AxesOf(params), call.PerLoss<T>("expected"),
                            call.Output<T>("upstream")});
  return device.Error();
}

template <class S>
std::string LossCountsOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const int residuals = ResidualsOf(params.response);
  T* const counts = call.Output<T>("counts");
  const std::string error = CheckRows(params.shape);
  if (!error.empty()) return error;
  Device device(queue);
  if (IsEmpty(params.shape)) {
    device.Zero(counts, params.shape.batch * residuals);
  } else {
    const CountArgs<S> args =
        MakeCountArgs(params, call.Inputs<S>(), Counted::kResiduals, /*sums_weights=*/true);
    device.Run(WriteCounts<T>{params.shape.batch, residuals, device.Count(args), counts});
  }
  return device.Error();
}

GRADOPS_DEFINE_LAUNCHER(Loss, Queue)
GRADOPS_DEFINE_LAUNCHER(ExpectedUpstream, Queue)
GRADOPS_DEFINE_LAUNCHER(LossWeightsGrad, Queue)
GRADOPS_DEFINE_LAUNCHER(LossCounts, Queue)

}  // namespace gradops::cuda
