#pragma once

#include <cstdint>
#include <type_traits>

#include "math/int_math.h"
#include "math/macros.h"
#include "math/scalar.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Target code: this header and those that include it are compiled once per instruction set, each
// time in a namespace of its own (GRADOPS_TARGET) with registers of GRADOPS_VECTOR_BYTES.

namespace gradops::cpu::GRADOPS_TARGET {

/// One register of T, with the primitives of math/scalar.h (Log1pOfQuotient, Pow:
/// cpu/simd/simd_math.h, simd_float_math.h).
template <class T>
struct Simd {
  using Integer = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef T Register __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
  typedef Integer RegisterMask __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
  typedef Register UnalignedRegister __attribute__((aligned(1), may_alias));
  static constexpr int kLanes = GRADOPS_VECTOR_BYTES / sizeof(T);
  struct Mask {
    RegisterMask v;
  };

  Register v = {};

  Simd() = default;
  template <class Value, class = decltype(static_cast<T>(Value()))>
  GRADOPS_FN explicit Simd(Value value) : v(Register{} + static_cast<T>(value)) {}
  GRADOPS_FN explicit Simd(Register value) : v(value) {}

  /// No alignment is needed.
  static GRADOPS_FN Simd Load(const T* from) {
    return Simd(Register(*reinterpret_cast<const UnalignedRegister*>(from)));
  }
  /// For a register that is used more than once: GCC would load it again for each use.
  static GRADOPS_FN Simd LoadOnce(const T* from) {
    Simd loaded = Load(from);
#if defined(__AVX512F__)
    asm("" : "+v"(loaded.v));
#elif defined(__x86_64__)
    asm("" : "+x"(loaded.v));
#endif
    return loaded;
  }
  GRADOPS_FN T Sum() const {
    T sum = 0;
    for (int i = 0; i < kLanes; ++i) sum += v[i];
    return sum;
  }
  GRADOPS_FN void Store(T* to) const { *reinterpret_cast<UnalignedRegister*>(to) = v; }

  friend GRADOPS_FN Simd operator+(Simd a, Simd b) { return Simd(a.v + b.v); }
  friend GRADOPS_FN Simd operator-(Simd a, Simd b) { return Simd(a.v - b.v); }
  friend GRADOPS_FN Simd operator*(Simd a, Simd b) { return Simd(a.v * b.v); }
  friend GRADOPS_FN Simd operator/(Simd a, Simd b) { return Simd(a.v / b.v); }
  friend GRADOPS_FN Mask operator<(Simd a, Simd b) { return {a.v < b.v}; }
  friend GRADOPS_FN Mask operator>(Simd a, Simd b) { return {a.v > b.v}; }
  friend GRADOPS_FN Mask operator>=(Simd a, Simd b) { return {a.v >= b.v}; }
  friend GRADOPS_FN Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
  friend GRADOPS_FN Simd Abs(Simd a) { return Simd((Register)((RegisterMask)a.v & ~SignBits())); }
  friend GRADOPS_FN Simd CopySign(Simd a, Simd b) {
    return Simd((Register)(((RegisterMask)a.v & ~SignBits()) | ((RegisterMask)b.v & SignBits())));
  }
  friend GRADOPS_FN Simd Select(Mask mask, Simd yes, Simd no) {
    return Simd(mask.v ? yes.v : no.v);
  }
  /// Correctly rounded, like math::Sqrt.
  friend GRADOPS_FN Simd Sqrt(Simd a) { return Simd(SquareRoot(a.v)); }

