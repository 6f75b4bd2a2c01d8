#ifndef GRADOPS_CUDA_SUMS_H_
#define GRADOPS_CUDA_SUMS_H_

#include "cuda/strip_args.h"
#include "cuda/taps.h"

// What comes before and after a sweep: counting, and sums in a fixed order, never by atomics.

namespace gradops::cuda {

/// One level of a tree over a block's threads: `stride` is a half, a quarter, ... of them.
GRADOPS_FN void AddUpper(AxisSums* sums, int thread, int stride) {
  if (thread >= stride) return;
  sums[thread].y += sums[thread + stride].y;
  sums[thread].x += sums[thread + stride].x;
}

/// A thread's part of sums[0] .. sums[count - 1].
GRADOPS_FN AxisSums PartOfSums(const AxisSums* sums, int64_t count, int thread) {
  AxisSums part = {0, 0};
  for (int64_t i = thread; i < count; i += kThreads) {
    part.y += sums[i].y;
    part.x += sums[i].x;
  }
  return part;
}

/// The losses of an example, or its sums by axis: 0 where nothing counts.
template <class T>
GRADOPS_FN void WriteLoss(AxisSums sum, double denominator, int axes, T* loss) {
  const bool nothing = denominator == 0;
  const double first = axes == 1 ? sum.y + sum.x : sum.y;
  loss[0] = static_cast<T>(nothing ? 0 : first / denominator);
  if (axes == 2) loss[1] = static_cast<T>(nothing ? 0 : sum.x / denominator);
}

/// Blocks that count an example.
inline constexpr int64_t kCountBlocks = 64;

/// What is counted: the weights of the residuals that count, by axis, or of the valid pixels. A
/// thread's part of one block's part of an example. A weight that is negative or NaN makes it NaN.
template <class S>
GRADOPS_FN AxisSums PartOfCounts(const KernelParams& params,
                                 const BorderTaps<ComputeType<S>>& border, const Maps<S>& maps,
                                 int64_t example, bool pixels, int residuals, int64_t block,
                                 int thread) {
  using T = ComputeType<S>;
  const ImageShape& shape = params.shape;
  const StripLayout& layout = maps.layout;
  const bool per_channel = maps.inputs.weights.per_channel || maps.inputs.mask.per_channel;
  // Where all channels have the same maps, one of them is counted.
  const int64_t planes = per_channel ? shape.planes : 1,
                channels = per_channel ? shape.channels : 1;
  const double times = static_cast<double>(shape.planes * shape.channels / (planes * channels));
  AxisSums sums = {0, 0};
  const int64_t count = planes * shape.height * shape.width * channels;
  for (int64_t i = block * kThreads + thread; i < count; i += kCountBlocks * kThreads) {
    const int64_t channel = i % channels, column = i / channels % shape.width;
    const int64_t row = i / (channels * shape.width) % shape.height;
    Maps<S> of_plane = maps;
    of_plane.plane = example * shape.planes + i / (channels * shape.width * shape.height);
    const int64_t position = column * shape.channels + channel;
    double weight = static_cast<double>(of_plane.Weight(row, position));
    if (!(weight >= 0)) weight = weight - weight + (0.0 / 0.0);
    if (pixels) {
      sums.y += of_plane.IsValid(row, position) ? weight : 0;
      continue;
    }
    const int edge_down = layout.wraps_down ? -1 : EdgeOf(row, shape.height);
    const int edge_along = layout.wraps_along ? -1 : EdgeOf(column, shape.width);
    const Taps<T> interior = InteriorTaps<T>(params.stencil, /*adjoint=*/false);
    const Taps<T> down = edge_down < 0 ? interior : border.down.forward[edge_down];
    const Taps<T> along = edge_along < 0 ? interior : border.along.forward[edge_along];
    bool y =
        down.derivative_counts && along.smoothing_counts &&
        of_plane.IsValid(down.derivative_support, along.smoothing_support, row, column, channel);
    bool x =
        down.smoothing_counts && along.derivative_counts &&
        of_plane.IsValid(down.smoothing_support, along.derivative_support, row, column, channel);
    if (residuals == 1) {
      y = y && x;
      x = false;
    }
    sums.y += y ? weight : 0;
    sums.x += x ? weight : 0;
    if (!y && !x && !(weight >= 0)) sums.y = weight;
  }
  return {times * sums.y, times * sums.x};
}

/// The denominators, of the counts of each example.
GRADOPS_FN void WriteDenominators(const KernelParams& params, const AxisSums* counts,
                                  double* denominators) {
  const int64_t batch = params.shape.batch;
  double total = 0;
  for (int64_t example = 0; example < batch; ++example) {
    const double count = counts[example].y + counts[example].x;
    denominators[example] = params.normalizer == NormalizerId::kNone && count == count ? 1 : count;
    total += count;
  }
  if (params.normalizer != NormalizerId::kBatch) return;
  for (int64_t example = 0; example < batch; ++example) {
    denominators[example] = total / static_cast<double>(batch);
  }
}

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_SUMS_H_
