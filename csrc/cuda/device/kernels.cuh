#pragma once

#include <cuda_runtime.h>

#include "cuda/programs/image_packs.h"
#include "cuda/programs/memo.h"
#include "cuda/programs/plans.h"

// The programs of strip_thread.h, image_packs.h, image_pixels.h, sums.h and memo.h as kernels.
// emulate.h runs the same programs on the host.

namespace gradops::cuda {

/// Adds up the threads' parts; the sum is in parts[0].
__device__ inline void TreeSum(AxisSums* parts, int threads) {
  for (int stride = FirstStride(threads); stride > 0; stride /= 2) {
    __syncthreads();
    AddUpper(parts, threadIdx.x, stride, threads);
  }
  __syncthreads();
}

/// Bytes of shared memory. It holds the rows that threads share, and later the threads' sums.
template <class Thread, class S>
size_t SharedBytes(const StripLayout& layout) {
  return math::Max(SharedRowsBytes<Thread, S>(layout), layout.threads * sizeof(AxisSums));
}

template <class Thread, bool kSteady, int kCount>
__device__ __forceinline__ void RunSteps(Thread* thread, int r) {
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    thread->template Stage<kSteady>(r + k);
    __syncthreads();
    thread->template Consume<kSteady>(r + k);
  }
}

template <class S, class Thread>
__global__ void __launch_bounds__(kMaxThreads, Thread::kBlocks)
    SweepKernel(const __grid_constant__ StripArgs<S> args) {
  extern __shared__ __align__(16) unsigned char memory[];
  if (FinishWithMemo(args, static_cast<int>(blockIdx.x), threadIdx.x)) return;
  Thread thread(args, static_cast<int>(blockIdx.x), threadIdx.x,
                reinterpret_cast<ComputeType<S>*>(memory));
  for (int r = thread.FirstStep(); r < thread.EndStep(); r += Thread::kSteps) {
    if constexpr (Thread::kSteps > 1) {
      if (thread.AreSteady(r)) {
        RunSteps<Thread, true, Thread::kSteps>(&thread, r);
        continue;
      }
    }
#pragma unroll 1
    for (int k = 0; k < Thread::kSteps; ++k) RunSteps<Thread, false, 1>(&thread, r + k);
  }
  if (args.sums == nullptr) return;
  __syncthreads();
  AxisSums* const parts = reinterpret_cast<AxisSums*>(memory);
  parts[threadIdx.x] = thread.Sums();
  TreeSum(parts, blockDim.x);
  if (threadIdx.x == 0) args.sums[blockIdx.x] = parts[0];
}

template <class Op, class S>
__global__ void __launch_bounds__(kImageThreads)
    ImageKernel(const __grid_constant__ ImageArgs<S> args, const ImageThreads<S> threads) {
  RunImageThread<Op>(args, threads, blockIdx.x, threadIdx.x);
}

/// A thread for each element of args.grid.
template <class Args, class Function>
__global__ void __launch_bounds__(kPixelThreads)
    PixelKernel(const __grid_constant__ Args args, Function function) {
  const int blocks = args.grid.BlocksPerRow();
  for (int block = blockIdx.y; block < blocks; block += gridDim.y) {
    const ImagePixel pixel = ImagePixel::OfThread(args.grid, blockIdx.x, block, threadIdx.x);
    if (pixel.IsIn(args.grid)) function(args, pixel);
  }
}

/// One block per example: adds up the sums of the blocks that swept it.
template <class T>
__global__ void __launch_bounds__(kSumThreads)
    LossKernel(const AxisSums* sums, int64_t blocks, const double* denominators, double denominator,
               int axes, T* loss) {
  __shared__ AxisSums parts[kSumThreads];
  const int64_t example = blockIdx.x;
  parts[threadIdx.x] = PartOfSums(sums + example * blocks, blocks, threadIdx.x);
  TreeSum(parts, kSumThreads);
  if (threadIdx.x != 0) return;
  if (denominators != nullptr) denominator = denominators[example];
  WriteLoss(parts[0], denominator, axes, loss + example * axes);
}

/// kCountBlocks blocks per example.
template <class S>
__global__ void __launch_bounds__(kSumThreads)
    CountKernel(const __grid_constant__ CountArgs<S> args, AxisSums* sums) {
  __shared__ AxisSums parts[kSumThreads];
  const int64_t example = blockIdx.x / kCountBlocks, block = blockIdx.x % kCountBlocks;
  parts[threadIdx.x] = PartOfCounts(args, example, block, threadIdx.x);
  TreeSum(parts, kSumThreads);
  if (threadIdx.x == 0) sums[blockIdx.x] = parts[0];
}

// These kernels are templates, because the names of `static` ones contain the path of the source,
// and builds in different folders would differ.

/// One block per example.
template <class Sums>
__global__ void __launch_bounds__(kSumThreads) AddCountsKernel(const Sums* sums, Sums* counts) {
  __shared__ Sums parts[kSumThreads];
  parts[threadIdx.x] = PartOfSums(sums + blockIdx.x * kCountBlocks, kCountBlocks, threadIdx.x);
  TreeSum(parts, kSumThreads);
  if (threadIdx.x == 0) counts[blockIdx.x] = parts[0];
}

inline constexpr int kTaskThreads = 64;

/// A thread for each `count` examples.
template <class Task>
__global__ void TaskKernel(const __grid_constant__ Task task, int64_t count) {
  const int64_t begin = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * count;
  if (begin < task.Batch()) task(begin, count);
}

}  // namespace gradops::cuda
