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

  friend GRADOPS_FN SimdSigns operator+(SimdSigns a, SimdSigns b) { return {a.v + b.v}; }
  friend GRADOPS_FN SimdSigns operator-(SimdSigns a, SimdSigns b) { return {a.v - b.v}; }
  friend GRADOPS_FN SimdSigns operator&(SimdSigns a, SimdSigns b) { return {a.v & b.v}; }
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
/// The index-th of the registers of floats that a register of bytes becomes.
GRADOPS_FN Simd<float> Widened(SimdSigns signs, int index) {
  FloatSigns part;
  __builtin_memcpy(&part, reinterpret_cast<const char*>(&signs.v) + index * sizeof(part),
                   sizeof(part));
  return Widened(part);
}

/// What integers from -16 to 16 become once they are scaled and narrowed to 16 bits. There are few
/// of them, so AVX2 and AVX-512 look them up.
template <class S>
class ScaledIntegers {
 public:
#if defined(__AVX512BW__)
  static constexpr bool kAreUsed = sizeof(S) == 2;
#elif defined(__AVX2__)
  // An instruction narrows to float16, which is faster than this.
  static constexpr bool kAreUsed = std::is_same_v<S, math::BFloat16>;
#else
  static constexpr bool kAreUsed = false;
#endif

  ScaledIntegers() = default;
  explicit ScaledIntegers(float scale) {
    for (int i = -16; i <= 16; ++i) {
      S number;
      math::Narrow(scale * static_cast<float>(i), &number);
      Set(i, number);
    }
  }

#if defined(__AVX512BW__)
  /// Streams a register of bytes, of which the first `count`, 32 or 64, are wanted. `to` is aligned
  /// to a line.
  GRADOPS_FN void Stream(SimdSigns sums, int64_t count, S* to) const {
    const __m512i first = _mm512_load_si512(table_), second = _mm512_load_si512(table_ + kLine);
#pragma GCC unroll 2
    for (int64_t i = 0; i < SimdSigns::kLanes; i += kLine) {
      if (i >= count) break;
      __m256i bytes;
      __builtin_memcpy(&bytes, reinterpret_cast<const char*>(&sums.v) + i, sizeof(bytes));
      const __m512i index = _mm512_maskz_cvtepi8_epi16(kAll, bytes);  // its low six bits count
      _mm512_stream_si512((__m512i*)(to + i),
                          _mm512_maskz_permutex2var_epi16(kAll, first, index, second));
    }
  }

 private:
  static constexpr int64_t kLine = 32;
  static constexpr uint32_t kAll = 0xffffffff;

  void Set(int i, S number) { table_[i & 63] = number; }

  alignas(64) S table_[2 * kLine] = {};
#elif defined(__AVX2__)
  GRADOPS_FN void Stream(SimdSigns sums, int64_t, S* to) const {
    const __m256i low = Looked(sums, 0), high = Looked(sums, 1);
    const __m256i even = _mm256_unpacklo_epi8(low, high), odd = _mm256_unpackhi_epi8(low, high);
    _mm256_stream_si256((__m256i*)to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_stream_si256((__m256i*)to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
  }

 private:
  /// One of the two bytes of each number. A lookup gives 0 where the highest bit of an index is
  /// set.
  GRADOPS_FN __m256i Looked(SimdSigns sums, int byte) const {
    const __m256i index = (__m256i)sums.v;
    const auto in = [=](const uint8_t* table, __m256i at) GRADOPS_LAMBDA {
      return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)table)),
                                 at);
    };
    const __m256i from_0 = in(from_0_[byte], _mm256_adds_epu8(index, _mm256_set1_epi8(0x70)));
    const __m256i below_0 = in(below_0_[byte], index ^ _mm256_set1_epi8(-128));
    const __m256i is_16 = _mm256_cmpeq_epi8(index, _mm256_set1_epi8(16));
    return from_0 | below_0 | (is_16 & _mm256_set1_epi8(static_cast<char>(of_16_[byte])));
  }
  void Set(int i, S number) {
    uint8_t bytes[8] = {};
    __builtin_memcpy(bytes, &number, sizeof(number));
    for (int byte = 0; byte < 2; ++byte) {
      (i == 16 ? of_16_[byte] : (i < 0 ? below_0_ : from_0_)[byte][i & 15]) = bytes[byte];
    }
  }

  alignas(16) uint8_t from_0_[2][16] = {}, below_0_[2][16] = {};  // by the byte of a number
  uint8_t of_16_[2] = {};
