#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "cuda/programs/image_packs.h"
#include "cuda/programs/memo.h"
#include "cuda/programs/plans.h"
#include "op/op.h"
#include "op/queue.h"

// Runs the programs of the CUDA kernels on the host, one thread after the other between barriers.
// Index and border arithmetic and the maths are the device's, so they can be tested without one.

namespace gradops::cuda {

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
  // Shared memory starts with NaN, so that a kernel that reads what nobody wrote fails its tests.
  const size_t size = SharedRowsBytes<Thread, S>(args.layout);
  std::vector<Pack<T, kVec<S>>> shared(size / sizeof(Pack<T, kVec<S>>));
  for (auto& pack : shared) {
    for (T& element : pack.elements) element = static_cast<T>(0.0 / 0.0);
  }
  std::vector<Thread> threads;
  threads.reserve(static_cast<size_t>(args.layout.threads));
  for (int i = 0; i < args.layout.threads; ++i) {
    threads.emplace_back(args, block, i, shared[0].elements);
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

/// Stands in for a device, with loops in place of launches.
class Device {
 public:
  explicit Device(const Queue&) {}

  /// Few, so that small images have strips of many rows as well as of few.
  static int Processors() { return 3; }

  template <class M>
  M* Take(int64_t count) {
    scratch_.emplace_back(static_cast<size_t>(count) * sizeof(M) / sizeof(double) + 1);
    return reinterpret_cast<M*>(scratch_.back().data());
  }
  template <class M>
  void Zero(M* elements, int64_t count) {
    std::fill_n(elements, count, M(0));
  }
  void Fail(const std::string& error) {
    if (error_.empty()) error_ = error;
  }
  const std::string& Error() const { return error_; }

  template <class S>
  const AxisSums* Count(const CountArgs<S>& args) {
    const int64_t batch = args.params.shape.batch;
    AxisSums* const counts = Take<AxisSums>(batch);
    for (int64_t example = 0; example < batch; ++example) {
      std::vector<AxisSums> blocks(kCountBlocks);
      for (int64_t block = 0; block < kCountBlocks; ++block) {
        blocks[block] =
            TreeOf([&](int thread) { return PartOfCounts(args, example, block, thread); });
      }
      counts[example] =
          TreeOf([&](int thread) { return PartOfSums(blocks.data(), kCountBlocks, thread); });
    }
    return counts;
  }
  template <class Task>
  void Run(const Task& task) {
    if (task.IsOfAll()) return task(0, task.Batch());
    for (int64_t example = 0; example < task.Batch(); ++example) task(example, 1);
  }
  template <class Thread, class S>
  void Sweep(const StripArgs<S>& args) {
    if (!error_.empty()) return;
    for (int block = 0; block < args.layout.Blocks(); ++block) {
      const AxisSums sums = EmulateBlock<Thread>(args, block);
      if (args.sums != nullptr) args.sums[block] = sums;
    }
  }
  template <class S>
  void Losses(const StripArgs<S>& args, ComputeType<S>* losses) {
    const int axes = AxesOf(args.params);
    const int64_t blocks = args.layout.BlocksPerExample();
    for (int64_t example = 0; example < args.params.shape.batch; ++example) {
      const AxisSums* const sums = args.sums + example * blocks;
      WriteLoss(TreeOf([&](int thread) { return PartOfSums(sums, blocks, thread); }),
                args.Denominator(example), axes, losses + example * axes);
    }
  }
  template <class Op, class S>
  void Images(const ImageArgs<S>& args) {
    if (!error_.empty()) return;
    const ImageThreads<S> threads(args);
    for (int64_t block = 0; block < threads.Blocks(); ++block) {
      for (int thread = 0; thread < kImageThreads; ++thread) {
        RunImageThread<Op>(args, threads, block, thread);
      }
    }
  }
  template <class Function, class Args>
  void Pixels(const Args& args) {
    if (!error_.empty()) return;
    for (int row = 0; row < args.grid.Rows(); ++row) {
      for (int block = 0; block < args.grid.BlocksPerRow(); ++block) {
        for (int thread = 0; thread < kPixelThreads; ++thread) {
          const ImagePixel pixel = ImagePixel::OfThread(args.grid, row, block, thread);
          if (pixel.IsIn(args.grid)) Function()(args, pixel);
        }
      }
    }
  }
  template <class S>
  void Triad(const S* a, const S* b, S* out, int64_t size) {
    for (int64_t i = 0; i < size; ++i) math::Narrow(math::Widen(a[i]) - math::Widen(b[i]), out + i);
  }
  template <class S>
  void SumAbsoluteDifference(const S* a, const S* b, ComputeType<S>* sums, int64_t size) {
    Zero(sums, kSums);
    for (int64_t i = 0; i < size; ++i) {
      sums[i % kSums] += math::Abs(math::Widen(a[i]) - math::Widen(b[i]));
    }
  }

 private:
  template <class Part>
  static AxisSums TreeOf(Part&& part) {
    std::vector<AxisSums> parts;
    for (int thread = 0; thread < kSumThreads; ++thread) parts.push_back(part(thread));
    return TreeSum(parts);
  }

  std::deque<std::vector<double>> scratch_;
  std::string error_;
};

/// Counts how often a sweep writes each element of the images: owners [B * planes, H, W * C].
/// Returns "" or a description of an access out of bounds.
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
        if (!is_in_row(place.Position(v))) return "an element beyond its row";
        if (args.is_contiguous &&
            (contiguous.InBounds(v) != place.InBounds(v) || contiguous.IsOwn(v) != place.IsOwn(v) ||
             (place.InBounds(v) && contiguous.Position(v) != place.Position(v)))) {
          return "elements that are not contiguous";
        }
        if (args.is_aligned && (place.InBounds(v) != place.InBounds(0) ||
                                (place.InBounds(0) && place.Position(0) % kVec<S> != 0))) {
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

}  // namespace gradops::cuda
