#ifndef GRADOPS_CPU_YARDSTICKS_H_
#define GRADOPS_CPU_YARDSTICKS_H_

#include "cpu/simd.h"

// What memory allows, in the same code, threads and buffers as the kernels (docs/performance.md).

namespace gradops::cpu::GRADOPS_TARGET {

/// out = a - b: the traffic of loss with gradient, 2 reads + 1 write.
template <class T>
void Triad(const T* a, const T* b, T* out, int64_t size, bool streaming) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t x = 0;
  const auto scalar_until = [&](int64_t end) {
    for (; x < end; ++x) out[x] = a[x] - b[x];
  };
  const int64_t to_boundary =
      (-reinterpret_cast<intptr_t>(out) & (kBlockBytes - 1)) / static_cast<int64_t>(sizeof(T));
  scalar_until(math::Min(to_boundary, size));
  for (; x + kLanes <= size; x += kLanes) {
    const Simd<T> difference = Simd<T>::Load(a + x) - Simd<T>::Load(b + x);
    if (streaming) {
      difference.Stream(out + x);
    } else {
      difference.Store(out + x);
    }
  }
  scalar_until(size);
  if (streaming) StreamFence();
}

/// Sum of |a - b|: the traffic of the forward pass, 2 reads.
template <class T>
double SumAbsoluteDifference(const T* a, const T* b, int64_t size) {
  constexpr int kLanes = Simd<T>::kLanes;
  Simd<T> sums(0);
  int64_t x = 0;
  for (; x + kLanes <= size; x += kLanes) {
    sums = sums + Abs(Simd<T>::Load(a + x) - Simd<T>::Load(b + x));
  }
  T lanes[kLanes];
  sums.Store(lanes);
  double total = 0;
  for (T lane : lanes) total += static_cast<double>(lane);
  for (; x < size; ++x) total += static_cast<double>(math::Abs(a[x] - b[x]));
  return total;
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_YARDSTICKS_H_
