#ifndef GRADOPS_CUDA_SWEEP_CUH_
#define GRADOPS_CUDA_SWEEP_CUH_

#include "cuda/kernels.cuh"
#include "cuda/work.cuh"

namespace gradops::cuda {

/// The counts of each example, in scratch memory.
template <class S>
AxisSums* LaunchCounting(const KernelParams& params, const LossInputs<S>& inputs, Counted counted,
                         Work* work) {
  const int64_t batch = params.shape.batch;
  AxisSums* const parts = work->Take<AxisSums>(batch * kCountBlocks);
  AxisSums* const counts = work->Take<AxisSums>(batch);
  work->Launch(CountKernel<S>, batch * kCountBlocks, kSumThreads, 0,
               MakeCountArgs(params, inputs, counted), parts);
  work->Launch(AddCountsKernel<AxisSums>, batch, kSumThreads, 0, parts, counts);
  return counts;
}

template <class Thread, class S>
void LaunchThreads(const StripArgs<S>& args, Work* work) {
  work->Launch(SweepKernel<S, Thread>, args.layout.Blocks(), args.layout.threads,
               SharedBytes<Thread, S>(args.layout), args);
}

/// A sweep with what comes before and after it; `loss` may be null.
template <class S, Order kOrder>
std::string LaunchSweep(StripArgs<S> args, ComputeType<S>* loss, const Queue& queue) {
  const KernelParams& params = args.params;
  const int64_t batch = params.shape.batch;
  Work work(queue);
  if (params.shape.batch * params.shape.ExampleSize() == 0) {
    if (loss != nullptr) work.Zero(loss, batch * AxesOf(params));
    return work.Error();
  }
  work.Fail(CheckRows(params.shape));
  if (!SetDenominatorByShape(&args)) {
    double* const denominators = work.Take<double>(batch);
    const AxisSums* const counts =
        LaunchCounting(params, args.inputs, CountedFor(params.normalizer), &work);
    work.Launch(DenominatorsKernel<AxisSums>, 1, 1, 0, params, counts, denominators);
    args.denominators = denominators;
  }
  SetAccess(&args);
  if (loss != nullptr) args.sums = work.Take<AxisSums>(args.layout.Blocks());
  VisitStripThread<S, kOrder>(
      args, [&](auto tag) { LaunchThreads<typename decltype(tag)::Type>(args, &work); });
  if (loss != nullptr) {
    work.Launch(LossKernel<ComputeType<S>>, batch, kSumThreads, 0, args.sums,
                args.layout.BlocksPerExample(), args.denominators, args.denominator, AxesOf(params),
                loss);
  }
  return work.Error();
}

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_SWEEP_CUH_
