#pragma once

#include "cpu/simd/simd_math.h"

// Logarithm and power of floats, in floats: half the work of doubles, and no division. Errors: of
// the logarithm 1 ulp, or 2.5 where the divisor is no power of two; of the power 0.9 ulp for
// exponents up to 2, 7 for 32. tests/test_family_accuracy.py measures them.

namespace gradops::cpu::GRADOPS_TARGET {

/// 16 numbers, of which every lane takes its own.
struct FloatTable {
  float entries[16];

  /// The entries that the lowest four bits of `index` say.
  GRADOPS_FN Floats At(Words index) const {
    const auto from = [this](int entry) { return Simd<float>::Load(entries + entry).v; };
    constexpr int kLanes = Simd<float>::kLanes;
    if constexpr (kLanes == 16) return Shuffled(from(0), index);
    if constexpr (kLanes == 8) return Shuffled(from(0), from(8), index);
    Floats found;
    for (int i = 0; i < kLanes; ++i) found[i] = entries[index[i] & 15];
    return found;
  }
};

/// Inverses of the centres 1 + i / 16, for i = 0 .. 15.
inline constexpr FloatTable kInverse = {{1, 1 / 1.0625f, 1 / 1.125f, 1 / 1.1875f, 1 / 1.25f,
                                         1 / 1.3125f, 1 / 1.375f, 1 / 1.4375f, 1 / 1.5f,
                                         1 / 1.5625f, 1 / 1.625f, 1 / 1.6875f, 1 / 1.75f,
                                         1 / 1.8125f, 1 / 1.875f, 1 / 1.9375f}};
// Natural logarithms of the centres, in 15 bits after the point and the rest.
inline constexpr FloatTable kLog = {{0, 0x1.f0cp-5f, 0x1.e28p-4f, 0x1.5ffp-3f, 0x1.c9p-3f,
                                     0x1.1678p-2f, 0x1.4618p-2f, 0x1.73ap-2f, 0x1.9f3p-2f,
                                     0x1.c9p-2f, 0x1.f128p-2f, 0x1.0be8p-1f, 0x1.1e84p-1f,
                                     0x1.307cp-1f, 0x1.41d8p-1f, 0x1.52a4p-1f}};
inline constexpr FloatTable kLogRest = {
    {0, -0x1.cf3feep-17f, -0x1.f123aap-17f, 0x1.83853cp-18f, -0x1.070cacp-20f, -0x1.1aa2a2p-17f,
     0x1.78438cp-19f, -0x1.404a22p-17f, 0x1.1f65fcp-17f, -0x1.070cacp-19f, 0x1.ebf5ep-19f,
     -0x1.a37b5ap-18f, 0x1.f5e704p-17f, 0x1.7334f2p-17f, 0x1.fd08cep-18f, -0x1.2d9a44p-17f}};

#if GRADOPS_VECTOR_BYTES == 16
#define GRADOPS_LOG_FN GRADOPS_LONG_FN  // its look-ups are long
#else
#define GRADOPS_LOG_FN GRADOPS_FN
#endif

/// log(1 + x / divisor) for x >= 0, where unit and factor are the divisor's. An x below 2^-122 may
/// lose its digits.
GRADOPS_LOG_FN Floats Log1pOf(Floats x, Floats unit, Floats factor) {
  typedef Simd<float>::RegisterMask Integers;
  // All in units of the divisor's unit: 1 + x / divisor = centre * (1 + r) with 0 <= r < 1/16,
  // where the centre is 2^whole * (1 + i / 16). What the centre is above 1 is exact, unless it is
  // so large that it does not matter: so r is right even where the sum has lost what x is.
  const Floats quotient = x * factor;
  const Words sum = (Words)(unit + quotient), counted = sum - (Words)unit, i = counted >> 19;
  const Floats whole = __builtin_convertvector((Integers)counted >> 23, Floats);
  const Floats centre = (Floats)(sum & 0xfff80000u);
  const Floats inverse = (Floats)((Words)kInverse.At(i) + 0x3f800000u - (sum & 0xff800000u));
  const Floats r = (quotient - (centre - unit)) * inverse;
  // (log(1 + r) - r) / r^2, with the least relative error of the logarithm.
  const Floats bend =
      (-0x1.fffff6p-2f + r * 0x1.554f06p-2f) + r * r * (-0x1.fd92eap-3f + r * 0x1.69e8bap-3f);
  const Floats head = whole * 0x1.62e4p-1f + kLog.At(i);
  const Floats rest = whole * 0x1.7f7d1cp-20f + kLogRest.At(i);
  const Floats result = head + (r + (rest + r * r * bend));
  return x < __builtin_inff() ? result : x;  // infinite and NaN
}
GRADOPS_FN Simd<float> Log1pOfQuotient(Simd<float> x, const math::LogDivisor& divisor) {
  return Simd<float>(Log1pOf(x.v, Floats{} + divisor.unit, Floats{} + divisor.factor));
}

// For powers: log2 of the centres, in 12 bits and the rest; and 2^(i / 16), as the nearest float
// and the rest.
inline constexpr FloatTable kLog2 = {{0, 0x1.66p-4f, 0x1.5cp-3f, 0x1.fcp-3f, 0x1.49cp-2f,
                                      0x1.91cp-2f, 0x1.d68p-2f, 0x1.0c2p-1f, 0x1.2b8p-1f,
                                      0x1.49ap-1f, 0x1.66ap-1f, 0x1.828p-1f, 0x1.9d6p-1f,
                                      0x1.b74p-1f, 0x1.d06p-1f, 0x1.e88p-1f}};
inline constexpr FloatTable kLog2Rest = {
    {0, 0x1.fb7d64p-15f, 0x1.a39fbep-19f, -0x1.f4a37ep-14f, -0x1.87b432p-14f, -0x1.15db84p-16f,
     -0x1.583f9ap-15f, -0x1.f5fe54p-14f, 0x1.a39fbep-20f, 0x1.e12f34p-15f, 0x1.1c8f12p-22f,
     0x1.3ab7cep-18f, -0x1.301580p-16f, 0x1.291eaap-14f, -0x1.8125b4p-14f, 0x1.8d66c4p-14f}};
inline constexpr FloatTable kExp2 = {
    {1, 0x1.0b5586p+0f, 0x1.172b84p+0f, 0x1.2387a6p+0f, 0x1.306fe0p+0f, 0x1.3dea64p+0f,
     0x1.4bfdaep+0f, 0x1.5ab07ep+0f, 0x1.6a09e6p+0f, 0x1.7a1148p+0f, 0x1.8ace54p+0f, 0x1.9c4918p+0f,
     0x1.ae89fap+0f, 0x1.c199bep+0f, 0x1.d5818ep+0f, 0x1.ea4afap+0f}};
inline constexpr FloatTable kExp2Rest = {
    {0, 0x1.9f3122p-25f, -0x1.c15742p-27f, 0x1.ceac48p-25f, 0x1.4636e2p-25f, 0x1.824684p-25f,
     -0x1.593abcp-25f, -0x1.5bd5ecp-27f, 0x1.9fcef4p-26f, -0x1.829fdp-25f, 0x1.15506ep-27f,
     0x1.51f848p-27f, -0x1.a94b14p-26f, -0x1.3d56b2p-27f, -0x1.822dbcp-27f, 0x1.52486cp-27f}};

/// Added to a small number, it leaves its sixteenths in the low bits of the sum.
inline constexpr float kSixteenths = 0x1.8p19f;

/// a * 2^floor(n) for a in [1/2, 4) and n, a multiple of 1/16.
GRADOPS_FN Floats TimesExp2(Floats a, Floats n) {
#if defined(__AVX512F__)
  return (Floats)_mm512_maskz_scalef_ps(kAllLanes, (__m512)a, (__m512)n);
#else
  typedef Simd<float>::RegisterMask Integers;
  n = n < -252.0f ? Floats{} - 252.0f : n;
  n = n > 252.0f ? Floats{} + 252.0f : n;
  const Integers whole =
                     (Integers)((Words)(n + kSixteenths) - (Words)(Floats{} + kSixteenths)) >> 4,
                 half = whole >> 1;
  // In two steps, of which the second alone rounds.
  return a * (Floats)((half + 127) << 23) * (Floats)((whole - half + 127) << 23);
#endif
}

/// x^exponent = 2^(exponent log2 x) for x >= 0, where the exponent is halves / 2 or, if that is
/// negative, head + rest.
GRADOPS_LONG_FN Floats PowOf(Floats x, int halves, Floats head, Floats rest) {
  if (halves == 1) return Sqrt(Simd<float>(x)).v;
  if (halves >= 0) return Joined(Product(LowHalf(x), halves), Product(HighHalf(x), halves));
  // x = mantissa * 2^whole = centre * (1 + r) * 2^whole with |r| <= 1/32.
  typedef Simd<float>::RegisterMask Integers;
  const Words i = (Words)x - 0x3f800000u + (1u << 18);  // sixteenths, and 19 bits of the rest
  const Floats whole = __builtin_convertvector((Integers)i >> 23, Floats);
  const Floats mantissa = (Floats)((Words)x - (i & 0xff800000u));
  const Floats centre = (Floats)((i & 0x780000u) | 0x3f800000u);
  const Floats r = (mantissa - centre) * kInverse.At(i >> 19);
  // log2(1 + r) / r. This polynomial and the next interpolate at Chebyshev nodes.
  const Floats log2_ratio =
      (0x1.715476p+0f + r * -0x1.7154b6p-1f) + r * r * (0x1.ec7eb4p-2f + r * -0x1.6851c4p-2f);

  // The exponent of 2. Most of what it is made of is kept in numbers of few bits, whose products
  // are exact; and what is small beside them.
  const Floats exponent = head + rest, exponent_r = exponent * r;
  const Floats known = whole + kLog2.At(i >> 19);
  const Floats of_whole = head * whole, of_centre = head * kLog2.At(i >> 19);
  const Floats small = (rest * known + exponent * kLog2Rest.At(i >> 19)) + exponent_r * log2_ratio;
  // Rounded to sixteenths before `small` is known, unless the exponent is large: |z| stays near
  // 1/32, for which the second polynomial is made.
  const Floats nearly =
      exponent * known + exponent_r * (halves < -1 ? log2_ratio : Floats{} + 0x1.7p+0f);
  const Floats shifted = nearly + kSixteenths, sixteenths = shifted - kSixteenths;
  const Floats z = ((of_whole - sixteenths) + of_centre) + small;
  // (2^z - 1) / z
  const Floats exp2_ratio = (0x1.62e43p-1f + z * 0x1.ebff92p-3f) + z * z * 0x1.c6b29ap-5f;
  const Floats table = kExp2.At((Words)shifted), table_rest = kExp2Rest.At((Words)shifted);
  Floats result = TimesExp2(table + (table_rest + (table * z) * exp2_ratio), sixteenths);
  if (halves < -1) {  // There may be more sixteenths than a float can count.
    result = nearly < -200.0f ? Floats{} : result;
    result = nearly > 200.0f ? Floats{} + __builtin_inff() : result;
  }
  result = x >= 0x1p-126f ? result : Floats{};
  return x < __builtin_inff() ? result : x;  // infinite and NaN
}

// One call, whatever the exponent, so that compilers see what a value and its slope share.
GRADOPS_FN Simd<float> Pow(Simd<float> x, const math::Exponent& exponent) {
  return Simd<float>(
      PowOf(x.v, exponent.halves, Floats{} + exponent.head, Floats{} + exponent.rest));
}

}  // namespace gradops::cpu::GRADOPS_TARGET
