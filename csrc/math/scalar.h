#pragma once

#include <math.h>

#include <cstdint>

#include "math/int_math.h"

namespace gradops::math {

// The primitives that penalties and responses are written in, for scalars. SIMD types have
// functions of the same names (in csrc/cpu/simd), found by argument-dependent lookup.

GRADOPS_FN float Abs(float x) { return __builtin_fabsf(x); }
GRADOPS_FN double Abs(double x) { return __builtin_fabs(x); }

/// The magnitude of x with the sign of y.
GRADOPS_FN float CopySign(float x, float y) { return __builtin_copysignf(x, y); }
GRADOPS_FN double CopySign(double x, double y) { return __builtin_copysign(x, y); }

GRADOPS_FN float Select(bool condition, float yes, float no) { return condition ? yes : no; }
GRADOPS_FN double Select(bool condition, double yes, double no) { return condition ? yes : no; }

GRADOPS_FN float Sqrt(float x) { return ::sqrtf(x); }
GRADOPS_FN double Sqrt(double x) { return ::sqrt(x); }

/// a * b + c; on a device as one operation, which does not round the product.
template <class V>
GRADOPS_FN V MultiplyAdd(V a, V b, V c) {
  return a * b + c;
}
#if defined(__CUDA_ARCH__)
template <>
GRADOPS_FN float MultiplyAdd(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}
template <>
GRADOPS_FN double MultiplyAdd(double a, double b, double c) {
  return __fma_rn(a, b, c);
}
#endif

// Not inlined on a device: their code is long, and a kernel calls them in many places.
#if defined(__CUDACC__)
__host__ __device__ __noinline__ inline double CalledLog1p(double x) { return ::log1p(x); }
__host__ __device__ __noinline__ inline double CalledPow(double x, double y) { return ::pow(x, y); }
#else
GRADOPS_FN double CalledLog1p(double x) { return ::log1p(x); }
GRADOPS_FN double CalledPow(double x, double y) { return ::pow(x, y); }
#endif

/// A divisor > 0, with what SIMD functions need of it, found once.
struct LogDivisor {
  double value;
  float unit, factor;  // about value / 8, a power of two up to 2^120; and unit / value

  GRADOPS_FN explicit LogDivisor(double divisor) : value(divisor) {
    const double power = BitCast<double>(BitCast<uint64_t>(divisor) & 0xfff0000000000000u);
    unit = static_cast<float>(Min(power, 0x1p123) / 8);
    factor = static_cast<float>(unit / divisor);
  }
};
/// log(1 + x / divisor) for x >= 0.
GRADOPS_FN float Log1pOfQuotient(float x, const LogDivisor& divisor) {
  return static_cast<float>(CalledLog1p(x / divisor.value));
}
GRADOPS_FN double Log1pOfQuotient(double x, const LogDivisor& divisor) {
  return CalledLog1p(x / divisor.value);
}

/// An exponent >= 0, with what SIMD functions need of it, found once.
struct Exponent {
  double value;
  int halves;        // twice the value if that is an integer up to 16; else -1, or -2 above 8
  float head, rest;  // their sum is the value, to 36 bits, or 1e30; head has 12 bits

  GRADOPS_FN explicit Exponent(double exponent) : value(exponent) {
    const double bounded = Min(exponent, 1e30), twice = Min(2 * exponent, 17.0);
    halves = static_cast<int>(twice);
    if (halves != twice || halves > 16) halves = exponent > 8 ? -2 : -1;
    head = BitCast<float>(BitCast<uint32_t>(static_cast<float>(bounded)) & 0xfffff000u);
    rest = static_cast<float>(bounded - head);
  }
};
/// x^exponent for x >= 0.
GRADOPS_FN float Pow(float x, const Exponent& exponent) {
  return static_cast<float>(CalledPow(x, exponent.value));
}
GRADOPS_FN double Pow(double x, const Exponent& exponent) { return CalledPow(x, exponent.value); }

/// -1, 0 or 1; NaN for NaN.
template <class V>
GRADOPS_FN V Sign(V x) {
  return Select(Abs(x) > V(0), CopySign(V(1), x), x);
}

}  // namespace gradops::math
