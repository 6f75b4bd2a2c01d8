#ifndef GRADOPS_CUDA_EMULATE_H_
#define GRADOPS_CUDA_EMULATE_H_

#include <vector>

#include "cuda/memo.h"
#include "cuda/plans.h"

// The programs of the CUDA kernels on the host, thread by thread between barriers: the index and
// border arithmetic and the maths are those that the device runs, so they can be tested without
// one.

namespace gradops::cuda {

/// Multiprocessors of the device that is emulated: few, so that small images have strips of many
/// rows and some of few.
inline constexpr int kProcessors = 3;

inline AxisSums TreeSum(std::vector<AxisSums> parts) {
  const int threads = static_cast<int>(parts.size());
  for (int stride = FirstStride(threads); stride > 0; stride /= 2) {
    for (int thread = 0; thread < threads; ++thread) {
      AddUpper(parts.data(), thread, stride, threads);
    }
  }
  return parts[0];
}

template <class Thread, class S>
AxisSums EmulateBlock(const StripArgs<S>& args, int block) {
  using T = ComputeType<S>;
  bool is_done = false;
  for (int i = 0; i < args.layout.threads; ++i) is_done = FinishWithMemo(args, block, i);
  if (is_done) return {0, 0};
  // Shared memory starts as no kernel may rely on.
  const size_t size = SharedNumbersBytes<Thread, S>(args.layout);
  std::vector<Pack<T, kVec<S>>> shared(size / sizeof(Pack<T, kVec<S>>));
  for (auto& pack : shared) {
    for (T& number : pack.numbers) number = static_cast<T>(0.0 / 0.0);
  }
  std::vector<Thread> threads;
  threads.reserve(static_cast<size_t>(args.layout.threads));
  for (int i = 0; i < args.layout.threads; ++i) {
    threads.emplace_back(args, block, i, shared[0].numbers);
  }
  for (int r = threads[0].FirstStep(); r < threads[0].EndStep(); r += Thread::kSteps) {
    const bool are_steady = threads[0].AreSteady(r);
    for (int k = r; k < r + Thread::kSteps; ++k) {
      for (Thread& thread : threads) {
        are_steady ? thread.template Stage<true>(k) : thread.template Stage<false>(k);
      }
      for (Thread& thread : threads) {
        are_steady ? thread.template Consume<true>(k) : thread.template Consume<false>(k);
      }
    }
  }
  std::vector<AxisSums> sums;
  for (const Thread& thread : threads) sums.push_back(thread.Sums());
  return TreeSum(sums);
}

template <class S>
std::vector<AxisSums> EmulateCounts(const KernelParams& params, const LossInputs<S>& inputs,
                                    Counted counted) {
  const CountArgs<S> args = MakeCountArgs(params, inputs, counted);
  std::vector<AxisSums> counts;
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    std::vector<AxisSums> blocks(kCountBlocks);
    for (int64_t block = 0; block < kCountBlocks; ++block) {
      std::vector<AxisSums> parts(kSumThreads);
      for (int thread = 0; thread < kSumThreads; ++thread) {
        parts[thread] = PartOfCounts(args, example, block, thread);
      }
      blocks[block] = TreeSum(parts);
    }
    std::vector<AxisSums> parts(kSumThreads);
    for (int thread = 0; thread < kSumThreads; ++thread) {
      parts[thread] = PartOfSums(blocks.data(), kCountBlocks, thread);
    }
    counts.push_back(TreeSum(parts));
  }
  return counts;
}

