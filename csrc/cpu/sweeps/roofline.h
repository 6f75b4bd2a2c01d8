#pragma once

#include "cpu/rows/image_rows.h"

// Memory benchmarks with the loads, stores, threads and buffers of the kernels
// (docs/performance.md).

namespace gradops::cpu::GRADOPS_TARGET {

/// out = a - b: the traffic of loss with gradient, 2 reads + 1 write.
template <class S>
void Triad(const S* a, const S* b, S* out, int64_t size, bool streaming) {
  const auto difference = [=](int64_t x)
                              GRADOPS_LAMBDA { return LoadWide(a + x) - LoadWide(b + x); };
  constexpr int kLanes = Simd<ComputeType<S>>::kLanes;
  const auto one_by_one = [=](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; ++x) {
      math::Narrow(math::Widen(a[x]) - math::Widen(b[x]), out + x);
    }
  };
  constexpr int64_t kBytes = kLanes * sizeof(S);
  const int64_t to_boundary = (-reinterpret_cast<intptr_t>(out) & (kBytes - 1)) / sizeof(S);
  int64_t x = math::Min(to_boundary, size);
  one_by_one(0, x);
  for (; x + kLanes <= size; x += kLanes) {
    if (streaming) {
      StreamNarrow(difference(x), out + x);
    } else {
      StoreNarrow(difference(x), out + x);
    }
  }
  one_by_one(x, size);
  if (streaming) StreamFence();
}

/// Sum of |a - b|: the traffic of the forward pass, 2 reads.
template <class S>
double SumAbsoluteDifference(const S* a, const S* b, int64_t size) {
  using T = ComputeType<S>;
  constexpr int kLanes = Simd<T>::kLanes;
  Simd<T> sums(0);
  int64_t x = 0;
  for (; x + kLanes <= size; x += kLanes) {
    sums = sums + Abs(LoadWide(a + x) - LoadWide(b + x));
  }
  T lanes[kLanes];
  sums.Store(lanes);
  double total = 0;
  for (T lane : lanes) total += static_cast<double>(lane);
  for (; x < size; ++x) {
    total += static_cast<double>(math::Abs(math::Widen(a[x]) - math::Widen(b[x])));
  }
  return total;
}

}  // namespace gradops::cpu::GRADOPS_TARGET
