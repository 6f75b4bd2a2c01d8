#ifndef GRADOPS_MATH_SCALAR_H_
#define GRADOPS_MATH_SCALAR_H_

#include "math/macros.h"

namespace gradops::math {

// The primitives that penalties and responses are written in, for one number. A SIMD type offers
// the same names as friends (cpu/simd.h), found by argument-dependent lookup.

GRADOPS_FN float Abs(float x) { return __builtin_fabsf(x); }
GRADOPS_FN double Abs(double x) { return __builtin_fabs(x); }

/// The magnitude of x with the sign of y.
GRADOPS_FN float CopySign(float x, float y) { return __builtin_copysignf(x, y); }
GRADOPS_FN double CopySign(double x, double y) { return __builtin_copysign(x, y); }

GRADOPS_FN float Select(bool condition, float yes, float no) { return condition ? yes : no; }
GRADOPS_FN double Select(bool condition, double yes, double no) { return condition ? yes : no; }

}  // namespace gradops::math

#endif  // GRADOPS_MATH_SCALAR_H_