/// A sweep with what comes before and after it; `loss` [B] or [B, axes] may be null.
template <class S, Order kOrder>
void EmulateSweep(StripArgs<S> args, ComputeType<S>* loss) {
  const KernelParams& params = args.params;
  if (params.shape.batch * params.shape.ExampleSize() == 0) {
    for (int64_t i = 0; loss != nullptr && i < params.shape.batch * AxesOf(params); ++i)
      loss[i] = 0;
    return;
  }
  std::vector<double> denominators(static_cast<size_t>(params.shape.batch));
  if (!SetDenominatorByShape(&args)) {
    const auto counts = EmulateCounts(params, args.inputs, CountedFor(params.normalizer));
    WriteDenominators(params, counts.data(), denominators.data());
    args.denominators = denominators.data();
  }
  SetAccess(&args);
  std::vector<AxisSums> sums(static_cast<size_t>(args.layout.Blocks()));
  VisitStripThread<S, kOrder>(args, [&](auto tag) {
    using Thread = typename decltype(tag)::Type;
    for (int block = 0; block < args.layout.Blocks(); ++block) {
      sums[block] = EmulateBlock<Thread>(args, block);
    }
  });
  if (loss == nullptr) return;
  const int axes = AxesOf(params);
  const int64_t blocks = args.layout.BlocksPerExample();
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    std::vector<AxisSums> parts(kSumThreads);
    for (int thread = 0; thread < kSumThreads; ++thread) {
      parts[thread] = PartOfSums(sums.data() + example * blocks, blocks, thread);
    }
    WriteLoss(TreeSum(parts), args.Denominator(example), axes, loss + example * axes);
  }
}

/// How often each number of the images is written by a sweep: owners [planes of all, H, W * C].
/// Returns "" or what a thread would read or write where there is nothing.
template <class S>
std::string CountOwners(const StripArgs<S>& args, int* owners) {
  const StripLayout& layout = args.layout;
  const auto is_in_row = [&](int position) { return position < layout.row_size; };
  for (int block_index = 0; block_index < layout.Blocks(); ++block_index) {
    const StripBlock block = layout.Block(block_index);
    if (block.row_begin >= block.row_end) return "a strip without rows";
    for (int row = block.row_begin - 2; row < block.row_end + 2; ++row) {
      if (layout.Row(row) >= layout.height || layout.Row(row) < -1)
        return "a row that is not there";
    }
    for (int thread = 0; thread < layout.threads; ++thread) {
      const StripPlace<S, false> place(layout, args.taps.along, block, thread);
      const StripPlace<S, true> contiguous(layout, args.taps.along, block, thread);
      for (int v = 0; v < kVec<S>; ++v) {
        if (!is_in_row(place.Position(v))) return "a number beyond its row";
        if (args.is_contiguous &&
            (contiguous.IsThere(v) != place.IsThere(v) || contiguous.IsOwn(v) != place.IsOwn(v) ||
             (place.IsThere(v) && contiguous.Position(v) != place.Position(v)))) {
          return "numbers that are no neighbours";
        }
        if (args.is_aligned && (place.IsThere(v) != place.IsThere(0) ||
                                (place.IsThere(0) && place.Position(0) % kVec<S> != 0))) {
          return "a vector that is cut";
        }
        for (int row = block.row_begin; row < block.row_end && place.IsOwn(v); ++row) {
          ++owners[(block.plane * layout.height + row) * layout.row_size + place.Position(v)];
        }
      }
    }
  }
  return "";
}

template <class Function, class S>
void EmulatePixels(const KernelParams& params, const S* in, S* out) {
  const ImageArgs<S> args = MakeImageArgs(params, in, out);
  for (int64_t block = 0; block < args.Blocks(); ++block) {
    for (int thread = 0; thread < kPixelThreads; ++thread) {
      const ImagePixel pixel(args, block, thread);
      if (pixel.is_there) Function()(args, pixel);
    }
  }
}

template <class S>
void EmulateMagnitudeGradient(const KernelParams& params, const S* images, const S* upstream,
                              S* gradient) {
  const StripArgs<S> args = MakeMagnitudeArgs(params, images, upstream, gradient, kProcessors);
  for (int block = 0; block < args.layout.Blocks(); ++block) {
    EmulateBlock<MagnitudeThread<S>>(args, block);
  }
}

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_EMULATE_H_
