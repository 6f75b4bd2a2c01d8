#ifndef GRADOPS_CUDA_EMULATE_H_
#define GRADOPS_CUDA_EMULATE_H_

#include <string>
#include <vector>

#include "core/launch.h"
#include "cuda/penalties.h"
#include "cuda/strip_thread.h"
#include "cuda/sums.h"

// The programs of the CUDA kernels on the host, thread by thread between barriers: the index and
// border arithmetic and the maths are those that the device runs, so they can be tested without
// one.

namespace gradops::cuda {

/// Shared memory starts as no kernel may rely on.
template <class T>
std::vector<T> Garbage(int64_t count) {
  return std::vector<T>(static_cast<size_t>(count), static_cast<T>(0.0 / 0.0));
}

inline AxisSums TreeSum(std::vector<AxisSums> parts) {
  for (int stride = kThreads / 2; stride > 0; stride /= 2) {
    for (int thread = 0; thread < kThreads; ++thread) AddUpper(parts.data(), thread, stride);
  }
  return parts[0];
}

template <class S, class Response, class Penalty, Order kOrder>
AxisSums EmulateBlock(const StripArgs<S>& args, int64_t block) {
  using Thread = StripThread<S, Response, Penalty, kOrder>;
  using T = ComputeType<S>;
  std::vector<T> shared = Garbage<T>(Thread::SharedNumbers(args.layout));
  std::vector<Thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(args, block, i, shared.data());
  for (int64_t r = threads[0].FirstStep(); r < threads[0].EndStep(); ++r) {
    for (Thread& thread : threads) thread.Stage(r);
    for (Thread& thread : threads) thread.Consume(r);
  }
  std::vector<AxisSums> sums;
  for (const Thread& thread : threads) sums.push_back(thread.Sums());
  return TreeSum(sums);
}

template <class S, Order kOrder>
void EmulateSweep(StripArgs<S> args) {
  VisitResponse(args.params.response, [&](auto tag) {
    using R = typename decltype(tag)::Type;
    for (int64_t block = 0; block < args.layout.Blocks(); ++block) {
      args.sums[block] = EmulateBlock<S, R, AnyPenalty, kOrder>(args, block);
    }
  });
}

template <class S>
std::vector<AxisSums> EmulateCounts(const KernelParams& params, const LossInputs<S>& inputs,
                                    bool pixels) {
  const StripLayout layout = MakeStripLayout(params, kVec<S>);
  const auto taps = FindBorderTaps<ComputeType<S>>(params);
  std::vector<AxisSums> counts;
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    const Maps<S> maps{inputs, layout, example, 0};
    std::vector<AxisSums> blocks(kCountBlocks);
    for (int64_t block = 0; block < kCountBlocks; ++block) {
      std::vector<AxisSums> parts(kThreads);
      for (int thread = 0; thread < kThreads; ++thread) {
        parts[thread] = PartOfCounts(params, taps, maps, example, pixels,
                                     ResidualsOf(params.response), block, thread);
      }
      blocks[block] = TreeSum(parts);
    }
    std::vector<AxisSums> parts(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      parts[thread] = PartOfSums(blocks.data(), kCountBlocks, thread);
    }
    counts.push_back(TreeSum(parts));
  }
  return counts;
}

/// A sweep with what comes before and after it; `loss` [B] or [B, axes] may be null.
template <class S, Order kOrder>
void EmulateLoss(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                 PerExample<ComputeType<S>> upstream, ComputeType<S>* loss, S* by_pred,
                 S* by_true) {
  const bool pixels = params.normalizer == NormalizerId::kPixels;
  const std::vector<AxisSums> counts = EmulateCounts(params, inputs, pixels);
  std::vector<double> denominators(counts.size());
  WriteDenominators(params, counts.data(), denominators.data());
  const StripLayout layout = MakeStripLayout(params, kVec<S>);
  std::vector<AxisSums> sums(static_cast<size_t>(layout.Blocks()));
  EmulateSweep<S, kOrder>({params, layout, FindBorderTaps<ComputeType<S>>(params), inputs, vector,
                           upstream, denominators.data(),
                           IsAligned(layout, inputs, vector, by_pred, by_true), by_pred, by_true,
                           sums.data()});
  if (loss == nullptr) return;
  const int axes = AxesOf(params);
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    std::vector<AxisSums> parts(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      parts[thread] = PartOfSums(sums.data() + example * layout.BlocksPerExample(),
                                 layout.BlocksPerExample(), thread);
    }
    WriteLoss(TreeSum(parts), denominators[example], axes, loss + example * axes);
  }
}

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_EMULATE_H_