 private:
  static GRADOPS_FN RegisterMask SignBits() { return (RegisterMask)(-Register{}); }
  static GRADOPS_FN Register SquareRoot(Register a) {
    if constexpr (kLanes == 1) return Register{math::Sqrt(a[0])};
#if defined(__x86_64__) && GRADOPS_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) return (Register)_mm512_maskz_sqrt_ps(0xffff, (__m512)a);
    if constexpr (sizeof(T) == 8) return (Register)_mm512_maskz_sqrt_pd(0xff, (__m512d)a);
#elif defined(__x86_64__) && GRADOPS_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4) return (Register)_mm256_sqrt_ps((__m256)a);
    if constexpr (sizeof(T) == 8) return (Register)_mm256_sqrt_pd((__m256d)a);
#elif defined(__x86_64__)
    if constexpr (sizeof(T) == 4) return (Register)_mm_sqrt_ps((__m128)a);
    if constexpr (sizeof(T) == 8) return (Register)_mm_sqrt_pd((__m128d)a);
#else
    for (int i = 0; i < kLanes; ++i) a[i] = math::Sqrt(a[i]);
    return a;
#endif
  }
};

/// The lanes of a and then b that the indices say, or their remainders.
template <class Vector, class Index>
GRADOPS_FN Vector Shuffled(Vector a, Vector b, Index indices) {
#if defined(__clang__)
  constexpr int kLanes = sizeof(a) / sizeof(a[0]);
  Vector shuffled;
  for (int i = 0; i < kLanes; ++i) {
    const int from = indices[i] & (2 * kLanes - 1);
    shuffled[i] = from < kLanes ? a[from] : b[from - kLanes];
  }
  return shuffled;
#else
  return __builtin_shuffle(a, b, indices);
#endif
}
template <class Vector, class Index>
GRADOPS_FN Vector Shuffled(Vector a, Index indices) {
#if defined(__clang__)
  return Shuffled(a, a, indices);
#else
  return __builtin_shuffle(a, indices);
#endif
}

/// Lanes [begin, end) of a, and 0 in the others, even for a NaN.
template <class T>
GRADOPS_FN Simd<T> LanesBetween(Simd<T> a, int64_t begin, int64_t end) {
  static constexpr T kIndices[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Simd<T> index = Simd<T>::Load(kIndices), zero(0);
  a = Select(index < Simd<T>(end), a, zero);
  return Select(index > Simd<T>(begin - 1), a, zero);
}

/// The granule of all loops over a row: 64 bytes on every target, so that every target adds the
/// same lanes in the same order and gives the same bits.
template <class T>
inline constexpr int64_t kBlock = 64 / sizeof(T);
inline constexpr int kRegistersPerBlock = 64 / GRADOPS_VECTOR_BYTES;

/// A block as `kRegisters` values of type V, one per register. (Nested members rather than an
/// array: compilers keep them in registers.)
template <class V, int kRegisters = kRegistersPerBlock>
struct Block {
  Block<V, kRegisters / 2> low, high;

  /// Calls f(value, its index) for each.
  template <class F>
  GRADOPS_FN void ForEach(F&& f, int index = 0) {
    low.ForEach(f, index);
    high.ForEach(f, index + kRegisters / 2);
  }
};
template <class V>
struct Block<V, 1> {
  V value{};

  template <class F>
  GRADOPS_FN void ForEach(F&& f, int index = 0) {
    f(value, index);
  }
};

/// The same in a loop over a block in memory: for long code, which is then emitted once.
template <class V, int kRegisters, class F>
GRADOPS_FN void ForEachInTurn(Block<V, kRegisters>* block, F&& f) {
  static_assert(sizeof(Block<V, kRegisters>) == kRegisters * sizeof(V), "values without gaps");
  V* const values = reinterpret_cast<V*>(block);
#pragma GCC unroll 1
  for (int index = 0; index < kRegisters; ++index) f(values[index], index);
}

/// Calls f(x) for every register of the blocks that hold positions [begin, end).
template <class T, class F>
GRADOPS_FN void ForEachRegister(int64_t begin, int64_t end, F&& f) {
  for (int64_t x = begin / kBlock<T> * kBlock<T>; x < end; x += Simd<T>::kLanes) f(x);
}

/// Makes streaming stores visible before any later store.
GRADOPS_FN void StreamFence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace gradops::cpu::GRADOPS_TARGET
