#pragma once

#include "cpu/simd/simd.h"
#include "family/params.h"
#include "math/dtype.h"

// Conversions between image memory of type S and registers of the type that S is computed in, with
// the same bits as math/dtype.h.

namespace gradops::cpu::GRADOPS_TARGET {

typedef Simd<float>::Register Floats;
typedef Simd<double>::Register Doubles;
typedef uint32_t Words __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
typedef uint16_t HalfWords __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 2)));
typedef HalfWords UnalignedHalfWords __attribute__((aligned(1), may_alias));

// AVX-512 intrinsics are used in their masked forms: in the others GCC 12 warns of uninitialized
// values.
[[maybe_unused]] inline constexpr uint16_t kAllLanes = 0xffff;

/// A register of elements from image memory of type S; no alignment is needed.
GRADOPS_FN Simd<float> LoadWide(const float* from) { return Simd<float>::Load(from); }
GRADOPS_FN Simd<double> LoadWide(const double* from) { return Simd<double>::Load(from); }
GRADOPS_FN Simd<float> LoadWide(const math::BFloat16* from) {
  const HalfWords bits = *reinterpret_cast<const UnalignedHalfWords*>(from);
  return Simd<float>((Simd<float>::Register)(__builtin_convertvector(bits, Words) << 16));
}
GRADOPS_FN Simd<float> LoadWide(const math::Half* from) {
#if defined(__AVX512F__)
  const __m256i bits = _mm256_loadu_si256((const __m256i*)from);
  return Simd<float>((Simd<float>::Register)_mm512_maskz_cvtph_ps(kAllLanes, bits));
#elif defined(__F16C__)
  return Simd<float>((Simd<float>::Register)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)from)));
#else
  const HalfWords bits = *reinterpret_cast<const UnalignedHalfWords*>(from);
  return Simd<float>((Floats)math::WidenHalf<Floats>(__builtin_convertvector(bits, Words)));
#endif
}

/// LowHalf and HighHalf widen one half of a register of floats to doubles; Joined rounds two such
/// halves into one register. (By itself GCC does this through memory.)
#if defined(__AVX512F__)
GRADOPS_FN Doubles LowHalf(Floats a) {
  const __m256 half = _mm512_maskz_extractf32x8_ps(0xff, (__m512)a, 0);
  return (Doubles)_mm512_maskz_cvtps_pd(0xff, half);
}
GRADOPS_FN Doubles HighHalf(Floats a) {
  const __m256 half = _mm512_maskz_extractf32x8_ps(0xff, (__m512)a, 1);
  return (Doubles)_mm512_maskz_cvtps_pd(0xff, half);
}
GRADOPS_FN Floats Joined(Doubles low, Doubles high) {
  const __m256 first = _mm512_maskz_cvtpd_ps(0xff, (__m512d)low);
  const __m256 second = _mm512_maskz_cvtpd_ps(0xff, (__m512d)high);
  return (Floats)_mm512_maskz_insertf32x8(kAllLanes, _mm512_castps256_ps512(first), second, 1);
}
#elif defined(__AVX2__)
GRADOPS_FN Doubles LowHalf(Floats a) {
  return (Doubles)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)a));
}
GRADOPS_FN Doubles HighHalf(Floats a) {
  return (Doubles)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)a, 1));
}
GRADOPS_FN Floats Joined(Doubles low, Doubles high) {
  const __m128 first = _mm256_cvtpd_ps((__m256d)low), second = _mm256_cvtpd_ps((__m256d)high);
  return (Floats)_mm256_set_m128(second, first);
}
#else
GRADOPS_FN Doubles LowHalf(Floats a) { return Doubles{a[0], a[1]}; }
GRADOPS_FN Doubles HighHalf(Floats a) { return Doubles{a[2], a[3]}; }
GRADOPS_FN Floats Joined(Doubles low, Doubles high) {
  return Floats{static_cast<float>(low[0]), static_cast<float>(low[1]), static_cast<float>(high[0]),
                static_cast<float>(high[1])};
}
#endif

/// The lanes of a register that are kept: those whose byte is not 0.
#if defined(__AVX512F__)
template <class T>
class KeptLanes {
 public:
  GRADOPS_FN explicit KeptLanes(const uint8_t* bytes) {
    const auto* const from = reinterpret_cast<const __m128i*>(bytes);
    const __m128i set = kIsFloat ? _mm_loadu_si128(from) : _mm_loadl_epi64(from);
    lanes_ = static_cast<Lanes>(_mm_test_epi8_mask(set, set));
  }
  /// Only where `weights` are positive.
  GRADOPS_FN KeptLanes(const uint8_t* bytes, Simd<T> weights) : KeptLanes(bytes) {
    if constexpr (kIsFloat) {
      lanes_ &= _mm512_cmp_ps_mask((__m512)weights.v, __m512{}, _CMP_GT_OQ);
    } else {
      lanes_ &= _mm512_cmp_pd_mask((__m512d)weights.v, __m512d{}, _CMP_GT_OQ);
    }
  }
  /// `a` where kept, and 0 elsewhere, even for a NaN.
  GRADOPS_FN Simd<T> Of(Simd<T> a) const {
    if constexpr (kIsFloat) {
      return Simd<T>((Floats)_mm512_maskz_mov_ps(lanes_, (__m512)a.v));
    } else {
      return Simd<T>((Doubles)_mm512_maskz_mov_pd(lanes_, (__m512d)a.v));
    }
  }

