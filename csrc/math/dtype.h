#pragma once

#include <cstdint>

#include "math/int_math.h"

namespace gradops::math {

/// IEEE binary16 and the upper half of binary32, as they lie in memory.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

/// The type in which images of type S are computed, and that of their losses, upstream gradients
/// and weights.
template <class S>
struct ComputeTypeOf {
  using Type = float;
};
template <>
struct ComputeTypeOf<double> {
  using Type = double;
};

// Widening is exact. Narrowing rounds to nearest, ties to even, and keeps a NaN. Both use integer
// arithmetic and one exact addition or subtraction, so a flush-to-zero mode changes nothing. On a
// device they are single instructions where it has them.

GRADOPS_FN float Widen(float x) { return x; }
GRADOPS_FN double Widen(double x) { return x; }
GRADOPS_FN float Widen(BFloat16 x) { return BitCast<float>(uint32_t{x.bits} << 16); }
GRADOPS_FN float Widen(Half x) {
#if defined(__CUDA_ARCH__)
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
  return wide;
#else
  const uint32_t sign = (x.bits & 0x8000u) << 16, magnitude = (x.bits & 0x7fffu) << 13;
  if (magnitude >= 0x7c00u << 13) return BitCast<float>(sign | 0x7f800000u | magnitude);
  const uint32_t rebased = magnitude + (112u << 23);
  if (magnitude >= 0x0400u << 13) return BitCast<float>(sign | rebased);
  const float subnormal = BitCast<float>(rebased + (1u << 23)) - BitCast<float>(113u << 23);
  return BitCast<float>(sign | BitCast<uint32_t>(subnormal));
#endif
}

GRADOPS_FN void Narrow(float x, float* to) { *to = x; }
GRADOPS_FN void Narrow(double x, double* to) { *to = x; }
GRADOPS_FN void Narrow(float x, BFloat16* to) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to->bits) : "f"(x));
#else
  const uint32_t bits = BitCast<uint32_t>(x);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const uint32_t rounded = bits + 0x7fffu + (bits >> 16 & 1u);
  to->bits = static_cast<uint16_t>(is_nan ? bits >> 16 | 0x40u : rounded >> 16);
#endif
}
GRADOPS_FN void Narrow(float x, Half* to) {
#if defined(__CUDA_ARCH__)
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(x));
#else
  const uint32_t bits = BitCast<uint32_t>(x), sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  uint32_t narrow;
  if (magnitude > 0x7f800000u) {
    narrow = 0x7e00u | (magnitude >> 13 & 0x3ffu);
  } else if (magnitude >= 0x477ff000u) {  // rounds to 2^16 or more
    narrow = 0x7c00u;
  } else if (magnitude >= 113u << 23) {
    narrow = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  } else {  // a multiple of 2^-24: adding 0.5 rounds there
    narrow = BitCast<uint32_t>(BitCast<float>(magnitude) + 0.5f) - (126u << 23);
  }
  to->bits = static_cast<uint16_t>(sign | narrow);
#endif
}

}  // namespace gradops::math
