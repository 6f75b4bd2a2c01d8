#pragma once

#include <cstdint>
#include <cstring>

#include "math/macros.h"

// Rows of a tile in shared memory, which threads read and write by whole vectors: one access for
// kN numbers, and no two threads of a warp on the same bank.

namespace gradops::cuda {

/// kN numbers that are read or written at once.
template <class S, int kN>
struct alignas(kN * sizeof(S)) Pack {
  S numbers[kN];
};
/// A pack as words of 32 bits.
template <class P>
struct alignas(sizeof(P)) PackWords {
  uint32_t words[sizeof(P) / 4];
};
template <class S, int kN>
GRADOPS_FN Pack<S, kN> LoadPack(const S* at) {
  return *reinterpret_cast<const Pack<S, kN>*>(at);
}
template <class S, int kN>
GRADOPS_FN void StorePack(const Pack<S, kN>& pack, S* at) {
#if defined(__CUDA_ARCH__)
  // Left to itself the compiler stores number by number what comes from registers far apart.
  PackWords<Pack<S, kN>> words;
  memcpy(&words, &pack, sizeof(pack));
  if constexpr (sizeof(pack) == 16) {
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};"
                 :
                 : "l"(at), "r"(words.words[0]), "r"(words.words[1]), "r"(words.words[2]),
                   "r"(words.words[3])
                 : "memory");
  } else {
    static_assert(sizeof(pack) == 8, "of 4 numbers of 16 bits");
    asm volatile("st.global.v2.b32 [%0], {%1, %2};"
                 :
                 : "l"(at), "r"(words.words[0]), "r"(words.words[1])
                 : "memory");
  }
#else
  *reinterpret_cast<Pack<S, kN>*>(at) = pack;
#endif
}

/// A place in shared memory, which on a device has an address of 32 bits. Packs are of 16 bytes.
template <class T>
class SharedAt {
 public:
#if defined(__CUDA_ARCH__)
  GRADOPS_FN explicit SharedAt(T* at)
      : address_(static_cast<uint32_t>(__cvta_generic_to_shared(at))) {
    GRADOPS_OPAQUE(address_);  // not to be found again at every access
  }
#else
  GRADOPS_FN explicit SharedAt(T* at) : address_(at) {}
#endif
  /// `numbers` of them further on.
  GRADOPS_FN SharedAt operator+(int numbers) const {
    SharedAt at = *this;
#if defined(__CUDA_ARCH__)
    at.address_ += numbers * static_cast<int>(sizeof(T));
#else
    at.address_ += numbers;
#endif
    return at;
  }
  GRADOPS_FN SharedAt operator-(int numbers) const { return *this + -numbers; }

  template <int kN>
  GRADOPS_FN Pack<T, kN> Load() const {
    static_assert(sizeof(Pack<T, kN>) == 16);
    Pack<T, kN> pack;
#if defined(__CUDA_ARCH__)
    if constexpr (sizeof(T) == 4) {
      asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                   : "=f"(pack.numbers[0]), "=f"(pack.numbers[1]), "=f"(pack.numbers[2]),
                     "=f"(pack.numbers[3])
                   : "r"(address_)
                   : "memory");
    } else {
      asm volatile("ld.shared.v2.f64 {%0, %1}, [%2];"
                   : "=d"(pack.numbers[0]), "=d"(pack.numbers[1])
                   : "r"(address_)
                   : "memory");
    }
#else
    pack = LoadPack<T, kN>(address_);
#endif
    return pack;
  }
  template <int kN>
  GRADOPS_FN void Store(const Pack<T, kN>& pack) const {
    static_assert(sizeof(Pack<T, kN>) == 16);
#if defined(__CUDA_ARCH__)
    if constexpr (sizeof(T) == 4) {
      asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};"
                   :
                   : "r"(address_), "f"(pack.numbers[0]), "f"(pack.numbers[1]),
                     "f"(pack.numbers[2]), "f"(pack.numbers[3])
                   : "memory");
    } else {
      asm volatile("st.shared.v2.f64 [%0], {%1, %2};"
                   :
                   : "r"(address_), "d"(pack.numbers[0]), "d"(pack.numbers[1])
                   : "memory");
    }
#else
    StorePack<T, kN>(pack, address_);
#endif
  }

 private:
#if defined(__CUDA_ARCH__)
  uint32_t address_;
#else
  T* address_;
#endif
};

/// The neighbours of a vector, `step` numbers before and after it: of the vectors that are `far` =
/// step + kShift numbers away, whole vectors, and where kShift is not 0 of those next to them on
/// the inside, which is the vector itself if kNear.
template <int kN, int kShift, bool kNear>
struct Shift {
  int far;
  template <class T>
  GRADOPS_FN void Read(SharedAt<T> at, const Pack<T, kN>& own, T before[kN], T after[kN]) const {
    const Pack<T, kN> left = (at - far).template Load<kN>(), right = (at + far).template Load<kN>();
    Pack<T, kN> inner_left = own, inner_right = own;
    if constexpr (kShift != 0 && !kNear) {
      inner_left = (at - far + kN).template Load<kN>();
      inner_right = (at + far - kN).template Load<kN>();
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
