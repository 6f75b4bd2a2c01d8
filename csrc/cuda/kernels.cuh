#ifndef GRADOPS_CUDA_KERNELS_CUH_
#define GRADOPS_CUDA_KERNELS_CUH_

#include <cuda_runtime.h>

#include "cuda/penalties.h"
#include "cuda/strip_thread.h"
#include "cuda/sums.h"

// The programs of strip_thread.h and sums.h as kernels. emulate.h is their twin on the host.

namespace gradops::cuda {

/// Leaves the sum of all threads' parts in parts[0].
__device__ inline void TreeSum(AxisSums* parts) {
  for (int stride = kThreads / 2; stride > 0; stride /= 2) {
    __syncthreads();
    AddUpper(parts, threadIdx.x, stride);
  }
  __syncthreads();
}

/// Shared memory, in bytes: the threads' numbers, and then their sums in the same place.
template <class Thread>
size_t SharedBytes(const StripLayout& layout) {
  using T = typename Thread::T;
  const size_t numbers = Thread::SharedNumbers(layout) * sizeof(T);
  return math::Max(numbers, kThreads * sizeof(AxisSums));
}

template <class S, class Response, class Penalty, Order kOrder>
__global__ void __launch_bounds__(kThreads) SweepKernel(const __grid_constant__ StripArgs<S> args) {
  using Thread = StripThread<S, Response, Penalty, kOrder>;
  using T = ComputeType<S>;
  extern __shared__ __align__(16) unsigned char memory[];
  Thread thread(args, blockIdx.x, threadIdx.x, reinterpret_cast<T*>(memory));
  for (int64_t r = thread.FirstStep(); r < thread.EndStep(); ++r) {
    thread.Stage(r);
    __syncthreads();
    thread.Consume(r);
  }
  __syncthreads();
  AxisSums* const parts = reinterpret_cast<AxisSums*>(memory);
  parts[threadIdx.x] = thread.Sums();
  TreeSum(parts);
  if (threadIdx.x == 0) args.sums[blockIdx.x] = parts[0];
}

/// A block for each example: adds up what its blocks found.
template <class T>
__global__ void __launch_bounds__(kThreads)
    LossKernel(const AxisSums* sums, int64_t blocks, const double* denominators, int axes,
               T* loss) {
  __shared__ AxisSums parts[kThreads];
  const int64_t example = blockIdx.x;
  parts[threadIdx.x] = PartOfSums(sums + example * blocks, blocks, threadIdx.x);
  TreeSum(parts);
  if (threadIdx.x == 0) WriteLoss(parts[0], denominators[example], axes, loss + example * axes);
}

/// kCountBlocks blocks for each example.
template <class S>
__global__ void __launch_bounds__(kThreads)
    CountKernel(const __grid_constant__ KernelParams params,
                const __grid_constant__ StripLayout layout,
                const __grid_constant__ BorderTaps<ComputeType<S>> taps,
                const __grid_constant__ LossInputs<S> inputs, bool pixels, int residuals,
                AxisSums* sums) {
  __shared__ AxisSums parts[kThreads];
  const int64_t example = blockIdx.x / kCountBlocks, block = blockIdx.x % kCountBlocks;
  const Maps<S> maps{inputs, layout, example, 0};
  parts[threadIdx.x] =
      PartOfCounts(params, taps, maps, example, pixels, residuals, block, threadIdx.x);
  TreeSum(parts);
  if (threadIdx.x == 0) sums[blockIdx.x] = parts[0];
}

/// A block for each example.
__global__ void __launch_bounds__(kThreads)
    AddCountsKernel(const AxisSums* sums, AxisSums* counts) {
  __shared__ AxisSums parts[kThreads];
  parts[threadIdx.x] = PartOfSums(sums + blockIdx.x * kCountBlocks, kCountBlocks, threadIdx.x);
  TreeSum(parts);
  if (threadIdx.x == 0) counts[blockIdx.x] = parts[0];
}

__global__ void DenominatorsKernel(const __grid_constant__ KernelParams params,
                                   const AxisSums* counts, double* denominators) {
  WriteDenominators(params, counts, denominators);
}

template <class T>
__global__ void WriteCountsKernel(int64_t batch, int axes, const AxisSums* sums, T* counts) {
  for (int64_t i = threadIdx.x; i < batch; i += blockDim.x) {
    counts[i * axes] = static_cast<T>(sums[i].y);
    if (axes == 2) counts[i * axes + 1] = static_cast<T>(sums[i].x);
  }
}

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_KERNELS_CUH_
