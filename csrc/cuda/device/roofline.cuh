#pragma once

// Memory benchmarks: the traffic of a loss without its arithmetic.

#include <cuda_runtime.h>

#include "cuda/programs/shared_rows.h"
#include "math/dtype.h"
#include "math/scalar.h"

namespace gradops::cuda {

inline constexpr int kRooflineThreads = 256;

/// Calls visit(pack of a, pack of b, position) for this thread's packs of 16 bytes, and
/// rest(element of a, element of b, position) for the elements after the last pack.
template <class S, class Visit, class VisitRest>
__device__ void ForEachPack(const S* a, const S* b, int64_t size, Visit visit, VisitRest rest) {
  constexpr int kN = 16 / static_cast<int>(sizeof(S));
  const int64_t stride = int64_t{gridDim.x} * kRooflineThreads;
  const int64_t first = int64_t{blockIdx.x} * kRooflineThreads + threadIdx.x, packs = size / kN;
  for (int64_t i = first; i < packs; i += stride) {
    visit(LoadPack<S, kN>(a + i * kN), LoadPack<S, kN>(b + i * kN), i * kN);
  }
  for (int64_t i = packs * kN + first; i < size; i += stride) rest(a[i], b[i], i);
}

template <class S>
__global__ void __launch_bounds__(kRooflineThreads)
    TriadKernel(const S* a, const S* b, S* out, int64_t size) {
  constexpr int kN = 16 / static_cast<int>(sizeof(S));
  ForEachPack(
      a, b, size,
      [=](const Pack<S, kN>& x, const Pack<S, kN>& y, int64_t at) {
        Pack<S, kN> difference;
        GRADOPS_UNROLL
        for (int v = 0; v < kN; ++v) {
          math::Narrow(math::Widen(x.elements[v]) - math::Widen(y.elements[v]),
                       &difference.elements[v]);
        }
        StorePack<S, kN>(difference, out + at);
      },
      [=](S x, S y, int64_t at) { math::Narrow(math::Widen(x) - math::Widen(y), out + at); });
}

template <class S>
__global__ void __launch_bounds__(kRooflineThreads)
    SumKernel(const S* a, const S* b, ComputeType<S>* sums, int64_t size) {
  using T = ComputeType<S>;
  constexpr int kN = 16 / static_cast<int>(sizeof(S));
  __shared__ T parts[kRooflineThreads];
  T sum = 0;
  ForEachPack(
      a, b, size,
      [&](const Pack<S, kN>& x, const Pack<S, kN>& y, int64_t) {
        GRADOPS_UNROLL
        for (int v = 0; v < kN; ++v) {
          sum += math::Abs(math::Widen(x.elements[v]) - math::Widen(y.elements[v]));
        }
      },
      [&](S x, S y, int64_t) { sum += math::Abs(math::Widen(x) - math::Widen(y)); });
  parts[threadIdx.x] = sum;
  for (int stride = kRooflineThreads / 2; stride > 0; stride /= 2) {
    __syncthreads();
    if (threadIdx.x < stride) parts[threadIdx.x] += parts[threadIdx.x + stride];
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = parts[0];
}

}  // namespace gradops::cuda
