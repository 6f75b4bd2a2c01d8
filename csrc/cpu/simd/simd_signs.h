#pragma once

#include <type_traits>

#include "cpu/simd/simd_convert.h"
#include "math/gradient.h"

// Signs of floats as bytes -1, 0 and 1, and sums of a few of them: a register of bytes holds four
// times as many as one of floats, and integers below 128 add up to the same in both.

namespace gradops::cpu::GRADOPS_TARGET {

/// One register of signs, or of sums of them.
struct SimdSigns {
  // Unsigned, because what lies beyond a row may overflow.
  typedef uint8_t Register __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
  typedef Register UnalignedRegister __attribute__((aligned(1), may_alias));
  static constexpr int kLanes = GRADOPS_VECTOR_BYTES;

  Register v;

  /// No alignment is needed.
  static GRADOPS_FN SimdSigns Load(const int8_t* from) {
    return {Register(*reinterpret_cast<const UnalignedRegister*>(from))};
  }
  GRADOPS_FN void Store(int8_t* to) const { *reinterpret_cast<UnalignedRegister*>(to) = v; }

  friend GRADOPS_FN SimdSigns operator+(SimdSigns a, SimdSigns b) { return {a.v + b.v}; }
  friend GRADOPS_FN SimdSigns operator-(SimdSigns a, SimdSigns b) { return {a.v - b.v}; }
  friend GRADOPS_FN SimdSigns operator&(SimdSigns a, SimdSigns b) { return {a.v & b.v}; }
  /// weights * signs, where the signs are -1, 0 or 1.
  friend GRADOPS_FN SimdSigns Weighted(SimdSigns weights, SimdSigns signs) {
#if defined(__AVX512BW__)
    const __m512i w = (__m512i)weights.v, s = (__m512i)signs.v, zero = _mm512_setzero_si512();
    const __m512i kept = _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(s, s), w);
    return {(Register)_mm512_mask_sub_epi8(kept, _mm512_movepi8_mask(s), zero, w)};
#elif defined(__AVX2__)
    return {(Register)_mm256_sign_epi8((__m256i)weights.v, (__m256i)signs.v)};
#else
    return {weights.v * signs.v};
#endif
  }
};

/// As many bytes as a register has floats.
typedef int8_t FloatSigns __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 4)));

GRADOPS_FN Simd<float> Widened(FloatSigns signs) {
#if defined(__AVX512F__)
  const __m512i words = _mm512_maskz_cvtepi8_epi32(kAllLanes, (__m128i)signs);
  return Simd<float>((Floats)_mm512_maskz_cvtepi32_ps(kAllLanes, words));
#elif defined(__AVX2__)
  const __m128i bytes = _mm_cvtsi64_si128((long long)signs);
  return Simd<float>((Floats)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
#else
  typedef int16_t Halves __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 2)));
  const auto words =
      __builtin_convertvector(__builtin_convertvector(signs, Halves), Simd<float>::RegisterMask);
  return Simd<float>(__builtin_convertvector(words, Floats));
#endif
}
/// A register of floats from bytes.
GRADOPS_FN Simd<float> LoadSigns(const int8_t* from) {
  FloatSigns signs;
  __builtin_memcpy(&signs, from, sizeof(signs));
  return Widened(signs);
}
/// The registers of floats that a register of bytes becomes.
class WidenedSigns {
 public:
  GRADOPS_FN explicit WidenedSigns(SimdSigns signs) {
    __builtin_memcpy(bytes_, &signs.v, sizeof(bytes_));
#if defined(__AVX2__) && !defined(__AVX512F__)
    // Widening from memory takes one instruction; else GCC moves each part to a register first.
    asm("" : "+m"(bytes_));
#endif
  }
  GRADOPS_FN Simd<float> operator[](int index) const {
    return LoadSigns(bytes_ + index * sizeof(FloatSigns));
  }

 private:
  alignas(GRADOPS_VECTOR_BYTES) int8_t bytes_[SimdSigns::kLanes];
};

