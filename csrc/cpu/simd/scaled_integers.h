#pragma once

#include "cpu/simd/simd_signs.h"

namespace gradops::cpu::GRADOPS_TARGET {

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

}  // namespace gradops::cpu::GRADOPS_TARGET
