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
//
// First as bits, of a number or of every lane of a register: W is uint32_t, or a vector of them,
// and F the same of floats.

template <class F, class W>
GRADOPS_FN W WidenHalf(W bits) {
  const W sign = (bits & 0x8000u) << 16, magnitude = (bits & 0x7fffu) << 13;
  const W rebased = magnitude + (112u << 23);
  const W subnormal = BitCast<W>(BitCast<F>(rebased + (1u << 23)) - BitCast<F>(W{} + (113u << 23)));
  const W finite = magnitude >= (0x0400u << 13) ? rebased : subnormal;
  return sign | (magnitude >= (0x7c00u << 13) ? magnitude | 0x7f800000u : finite);
}
template <class F, class W>
GRADOPS_FN W NarrowToHalf(W bits) {
  const W sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  const W normal = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  // A multiple of 2^-24: adding 0.5 rounds there.
  const W subnormal = BitCast<W>(BitCast<F>(magnitude) + 0.5f) - (126u << 23);
  W narrow = magnitude >= (113u << 23) ? normal : subnormal;
  narrow = magnitude >= 0x477ff000u ? W{} + 0x7c00u : narrow;  // rounds to 2^16 or more
  narrow = magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : narrow;
  return sign | narrow;
}
template <class W>
GRADOPS_FN W NarrowToBFloat16(W bits) {
  const W rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : rounded;
}

GRADOPS_FN float Widen(float x) { return x; }
GRADOPS_FN double Widen(double x) { return x; }
GRADOPS_FN float Widen(BFloat16 x) { return BitCast<float>(uint32_t{x.bits} << 16); }
GRADOPS_FN float Widen(Half x) {
#if defined(__CUDA_ARCH__)
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
  return wide;
#else
  return BitCast<float>(WidenHalf<float>(uint32_t{x.bits}));
#endif
}

GRADOPS_FN void Narrow(float x, float* to) { *to = x; }
GRADOPS_FN void Narrow(double x, double* to) { *to = x; }
GRADOPS_FN void Narrow(float x, BFloat16* to) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to->bits) : "f"(x));
#else
  to->bits = static_cast<uint16_t>(NarrowToBFloat16(BitCast<uint32_t>(x)));
#endif
}
GRADOPS_FN void Narrow(float x, Half* to) {
#if defined(__CUDA_ARCH__)
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(x));
#else
  to->bits = static_cast<uint16_t>(NarrowToHalf<float>(BitCast<uint32_t>(x)));
#endif
}

}  // namespace gradops::math