 private:
  static constexpr bool kIsFloat = sizeof(T) == 4;
  using Lanes = std::conditional_t<kIsFloat, __mmask16, __mmask8>;
  Lanes lanes_;
};
#else
// As many bytes as a register has floats or doubles, on their way to masks. They are widened in
// steps of two: larger steps GCC does element by element.
typedef uint8_t FloatBytes __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 4)));
typedef uint8_t DoubleBytes __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 8)));
typedef uint16_t DoubleHalfWords __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 4)));
typedef int32_t DoubleWords __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 2)));

template <class T>
class KeptLanes {
 public:
  GRADOPS_FN explicit KeptLanes(const uint8_t* bytes) : lanes_(AreSet(bytes)) {}
  /// Only where `weights` are positive.
  GRADOPS_FN KeptLanes(const uint8_t* bytes, Simd<T> weights)
      : lanes_((weights > Simd<T>(0)) & AreSet(bytes)) {}
  /// `a` where kept, and 0 elsewhere, even for a NaN.
  GRADOPS_FN Simd<T> Of(Simd<T> a) const { return Select(lanes_, a, Simd<T>(0)); }

 private:
  using Lanes = typename Simd<T>::Mask;

  static GRADOPS_FN Lanes AreSet(const uint8_t* from) {
    if constexpr (sizeof(T) == 4) {
      FloatBytes bytes;
      __builtin_memcpy(&bytes, from, sizeof(bytes));
      const HalfWords halves = __builtin_convertvector(bytes, HalfWords);
      return {__builtin_convertvector(halves, Simd<float>::RegisterMask) != 0};
    } else {
      DoubleBytes bytes;
      __builtin_memcpy(&bytes, from, sizeof(bytes));
      const DoubleHalfWords halves = __builtin_convertvector(bytes, DoubleHalfWords);
      const DoubleWords words = __builtin_convertvector(halves, DoubleWords);
      return {__builtin_convertvector(words, Simd<double>::RegisterMask) != 0};
    }
  }

  Lanes lanes_;
};
#endif

/// A register in the type of image memory.
GRADOPS_FN Simd<float>::Register Narrow(Simd<float> a, const float*) { return a.v; }
GRADOPS_FN Simd<double>::Register Narrow(Simd<double> a, const double*) { return a.v; }
GRADOPS_FN HalfWords Narrow(Simd<float> a, const math::BFloat16*) {
  return __builtin_convertvector(math::NarrowToBFloat16((Words)a.v), HalfWords);
}
GRADOPS_FN HalfWords Narrow(Simd<float> a, const math::Half*) {
#if defined(__AVX512F__)
  return (HalfWords)_mm512_maskz_cvtps_ph(kAllLanes, (__m512)a.v, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__F16C__)
  return (HalfWords)_mm256_cvtps_ph((__m256)a.v, _MM_FROUND_TO_NEAREST_INT);
#else
  return __builtin_convertvector(math::NarrowToHalf<Floats>((Words)a.v), HalfWords);
#endif
}

/// No alignment is needed.
template <class S>
GRADOPS_FN void StoreNarrow(Simd<ComputeType<S>> a, S* to) {
  auto narrow = Narrow(a, to);
  __builtin_memcpy(to, &narrow, sizeof(narrow));
}

/// Stores past the caches, which would otherwise read every line before writing it: for data that
/// will not be read soon. `to` is aligned to the size of what is stored. StreamFence() must follow
/// before another thread reads it.
template <class S>
GRADOPS_FN void StreamNarrow(Simd<ComputeType<S>> a, S* to) {
  auto narrow = Narrow(a, to);
#if defined(__x86_64__)
  static_assert(sizeof(narrow) >= 8, "the sizes below");
  if constexpr (sizeof(narrow) == 8) _mm_stream_si64((long long*)to, (long long)narrow);
  if constexpr (sizeof(narrow) == 16) _mm_stream_si128((__m128i*)to, (__m128i)narrow);
#if defined(__AVX2__)
  if constexpr (sizeof(narrow) == 32) _mm256_stream_si256((__m256i*)to, (__m256i)narrow);
#endif
#if defined(__AVX512F__)
  if constexpr (sizeof(narrow) == 64) _mm512_stream_si512((__m512i*)to, (__m512i)narrow);
#endif
#else
  __builtin_memcpy(to, &narrow, sizeof(narrow));
#endif
}

}  // namespace gradops::cpu::GRADOPS_TARGET
