#include "cuda/sweep.cuh"

namespace gradops::cuda {

template <class S>
std::string LaunchLoss(const KernelParams& params, const LossInputs<S>& inputs,
                       ComputeType<S>* loss, PerExample<ComputeType<S>> upstream, S* gradient,
                       const Queue& queue) {
  if (!params.levels.AreOne()) return kNoLevels;
  StripArgs<S> args = MakeStripArgs(params, inputs, Processors());
  if (gradient == nullptr) return LaunchSweep<S, Order::kValue>(args, loss, queue);
  args.upstream = upstream;
  args.by_pred = gradient;
  return LaunchSweep<S, Order::kSlope>(args, loss, queue);
}

template <class S>
std::string LaunchLossGradient(const KernelParams& params, const LossInputs<S>& inputs,
                               const S* memo, PerExample<ComputeType<S>> expected,
                               PerExample<ComputeType<S>> upstream, S* gradient,
                               const Queue& queue) {
  if (!params.levels.AreOne()) return kNoLevels;
  StripArgs<S> args = MakeStripArgs(params, inputs, Processors());
  args.upstream = upstream;
  args.by_pred = gradient;
  args.memo = memo;
  args.memo_axes = AxesOf(params);
  args.expected = expected;
  return LaunchSweep<S, Order::kSlope>(args, nullptr, queue);
}

template <class S>
std::string LaunchCounts(const KernelParams& params, const LossInputs<S>& inputs,
                         ComputeType<S>* counts, const Queue& queue) {
  Work work(queue);
  const int axes = ResidualsOf(params.response);
  if (params.shape.batch * params.shape.ExampleSize() == 0) {
    work.Zero(counts, params.shape.batch * axes);
    return work.Error();
  }
  const AxisSums* const sums = LaunchCounting(params, inputs, Counted::kResiduals, &work);
  work.Launch(WriteCountsKernel<ComputeType<S>>, 1, kSumThreads, 0, params.shape.batch, axes, sums,
              counts);
  return work.Error();
}

#define GRADOPS_INSTANTIATE(S)                                                                     \
  template std::string LaunchLoss<S>(const KernelParams&, const LossInputs<S>&, ComputeType<S>*,   \
                                     PerExample<ComputeType<S>>, S*, const Queue&);                \
  template std::string LaunchLossGradient<S>(const KernelParams&, const LossInputs<S>&, const S*,  \
                                             PerExample<ComputeType<S>>,                           \
                                             PerExample<ComputeType<S>>, S*, const Queue&);        \
  template std::string LaunchCounts<S>(const KernelParams&, const LossInputs<S>&, ComputeType<S>*, \
                                       const Queue&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops::cuda