#if defined(__x86_64__)
// Narrowing takes 16 bytes of one register and of another in turn.
#if defined(__AVX512F__)
typedef __m512i Integers;
GRADOPS_FN Integers Narrowed(Integers a, Integers b) { return _mm512_packs_epi32(a, b); }
/// The signs of integers of 16 bits.
GRADOPS_FN Integers SignsOf(Integers a, Integers b) {
  const Integers below_2 = _mm512_min_epi8(_mm512_packs_epi16(a, b), _mm512_set1_epi8(1));
  return _mm512_max_epi8(below_2, _mm512_set1_epi8(-1));
}
#elif defined(__AVX2__)
typedef __m256i Integers;
GRADOPS_FN Integers Narrowed(Integers a, Integers b) { return _mm256_packs_epi32(a, b); }
GRADOPS_FN Integers SignsOf(Integers a, Integers b) {
  const Integers below_2 = _mm256_min_epi8(_mm256_packs_epi16(a, b), _mm256_set1_epi8(1));
  return _mm256_max_epi8(below_2, _mm256_set1_epi8(-1));
}
#else
typedef __m128i Integers;
GRADOPS_FN Integers Narrowed(Integers a, Integers b) { return _mm_packs_epi32(a, b); }
GRADOPS_FN Integers SignsOf(Integers a, Integers b) {
  const auto signs = [=](Integers words) GRADOPS_LAMBDA {
    return _mm_max_epi16(_mm_min_epi16(words, _mm_set1_epi16(1)), _mm_set1_epi16(-1));
  };
  return _mm_packs_epi16(signs(a), signs(b));
}
#endif
#endif

/// The signs of two rows of a block of gradients. Both zeros become 0. What a NaN becomes is not
/// said.
class SignBlock {
 public:
  /// Takes the index-th registers of the block: of the first row and of the second.
  GRADOPS_FN void Set(int index, math::Gradient<Simd<float>> first,
                      math::Gradient<Simd<float>> second) {
    const Simd<float> zero(0);
#if defined(__x86_64__)
    // The bits of a float have its sign as an integer too, but for -0. Narrowing saturates, so it
    // keeps signs, and leaves small integers.
    const auto bits = [=](Simd<float> a) GRADOPS_LAMBDA { return (Integers)(a + zero).v; };
    packed_[index] = (Words)SignsOf(Narrowed(bits(first.y), bits(first.x)),
                                    Narrowed(bits(second.y), bits(second.x)));
#else
    int row = 0;
    for (Simd<float> values : {first.y, first.x, second.y, second.x}) {
      const auto words = (values < zero).v - (values > zero).v;
      const FloatSigns signs = __builtin_convertvector(words, FloatSigns);
      __builtin_memcpy(rows_[row++] + index * sizeof(signs), &signs, sizeof(signs));
    }
#endif
  }
  /// Stores those of the first row from y and x on, and those of the second `stride` bytes further.
  GRADOPS_FN void Store(int8_t* y, int8_t* x, int64_t stride) const {
    int8_t* const rows[] = {y, x, y + stride, x + stride};
#if defined(__AVX512F__)
    const Words order = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    StoreParts(Shuffled(packed_[0], order), rows);
#elif defined(__AVX2__)
    const Words first = {0, 4, 8, 12, 1, 5, 9, 13};  // its words; those of the second are 2 further
    StoreParts(Shuffled(packed_[0], packed_[1], first), rows);
    StoreParts(Shuffled(packed_[0], packed_[1], first + 2), rows + 2);
#elif defined(__x86_64__)
    const auto store = [=](Words pair, int8_t* const* to) GRADOPS_LAMBDA {
      const Words a = Shuffled(packed_[0], packed_[1], pair);
      const Words b = Shuffled(packed_[2], packed_[3], pair);
      StoreParts(Shuffled(a, b, Words{0, 1, 4, 5}), to);
      StoreParts(Shuffled(a, b, Words{2, 3, 6, 7}), to + 1);
    };
    store(Words{0, 4, 1, 5}, rows);
    store(Words{2, 6, 3, 7}, rows + 2);
#else
    for (int i = 0; i < 4; ++i) __builtin_memcpy(rows[i], rows_[i], kSize);
#endif
  }

 private:
  static constexpr int64_t kSize = kBlock<float>;  // bytes of a row

#if defined(__x86_64__)
  /// Stores the parts of 16 bytes, each in a row.
  static GRADOPS_FN void StoreParts(Words parts, int8_t* const* rows) {
#pragma GCC unroll 4
    for (int i = 0; i < GRADOPS_VECTOR_BYTES / kSize; ++i) {
      __builtin_memcpy(rows[i], reinterpret_cast<const char*>(&parts) + i * kSize, kSize);
    }
  }

  // Words of four signs: of y and x of the first row, and of the second.
  Words packed_[kRegistersPerBlock];
#else
  int8_t rows_[4][kSize];
#endif
};

}  // namespace gradops::cpu::GRADOPS_TARGET
