#ifndef GRADOPS_CUDA_SHARED_ROWS_H_
#define GRADOPS_CUDA_SHARED_ROWS_H_

#include <cstdint>

#include "math/macros.h"

// Rows of a tile in shared memory, which threads read and write by whole vectors: one access for
// kN numbers, and no two threads of a warp on the same bank.

namespace gradops::cuda {

/// kN numbers that are read or written at once.
template <class S, int kN>
struct alignas(kN * sizeof(S)) Pack {
  S numbers[kN];
};
template <class S, int kN>
GRADOPS_FN Pack<S, kN> LoadPack(const S* at) {
  return *reinterpret_cast<const Pack<S, kN>*>(at);
}
template <class S, int kN>
GRADOPS_FN void StorePack(const Pack<S, kN>& pack, S* at) {
  *reinterpret_cast<Pack<S, kN>*>(at) = pack;
}

/// The neighbours of a vector, `step` numbers before and after it: of the vectors that are `far` =
/// step + kShift numbers away, whole vectors, and where kShift is not 0 of those next to them on
/// the inside, which is the vector itself if kNear.
template <int kN, int kShift, bool kNear>
struct Shift {
  int far;
  template <class T>
  GRADOPS_FN void Read(const T* at, const Pack<T, kN>& own, T before[kN], T after[kN]) const {
    const Pack<T, kN> left = LoadPack<T, kN>(at - far), right = LoadPack<T, kN>(at + far);
    Pack<T, kN> inner_left = own, inner_right = own;
    if constexpr (kShift != 0 && !kNear) {
      inner_left = LoadPack<T, kN>(at - far + kN);
      inner_right = LoadPack<T, kN>(at + far - kN);
    }
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      const int b = v + kShift, a = v - kShift;
      before[v] = b < kN ? left.numbers[b < kN ? b : 0] : inner_left.numbers[b < kN ? 0 : b - kN];
      after[v] = a >= 0 ? right.numbers[a >= 0 ? a : 0] : inner_right.numbers[a >= 0 ? 0 : a + kN];
    }
  }
};

/// Calls visitor(Shift) for the step: all threads take the same branch.
template <int kN, int kShift = 0, class Visitor>
GRADOPS_FN void VisitShift(int step, Visitor&& visitor) {
  const int far = (step + kN - 1) / kN * kN;
  if constexpr (kShift + 1 < kN) {
    if (far - step != kShift) return VisitShift<kN, kShift + 1>(step, visitor);
  }
  if (far == kN) {
    visitor(Shift<kN, kShift, true>{far});
  } else {
    visitor(Shift<kN, kShift, false>{far});
  }
}

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_SHARED_ROWS_H_
