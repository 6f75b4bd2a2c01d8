#pragma once

#include "cpu/simd/simd_convert.h"

// Logarithm and power of non-negative numbers in basic arithmetic, so that every target gives the
// same bits. The errors stated are those that tests/test_family_accuracy.py measures.

namespace gradops::cpu::GRADOPS_TARGET {

/// Marks a long function of its arguments alone: it is not inlined, and compilers call it once
/// where a value and its slope both need it.
#define GRADOPS_LONG_FN inline __attribute__((noinline, const))

typedef uint64_t Longs __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));

/// Added to a small integer, it leaves that integer in the low bits of the sum.
inline constexpr double kShift = 0x1.8p52;

/// x = mantissa * 2^exponent with the mantissa in [sqrt(1/2), sqrt(2)), for normal positive x.
struct Scaled {
  Doubles mantissa, exponent;
};
GRADOPS_FN Scaled Decompose(Doubles x) {
  // The exponent is counted from sqrt(1/2), and from -1024 so that it is positive.
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

/// 2^(whole + rest), where `whole` is an integer and `rest` small; 0 below 2^-1021.
GRADOPS_FN Doubles Exp2Of(Doubles whole, Doubles rest) {
  const Doubles shifted = rest + kShift, n = whole + (shifted - kShift);
  const Doubles r = (rest - (shifted - kShift)) * 6.93147180559945309417e-01;
  // Taylor to r^13: |r| <= 0.35, remainder below 2^-57.
  Doubles p = Doubles{} + 1.0 / 6227020800.0;
  constexpr double kFactorials[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
      1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5};
#pragma GCC unroll 16
  for (double factor : kFactorials) p = p * r + factor;
  p = (p * r) * r + r;
  // 2^(n - 1), which is finite even where 2^n is not.
  const Doubles half_scale = (Doubles)(((Longs)(n + kShift) << 52) + (1022ull << 52));
  Doubles result = 2.0 * (half_scale + half_scale * p);
  result = n < -1021.0 ? Doubles{} : result;
  return n > 1024.0 ? Doubles{} + __builtin_inf() : result;
}

/// log(1 + x / divisor) for x >= 0: log(u) of the rounded sum u = 1 + x / divisor, plus its
/// rounding error divided by u.
GRADOPS_LONG_FN Doubles Log1pOf(Doubles x, double divisor) {
  x /= divisor;
  const Doubles u = 1.0 + x;
  const Doubles lost = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
  const Scaled scaled = Decompose(u);
  const Doubles result = LogOf(scaled.mantissa - 1.0, scaled.exponent, lost / u);
  return x < __builtin_inf() ? result : x;  // infinite and NaN
}

/// x^(halves / 2).
GRADOPS_FN Doubles Product(Doubles x, int halves) {
  Doubles product = Doubles{} + 1.0;
  if (halves % 2 != 0) product = Sqrt(Simd<double>(x)).v;
  for (int n = halves / 2; n != 0; n /= 2) {
    if (n % 2 != 0) product *= x;
    x *= x;
  }
  return product;
}

/// x^exponent for x >= 0, to about 2 + exponent / 2 ulps.
GRADOPS_LONG_FN Doubles PowOf(Doubles x, double exponent, int halves) {
  if (halves >= 0) return Product(x, halves);
  const Scaled scaled = Decompose(x);
  const Doubles log2 = 1.44269504088896338700 * LogOf(scaled.mantissa - 1.0, Doubles{}, Doubles{});
  // The product of the exponents is exact in two parts: 24 bits times 11, and the rest.
  const double head = exponent < 1e9 ? static_cast<float>(exponent) : exponent;
  const Doubles product = head * scaled.exponent, whole = (product + kShift) - kShift;
  const Doubles rest = (product - whole) + ((exponent - head) * scaled.exponent + exponent * log2);
  const Doubles result = Exp2Of(whole, rest);
  const Doubles at_ends = x > 1.0 ? x : (x >= 0.0 ? Doubles{} : x);  // infinite, (nearly) 0, NaN
  return x >= 0x1p-1022 && x < __builtin_inf() ? result : at_ends;
}

GRADOPS_FN Simd<double> Log1pOfQuotient(Simd<double> x, const math::LogDivisor& divisor) {
  return Simd<double>(Log1pOf(x.v, divisor.value));
}
GRADOPS_FN Simd<double> Pow(Simd<double> x, const math::Exponent& exponent) {
  return Simd<double>(PowOf(x.v, exponent.value, exponent.halves));
}

}  // namespace gradops::cpu::GRADOPS_TARGET
