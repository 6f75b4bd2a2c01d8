#include "cuda/sweep.cuh"

namespace gradops::cuda {

template <class S>
std::string LaunchLossSecond(const KernelParams& params, const LossInputs<S>& inputs,
                             const S* vector, PerExample<ComputeType<S>> upstream,
                             ComputeType<S>* by_upstream, S* by_pred, S* by_true,
                             const Queue& queue) {
  if (!params.levels.AreOne()) return kNoLevels;
  StripArgs<S> args = MakeStripArgs(params, inputs, Processors());
  args.vector = vector;
  args.upstream = upstream;
  args.by_pred = by_pred;
  args.by_true = by_true;
  return LaunchSweep<S, Order::kSecond>(args, by_upstream, queue);
}

#define GRADOPS_INSTANTIATE(S)                                                                  \
  template std::string LaunchLossSecond<S>(const KernelParams&, const LossInputs<S>&, const S*, \
                                           PerExample<ComputeType<S>>, ComputeType<S>*, S*, S*, \
                                           const Queue&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops::cuda
