#pragma once

#include "cuda/programs/strip_args.h"
#include "cuda/programs/taps.h"

// What comes before and after a sweep: counting, and sums in a fixed order, without atomics.

namespace gradops::cuda {

/// The threads of a block that counts or adds up sums of blocks.
inline constexpr int kSumThreads = 256;

/// The first stride of a tree over `threads` threads: the largest power of two below that.
GRADOPS_FN int FirstStride(int threads) {
  int stride = 1;
  while (2 * stride < threads) stride *= 2;
  return stride;
}
/// One level of the tree.
GRADOPS_FN void AddUpper(AxisSums* sums, int thread, int stride, int threads) {
  if (thread >= stride || thread + stride >= threads) return;
  sums[thread].y += sums[thread + stride].y;
  sums[thread].x += sums[thread + stride].x;
}

/// A thread's part of sums[0] .. sums[count - 1].
GRADOPS_FN AxisSums PartOfSums(const AxisSums* sums, int64_t count, int thread) {
  AxisSums part = {0, 0};
  for (int64_t i = thread; i < count; i += kSumThreads) {
    part.y += sums[i].y;
    part.x += sums[i].x;
  }
  return part;
}

/// The blocks that count one example.
inline constexpr int64_t kCountBlocks = 64;

template <class S>
struct CountArgs {
  KernelParams params;
  BorderTaps<ComputeType<S>> taps;
  LossInputs<S> inputs;
  Counted counted;
  bool sums_weights;  // or else counts them, whatever they are
  int residuals;
};

template <class S>
CountArgs<S> MakeCountArgs(const KernelParams& params, const LossInputs<S>& inputs, Counted counted,
                           bool sums_weights) {
  return {params,       FindBorderTaps<ComputeType<S>>(params),
          inputs,       counted,
          sums_weights, ResidualsOf(params.response)};
}

/// A thread's part of a block's part of an example's counts: the weights of the residuals that
/// count, by axis, or of the valid pixels; or their number. NaN if a weight is negative, NaN or too
/// large.
template <class S>
GRADOPS_FN AxisSums PartOfCounts(const CountArgs<S>& args, int64_t example, int64_t block,
                                 int thread) {
  const ImageShape& shape = args.params.shape;
  const math::Stencil& stencil = args.params.stencil;
  const bool wraps_down = math::Wraps(stencil, args.params.border, shape.height);
  const bool wraps_along = math::Wraps(stencil, args.params.border, shape.width);
  // If the maps are the same for all channels, one channel is counted.
  const bool per_channel = args.inputs.weights.per_channel || args.inputs.mask.per_channel;
  const int64_t planes = per_channel ? shape.planes : 1,
                channels = per_channel ? shape.channels : 1;
  const double times = static_cast<double>(shape.planes * shape.channels / (planes * channels));
  constexpr auto kMaxWeight = static_cast<double>(WeightRange<ComputeType<S>>::kMax);
  AxisSums sums = {0, 0};
  // Threads stand side by side in a row or, if it is short, in several.
  const int width = static_cast<int>(shape.width), row_size = width * static_cast<int>(channels);
  const int threads = math::Min(row_size, kSumThreads), rows_at_once = kSumThreads / threads;
  const int row_of_block = thread / threads;
  if (row_of_block >= rows_at_once) return sums;
  const int64_t rows = planes * shape.height;
  for (int64_t row_of_all = block * rows_at_once + row_of_block; row_of_all < rows;
       row_of_all += kCountBlocks * rows_at_once) {
    const int64_t plane = row_of_all / shape.height;
    const int row = static_cast<int>(row_of_all - plane * shape.height);
    const Maps<S> maps{args.inputs, shape, example, example * shape.planes + plane};
    const Maps<S> kept = maps.WithoutWeights();
    const int down = wraps_down ? kInside : EdgeOf(row, static_cast<int>(shape.height));
    for (int position = thread % threads; position < row_size; position += threads) {
      const int pixel = position / static_cast<int>(channels);
      const int channel = position - pixel * static_cast<int>(channels);
      double weight = static_cast<double>(maps.Weight(row, pixel, channel));
      if (!(weight >= 0 && weight <= kMaxWeight)) {
        weight = 0.0 / 0.0;
        sums.y = weight;
      } else if (!args.sums_weights) {
        weight = 1;
      }
      if (args.counted == Counted::kPixels) {
        sums.y += maps.IsValid(row, pixel, channel) ? weight : 0;
        continue;
      }
      const int along = wraps_along ? kInside : EdgeOf(pixel, width);
      bool y, x;
      kept.FindCounts(args.taps.down.forward[down], args.taps.along.forward[along],
                      args.residuals == 1, row, pixel, channel, &y, &x);
      sums.y += y ? weight : 0;
      sums.x += x && args.residuals == 2 ? weight : 0;
    }
  }
  return {times * sums.y, times * sums.x};
}

// Tasks take a few operations for each example: by a thread of its own or, if examples depend on
// each other, by one thread for all.

/// From the counts of each example, what its sum is divided by.
struct FindDenominators {
  KernelParams params;
  const AxisSums* counts;
  double* denominators;

  GRADOPS_FN int64_t Batch() const { return params.shape.batch; }
  bool IsOfAll() const { return params.normalizer == NormalizerId::kBatch; }
  /// Examples begin .. begin + count - 1.
  GRADOPS_FN void operator()(int64_t begin, int64_t count) const {
    KernelParams some = params;
    some.shape.batch = count;
    WriteDenominators(some, counts + begin, denominators + begin);
  }
};

/// Writes the counts of each example, one for each of its residuals.
template <class T>
struct WriteCounts {
  int64_t batch;
  int residuals;
  const AxisSums* sums;
  T* counts;

  GRADOPS_FN int64_t Batch() const { return batch; }
  bool IsOfAll() const { return false; }
  GRADOPS_FN void operator()(int64_t begin, int64_t count) const {
    for (int64_t i = begin; i < begin + count; ++i) {
      counts[i * residuals] = static_cast<T>(sums[i].y);
      if (residuals == 2) counts[i * residuals + 1] = static_cast<T>(sums[i].x);
    }
  }
};

}  // namespace gradops::cuda
