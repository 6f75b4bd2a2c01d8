#ifndef GRADOPS_CPU_SIMD_MATH_H_
#define GRADOPS_CPU_SIMD_MATH_H_

#include "cpu/simd.h"

// Logarithm and power of non-negative numbers, with basic arithmetic alone: the same bits on every
// target. Errors as measured by tests/test_simd_math.py.

namespace gradops::cpu::GRADOPS_TARGET {

typedef Simd<double>::Register Doubles;
typedef uint64_t Longs __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));

/// Adding it to a small integer leaves that integer in the low bits of the sum.
inline constexpr double kShift = 0x1.8p52;

/// x = mantissa * 2^exponent with the mantissa in [sqrt(1/2), sqrt(2)), for normal positive x.
struct Scaled {
  Doubles mantissa, exponent;
};
GRADOPS_FN Scaled Decompose(Doubles x) {
  // Counted from sqrt(1/2), and from -1024 to keep it positive.
  const Longs bits = (Longs)x, counted = bits - 0x3fe6a09e667f3bcdu + (1024ull << 52);
  const Longs exponent = (counted >> 52) - 1024;
  return {(Doubles)(bits - (exponent << 52)),
          (Doubles)(exponent + (Longs)(Doubles{} + kShift)) - kShift};
}

/// log(1 + f) + exponent * log(2) for 1 + f in [sqrt(1/2), sqrt(2)); `tail` is added last.
/// The series of fdlibm's e_log.c (Sun Microsystems, 1993), error below 1 ulp.
GRADOPS_FN Doubles LogOf(Doubles f, Doubles exponent, Doubles tail) {
  const Doubles s = f / (2.0 + f), z = s * s, w = z * z;
  const Doubles odd = w * (3.999999999940941908e-01 +
                           w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const Doubles even = z * (6.666666666666735130e-01 +
                            w * (2.857142874366239149e-01 +
                                 w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const Doubles half_square = 0.5 * f * f, r = odd + even;
  const Doubles low = s * (half_square + r) + (exponent * 1.90821492927058770002e-10 + tail);
  return exponent * 6.93147180369123816490e-01 - ((half_square - low) - f);
}

/// exp(x), 0 below -708 and infinite above 709.
GRADOPS_FN Doubles Exp(Doubles x) {
  const Doubles in_range = x < -708.0 ? Doubles{} - 708.0 : (x > 709.0 ? Doubles{} + 709.0 : x);
  const Doubles shifted = in_range * 1.44269504088896338700 + kShift;
  const Doubles n = shifted - kShift;
  const Doubles r = (in_range - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  // Taylor to r^13: |r| <= 0.35, remainder below 2^-57.
  Doubles p = Doubles{} + 1.0 / 6227020800.0;
  constexpr double kFactorials[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
      1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5};
#pragma GCC unroll 16
  for (double factor : kFactorials) p = p * r + factor;
  p = (p * r) * r + r;
  const Longs scale = ((Longs)shifted << 52) + (1023ull << 52);
  Doubles result = (Doubles)scale + (Doubles)scale * p;
  result = x < -708.0 ? Doubles{} : result;
  result = x > 709.0 ? Doubles{} + __builtin_inf() : result;
  return x == x ? result : x;
}

/// log(1 + x) for x >= 0: log of u = 1 + x, and what the sum lost, divided by u.
GRADOPS_FN Doubles Log1pOf(Doubles x) {
  const Doubles u = 1.0 + x;
  const Doubles lost = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
  const Scaled scaled = Decompose(u);
  const Doubles result = LogOf(scaled.mantissa - 1.0, scaled.exponent, lost / u);
  return x < __builtin_inf() ? result : x;  // infinite and NaN
}

/// x^exponent for x >= 0.
GRADOPS_FN Doubles PowOf(Doubles x, double exponent) {
  const Scaled scaled = Decompose(x);
  const Doubles result = Exp(exponent * LogOf(scaled.mantissa - 1.0, scaled.exponent, Doubles{}));
  const Doubles at_ends = x > 1.0 ? x : (x >= 0.0 ? Doubles{} : x);  // infinite, (nearly) 0, NaN
  return x >= 0x1p-1022 && x < __builtin_inf() ? result : at_ends;
}

GRADOPS_FN Simd<double> Log1p(Simd<double> x) { return Simd<double>(Log1pOf(x.v)); }
GRADOPS_FN Simd<double> Pow(Simd<double> x, double exponent) {
  return Simd<double>(PowOf(x.v, exponent));
}

/// A function of doubles for floats, through double: rounded once, so right to the last bit in all
/// but some cases in a million.
template <class F>
GRADOPS_FN Simd<float> ThroughDouble(Simd<float> x, F&& f) {
  typedef float HalfFloats __attribute__((vector_size(GRADOPS_VECTOR_BYTES / 2)));
  struct Halves {
    HalfFloats low, high;
  } halves;
  __builtin_memcpy(&halves, &x.v, sizeof(halves));
  halves.low = __builtin_convertvector(f(__builtin_convertvector(halves.low, Doubles)), HalfFloats);
  halves.high =
      __builtin_convertvector(f(__builtin_convertvector(halves.high, Doubles)), HalfFloats);
  __builtin_memcpy(&x.v, &halves, sizeof(halves));
  return x;
}
GRADOPS_FN Simd<float> Log1p(Simd<float> x) {
  return ThroughDouble(x, [](Doubles wide) GRADOPS_LAMBDA { return Log1pOf(wide); });
}
GRADOPS_FN Simd<float> Pow(Simd<float> x, double exponent) {
  return ThroughDouble(x, [=](Doubles wide) GRADOPS_LAMBDA { return PowOf(wide, exponent); });
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_SIMD_MATH_H_
