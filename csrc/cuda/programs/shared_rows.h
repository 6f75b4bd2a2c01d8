#pragma once

#include <cstdint>
#include <cstring>

#include "math/macros.h"

// Rows of a tile in shared memory, which threads read and write in packs: one access for kN
// elements, without bank conflicts.

namespace gradops::cuda {

/// kN elements that are read or written in one access.
template <class S, int kN>
struct alignas(kN * sizeof(S)) Pack {
  S elements[kN];
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
  // By itself the compiler stores element by element if the registers are not adjacent.
  PackWords<Pack<S, kN>> words;
  memcpy(&words, &pack, sizeof(pack));
  if constexpr (sizeof(pack) == 16) {
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};"
                 :
                 : "l"(at), "r"(words.words[0]), "r"(words.words[1]), "r"(words.words[2]),
                   "r"(words.words[3])
                 : "memory");
  } else {
    static_assert(sizeof(pack) == 8, "a pack of 4 elements of 16 bits");
    asm volatile("st.global.v2.b32 [%0], {%1, %2};"
                 :
                 : "l"(at), "r"(words.words[0]), "r"(words.words[1])
                 : "memory");
  }
#else
  *reinterpret_cast<Pack<S, kN>*>(at) = pack;
#endif
}

/// A pointer into shared memory, which on a device has 32 bits. Loads and stores packs of 16 bytes.
template <class T>
class SharedAt {
 public:
#if defined(__CUDA_ARCH__)
  GRADOPS_FN explicit SharedAt(T* at)
      : address_(static_cast<uint32_t>(__cvta_generic_to_shared(at))) {
    GRADOPS_OPAQUE(address_);  // so that it is not converted again at every access
  }
#else
  GRADOPS_FN explicit SharedAt(T* at) : address_(at) {}
#endif
  GRADOPS_FN SharedAt operator+(int elements) const {
    SharedAt at = *this;
#if defined(__CUDA_ARCH__)
    at.address_ += elements * static_cast<int>(sizeof(T));
#else
    at.address_ += elements;
#endif
    return at;
  }
  GRADOPS_FN SharedAt operator-(int elements) const { return *this + -elements; }

  template <int kN>
  GRADOPS_FN Pack<T, kN> Load() const {
    static_assert(sizeof(Pack<T, kN>) == 16);
    Pack<T, kN> pack;
#if defined(__CUDA_ARCH__)
    if constexpr (sizeof(T) == 4) {
      asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                   : "=f"(pack.elements[0]), "=f"(pack.elements[1]), "=f"(pack.elements[2]),
                     "=f"(pack.elements[3])
                   : "r"(address_)
                   : "memory");
    } else {
      asm volatile("ld.shared.v2.f64 {%0, %1}, [%2];"
                   : "=d"(pack.elements[0]), "=d"(pack.elements[1])
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
                   : "r"(address_), "f"(pack.elements[0]), "f"(pack.elements[1]),
                     "f"(pack.elements[2]), "f"(pack.elements[3])
                   : "memory");
    } else {
      asm volatile("st.shared.v2.f64 [%0], {%1, %2};"
                   :
                   : "r"(address_), "d"(pack.elements[0]), "d"(pack.elements[1])
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

/// Reads the neighbours of a pack's elements, `step` before and after them: from the packs that are
/// `far` = step + kShift elements away and, if kShift is not 0, from the next packs inside of
/// those. kNear: the next pack inside is the pack itself.
template <int kN, int kShift, bool kNear>
struct Shift {
  int far;
  /// at: where the pack itself is, a SharedAt or the like.
  template <class At, class T>
  GRADOPS_FN void Read(At at, const Pack<T, kN>& own, T before[kN], T after[kN]) const {
    const Pack<T, kN> left = (at - far).template Load<kN>(), right = (at + far).template Load<kN>();
    Pack<T, kN> inner_left = own, inner_right = own;
    if constexpr (kShift != 0 && !kNear) {
      inner_left = (at - far + kN).template Load<kN>();
      inner_right = (at + far - kN).template Load<kN>();
    }
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      const int b = v + kShift, a = v - kShift;
      before[v] = b < kN ? left.elements[b < kN ? b : 0] : inner_left.elements[b < kN ? 0 : b - kN];
      after[v] =
          a >= 0 ? right.elements[a >= 0 ? a : 0] : inner_right.elements[a >= 0 ? 0 : a + kN];
    }
  }
};

/// How far the packs are.
template <int kN>
GRADOPS_FN int FarOf(int step) {
  return (step + kN - 1) / kN * kN;
}

/// Calls visitor(Shift) for the step. All threads take the same branch. kAny: false if each
/// neighbour is known to be in the pack itself, the next one or a whole number of packs away.
template <int kN, bool kAny = true, int kShift = 0, class Visitor>
GRADOPS_FN void VisitShift(int step, Visitor&& visitor) {
  const int far = FarOf<kN>(step);
  if constexpr (kShift + 1 < kN) {
    if (far - step != kShift) return VisitShift<kN, kAny, kShift + 1>(step, visitor);
  }
  if constexpr (kAny || kShift == 0) {
    if (far != kN) return visitor(Shift<kN, kShift, false>{far});
  }
  visitor(Shift<kN, kShift, true>{far});
}

}  // namespace gradops::cuda
