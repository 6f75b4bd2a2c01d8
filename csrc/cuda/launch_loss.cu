#include "core/launch_cuda.h"
#include "cuda/kernels.cuh"

namespace gradops::cuda {
namespace {

/// "" or what CUDA says of the launches since the last call.
std::string LaunchError() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? "" : std::string("CUDA: ") + cudaGetErrorString(error);
}

/// Scratch memory and launches of one call. What fails is remembered; after that nothing is done.
class Work {
 public:
  explicit Work(const Queue& queue)
      : queue_(queue), stream_(static_cast<cudaStream_t>(queue.stream)) {}

  template <class M>
  M* Take(int64_t count) {
    if (!error_.empty()) return nullptr;
    void* const memory =
        queue_.allocate(static_cast<size_t>(math::Max<int64_t>(count, 1)) * sizeof(M));
    if (memory == nullptr) error_ = "no memory of the device for the sums of a gradient loss";
    return static_cast<M*>(memory);
  }
  template <class... Parameters, class... Arguments>
  void Launch(void (*kernel)(Parameters...), int64_t blocks, size_t shared,
              const Arguments&... arguments) {
    if (!error_.empty() || blocks == 0) return;
    if (shared > 48 * 1024) {
      cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                           cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    }
    kernel<<<static_cast<unsigned>(blocks), kThreads, shared, stream_>>>(arguments...);
    error_ = LaunchError();
  }
  const std::string& Error() const { return error_; }

 private:
  const Queue& queue_;
  const cudaStream_t stream_;
  std::string error_;
};

/// The counts of each example, in scratch memory.
template <class S>
AxisSums* LaunchCounting(const KernelParams& params, const LossInputs<S>& inputs, bool pixels,
                         Work* work) {
  const int64_t batch = params.shape.batch;
  AxisSums* const parts = work->Take<AxisSums>(batch * kCountBlocks);
  AxisSums* const counts = work->Take<AxisSums>(batch);
  work->Launch(CountKernel<S>, batch * kCountBlocks, 0, params, MakeStripLayout(params, kVec<S>),
               FindBorderTaps<ComputeType<S>>(params), inputs, pixels, ResidualsOf(params.response),
               parts);
  work->Launch(AddCountsKernel, batch, 0, parts, counts);
  return counts;
}

template <class S, Order kOrder>
void LaunchSweep(const StripArgs<S>& args, Work* work) {
  VisitResponse(args.params.response, [&](auto tag) {
    using R = typename decltype(tag)::Type;
    using Thread = StripThread<S, R, AnyPenalty, kOrder>;
    work->Launch(SweepKernel<S, R, AnyPenalty, kOrder>, args.layout.Blocks(),
                 SharedBytes<Thread>(args.layout), args);
  });
}

/// A sweep with what comes before and after it; `loss` may be null.
template <class S, Order kOrder>
std::string LaunchAll(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                      PerExample<ComputeType<S>> upstream, ComputeType<S>* loss, S* by_pred,
                      S* by_true, const Queue& queue) {
  Work work(queue);
  const int64_t batch = params.shape.batch;
  if (batch == 0) return "";
  const bool pixels = params.normalizer == NormalizerId::kPixels;
  double* const denominators = work.Take<double>(batch);
  const AxisSums* const counts = LaunchCounting(params, inputs, pixels, &work);
  work.Launch(DenominatorsKernel, 1, 0, params, counts, denominators);
  const StripLayout layout = MakeStripLayout(params, kVec<S>);
  AxisSums* const sums = work.Take<AxisSums>(layout.Blocks());
  LaunchSweep<S, kOrder>(
      {params, layout, FindBorderTaps<ComputeType<S>>(params), inputs, vector, upstream,
       denominators, IsAligned(layout, inputs, vector, by_pred, by_true), by_pred, by_true, sums},
      &work);
  if (loss != nullptr) {
    work.Launch(LossKernel<ComputeType<S>>, batch, 0, sums, layout.BlocksPerExample(), denominators,
                AxesOf(params), loss);
  }
  return work.Error();
}

}  // namespace

template <class S>
std::string LaunchLoss(const KernelParams& params, const LossInputs<S>& inputs,
                       ComputeType<S>* loss, PerExample<ComputeType<S>> upstream, S* gradient,
                       const Queue& queue) {
  if (gradient == nullptr) {
    return LaunchAll<S, Order::kValue>(params, inputs, nullptr, {}, loss, nullptr, nullptr, queue);
  }
  return LaunchAll<S, Order::kSlope>(params, inputs, nullptr, upstream, loss, gradient, nullptr,
                                     queue);
}

template <class S>
std::string LaunchLossSecond(const KernelParams& params, const LossInputs<S>& inputs,
                             const S* vector, PerExample<ComputeType<S>> upstream,
                             ComputeType<S>* by_upstream, S* by_pred, S* by_true,
                             const Queue& queue) {
  return LaunchAll<S, Order::kSecond>(params, inputs, vector, upstream, by_upstream, by_pred,
                                      by_true, queue);
}

template <class S>
std::string LaunchCounts(const KernelParams& params, const LossInputs<S>& inputs,
                         ComputeType<S>* counts, const Queue& queue) {
  Work work(queue);
  if (params.shape.batch == 0) return "";
  const AxisSums* const sums = LaunchCounting(params, inputs, /*pixels=*/false, &work);
  work.Launch(WriteCountsKernel<ComputeType<S>>, 1, 0, params.shape.batch,
              ResidualsOf(params.response), sums, counts);
  return work.Error();
}

#define GRADOPS_INSTANTIATE(S)                                                                     \
  template std::string LaunchLoss<S>(const KernelParams&, const LossInputs<S>&, ComputeType<S>*,   \
                                     PerExample<ComputeType<S>>, S*, const Queue&);                \
  template std::string LaunchLossSecond<S>(const KernelParams&, const LossInputs<S>&, const S*,    \
                                           PerExample<ComputeType<S>>, ComputeType<S>*, S*, S*,    \
                                           const Queue&);                                          \
  template std::string LaunchCounts<S>(const KernelParams&, const LossInputs<S>&, ComputeType<S>*, \
                                       const Queue&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops::cuda