#else
 private:
  void Set(int, S) {}
#endif
};

/// Stores the signs of two registers of gradients: `first` at y and x, `second` a row below each,
/// `stride` bytes on. Both zeros become 0. What a NaN becomes is not said.
GRADOPS_FN void StoreSigns(math::Gradient<Simd<float>> first, math::Gradient<Simd<float>> second,
                           int8_t* y, int8_t* x, int64_t stride) {
  constexpr int64_t kBytes = sizeof(FloatSigns);
#if defined(__x86_64__)
  // The bits of a float have its sign as an integer too, but for -0. Narrowing saturates, so it
  // keeps signs, and leaves small integers.
  const Simd<float> zero(0);
#if defined(__AVX512F__)
  const __m512i a = _mm512_packs_epi32((__m512i)(first.y + zero).v, (__m512i)(first.x + zero).v);
  const __m512i b = _mm512_packs_epi32((__m512i)(second.y + zero).v, (__m512i)(second.x + zero).v);
  __m512i signs = _mm512_packs_epi16(a, b);
  signs = _mm512_max_epi8(_mm512_min_epi8(signs, _mm512_set1_epi8(1)), _mm512_set1_epi8(-1));
#elif defined(__AVX2__)
  const __m256i a = _mm256_packs_epi32((__m256i)(first.y + zero).v, (__m256i)(first.x + zero).v);
  const __m256i b = _mm256_packs_epi32((__m256i)(second.y + zero).v, (__m256i)(second.x + zero).v);
  __m256i signs = _mm256_packs_epi16(a, b);
  signs = _mm256_max_epi8(_mm256_min_epi8(signs, _mm256_set1_epi8(1)), _mm256_set1_epi8(-1));
#else
  const __m128i one = _mm_set1_epi16(1), minus_one = _mm_set1_epi16(-1);
  const auto clamped = [=](__m128i words) GRADOPS_LAMBDA {
    return _mm_max_epi16(_mm_min_epi16(words, one), minus_one);
  };
  const __m128i a = _mm_packs_epi32((__m128i)(first.y + zero).v, (__m128i)(first.x + zero).v);
  const __m128i b = _mm_packs_epi32((__m128i)(second.y + zero).v, (__m128i)(second.x + zero).v);
  const __m128i signs = _mm_packs_epi16(clamped(a), clamped(b));
#endif
  // Narrowing takes 16 bytes of one register and of the other in turn: the four rows' words of
  // four bytes are now side by side.
  constexpr uint32_t kParts = GRADOPS_VECTOR_BYTES / 16;
  Words order;
#pragma GCC unroll 16
  for (uint32_t i = 0; i < 4 * kParts; ++i) order[i] = i % kParts * 4 + i / kParts;
  const Words sorted = Shuffled((Words)signs, order);
  const char* const from = reinterpret_cast<const char*>(&sorted);
  __builtin_memcpy(y, from, kBytes);
  __builtin_memcpy(x, from + kBytes, kBytes);
  __builtin_memcpy(y + stride, from + 2 * kBytes, kBytes);
  __builtin_memcpy(x + stride, from + 3 * kBytes, kBytes);
#else
  const auto store = [](Simd<float> values, int8_t* to) GRADOPS_LAMBDA {
    const Simd<float> zero(0);
    const auto words = (values < zero).v - (values > zero).v;
    const FloatSigns signs = __builtin_convertvector(words, FloatSigns);
    __builtin_memcpy(to, &signs, kBytes);
  };
  store(first.y, y);
  store(first.x, x);
  store(second.y, y + stride);
  store(second.x, x + stride);
#endif
}

}  // namespace gradops::cpu::GRADOPS_TARGET
