#ifndef GRADOPS_MATH_PENALTY_H_
#define GRADOPS_MATH_PENALTY_H_

#include "math/scalar.h"

namespace gradops::math {

// A penalty rho is a struct with two members over a number or a SIMD vector V:
//   Value(r)  rho(r)
//   Slope(r)  rho'(r): exactly 0 at r = 0, NaN where r is NaN
// It is named once more, in core/registry.h; kernels, ops and Python follow from there.

/// rho(r) = |r|. The slope at the kink is 0.
struct L1Penalty {
  template <class V>
  GRADOPS_FN V Value(V r) const {
    return Abs(r);
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return Select(Abs(r) > V(0), CopySign(V(1), r), r);
  }
};

/// rho(r) = r^2.
struct L2Penalty {
  template <class V>
  GRADOPS_FN V Value(V r) const {
    return r * r;
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return r + r;
  }
};

}  // namespace gradops::math

#endif  // GRADOPS_MATH_PENALTY_H_
