#ifndef GRADOPS_CPU_SIMD_H_
#define GRADOPS_CPU_SIMD_H_

#include <cstdint>

#include "math/int_math.h"
#include "math/macros.h"
#include "math/scalar.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Target code: this header and the ones that include it are compiled once per instruction set, each
// time in a namespace of its own (GRADOPS_TARGET), with registers of GRADOPS_VECTOR_BYTES.
//
// A Simd<T> is always one 64-byte block, held in as many registers as the target needs. So every
// target adds the same lanes in the same order and gives the same bits. A block of several
// registers is a pair of smaller blocks (not an array: compilers keep struct members in registers).

namespace gradops::cpu::GRADOPS_TARGET {

inline constexpr int kBlockBytes = 64;

template <class T>
struct RegisterOf;
template <>
struct RegisterOf<float> {
  typedef float Type __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
  typedef int32_t Mask __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
};
template <>
struct RegisterOf<double> {
  typedef double Type __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
  typedef int64_t Mask __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
};

/// `kBytes` of T as one value, with the primitives of math/scalar.h.
template <class T, int kBytes = kBlockBytes>
struct Simd {
  using Half = Simd<T, kBytes / 2>;
  static constexpr int kLanes = kBytes / sizeof(T);
  struct Mask {
    typename Half::Mask low, high;
  };

  Half low, high;

  Simd() = default;
  GRADOPS_FN explicit Simd(T value) : low(value), high(value) {}
  GRADOPS_FN Simd(Half l, Half h) : low(l), high(h) {}

  /// No alignment is needed.
  static GRADOPS_FN Simd Load(const T* from) {
    return {Half::Load(from), Half::Load(from + kLanes / 2)};
  }
  GRADOPS_FN void Store(T* to) const {
    low.Store(to);
    high.Store(to + kLanes / 2);
  }
  /// Past the caches, for data that will not be read soon; `to` is on a 64-byte boundary.
  /// Needs StreamFence() before another thread reads it.
  GRADOPS_FN void Stream(T* to) const {
    low.Stream(to);
    high.Stream(to + kLanes / 2);
  }

  friend GRADOPS_FN Simd operator+(Simd a, Simd b) { return {a.low + b.low, a.high + b.high}; }
  friend GRADOPS_FN Simd operator-(Simd a, Simd b) { return {a.low - b.low, a.high - b.high}; }
  friend GRADOPS_FN Simd operator*(Simd a, Simd b) { return {a.low * b.low, a.high * b.high}; }
  friend GRADOPS_FN Mask operator<(Simd a, Simd b) { return {a.low < b.low, a.high < b.high}; }
  friend GRADOPS_FN Mask operator>(Simd a, Simd b) { return {a.low > b.low, a.high > b.high}; }
  friend GRADOPS_FN Simd Abs(Simd a) { return {Abs(a.low), Abs(a.high)}; }
  friend GRADOPS_FN Simd CopySign(Simd a, Simd b) {
    return {CopySign(a.low, b.low), CopySign(a.high, b.high)};
  }
  friend GRADOPS_FN Simd Select(Mask mask, Simd yes, Simd no) {
    return {Select(mask.low, yes.low, no.low), Select(mask.high, yes.high, no.high)};
  }
};

/// One register.
template <class T>
struct Simd<T, GRADOPS_VECTOR_BYTES> {
  using Register = typename RegisterOf<T>::Type;
  using RegisterMask = typename RegisterOf<T>::Mask;
  typedef Register UnalignedRegister __attribute__((aligned(1), may_alias));
  static constexpr int kLanes = GRADOPS_VECTOR_BYTES / sizeof(T);
  struct Mask {
    RegisterMask v;
  };

  Register v;

  Simd() = default;
  GRADOPS_FN explicit Simd(T value) : v(Register{} + value) {}
  GRADOPS_FN explicit Simd(Register value) : v(value) {}

  static GRADOPS_FN Simd Load(const T* from) {
    return Simd(Register(*reinterpret_cast<const UnalignedRegister*>(from)));
  }
  GRADOPS_FN void Store(T* to) const { *reinterpret_cast<UnalignedRegister*>(to) = v; }
  GRADOPS_FN void Stream(T* to) const {
#if defined(__x86_64__) && GRADOPS_VECTOR_BYTES == 64
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), (__m512i)v);
#elif defined(__x86_64__) && GRADOPS_VECTOR_BYTES == 32
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), (__m256i)v);
#elif defined(__x86_64__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to), (__m128i)v);
#else
    Store(to);
#endif
  }

  friend GRADOPS_FN Simd operator+(Simd a, Simd b) { return Simd(a.v + b.v); }
  friend GRADOPS_FN Simd operator-(Simd a, Simd b) { return Simd(a.v - b.v); }
  friend GRADOPS_FN Simd operator*(Simd a, Simd b) { return Simd(a.v * b.v); }
  friend GRADOPS_FN Mask operator<(Simd a, Simd b) { return {a.v < b.v}; }
  friend GRADOPS_FN Mask operator>(Simd a, Simd b) { return {a.v > b.v}; }
  friend GRADOPS_FN Simd Abs(Simd a) { return Simd((Register)((RegisterMask)a.v & ~SignBits())); }
  friend GRADOPS_FN Simd CopySign(Simd a, Simd b) {
    return Simd((Register)(((RegisterMask)a.v & ~SignBits()) | ((RegisterMask)b.v & SignBits())));
  }
  friend GRADOPS_FN Simd Select(Mask mask, Simd yes, Simd no) {
    return Simd(mask.v ? yes.v : no.v);
  }

 private:
  static GRADOPS_FN RegisterMask SignBits() { return (RegisterMask)(-Register{}); }
};

/// Lanes [begin, end) of a, 0 in the others, whatever they hold.
template <class T>
GRADOPS_FN Simd<T> LanesBetween(Simd<T> a, int64_t begin, int64_t end) {
  static constexpr T kIndices[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Simd<T> index = Simd<T>::Load(kIndices), zero(0);
  a = Select(index < Simd<T>(static_cast<T>(end)), a, zero);
  return Select(index > Simd<T>(static_cast<T>(begin - 1)), a, zero);
}

/// Makes streamed stores visible before any later store.
GRADOPS_FN void StreamFence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_SIMD_H_
