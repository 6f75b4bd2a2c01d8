#pragma once

#include "math/scalar.h"

namespace gradops::math {

// A penalty rho is a struct that is made from its parameter, with functions for scalars or SIMD
// vectors V:
//   Value(r)      rho(r)
//   Slope(r)      rho'(r): exactly 0 at r = 0, NaN where r is NaN
//   Curvature(r)  rho''(r)
// A row of family/registry.h names it; kernels, ops and Python follow from that.

/// rho(r) = |r|. Slope and curvature are 0 at r = 0.
struct L1Penalty {
  GRADOPS_FN explicit L1Penalty(double) {}

  template <class V>
  GRADOPS_FN V Value(V r) const {
    return Abs(r);
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return Sign(r);
  }
  template <class V>
  GRADOPS_FN V Curvature(V) const {
    return V(0);
  }
};

/// rho(r) = r^2.
struct L2Penalty {
  GRADOPS_FN explicit L2Penalty(double) {}

  template <class V>
  GRADOPS_FN V Value(V r) const {
    return r * r;
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return r + r;
  }
  template <class V>
  GRADOPS_FN V Curvature(V r) const {
    return Select(Abs(r) >= V(0), V(2), r);
  }
};

/// rho(r) = sqrt(r^2 + epsilon^2).
struct CharbonnierPenalty {
  double epsilon;
  /// Bounded below so that its square is not 0 in float.
  GRADOPS_FN explicit CharbonnierPenalty(double parameter)
      : epsilon(parameter > 1e-18 ? parameter : 1e-18) {}

  template <class V>
  GRADOPS_FN V Value(V r) const {
    return Sqrt(r * r + V(epsilon * epsilon));
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return r / Value(r);
  }
  template <class V>
  GRADOPS_FN V Curvature(V r) const {
    const V value = Value(r), ratio = V(epsilon) / value;
    return ratio * ratio / value;
  }
};

/// rho(r) = r^2 / 2 where |r| <= delta, else delta * (|r| - delta / 2).
struct HuberPenalty {
  double delta;
  GRADOPS_FN explicit HuberPenalty(double parameter)
      : delta(parameter > 1e-30 ? parameter : 1e-30) {}

  template <class V>
  GRADOPS_FN V Value(V r) const {
    const V magnitude = Abs(r);
    return Select(magnitude > V(delta), V(delta) * (magnitude - V(0.5 * delta)), V(0.5) * r * r);
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return Select(Abs(r) > V(delta), CopySign(V(delta), r), r);
  }
  template <class V>
  GRADOPS_FN V Curvature(V r) const {
    const V magnitude = Abs(r);
    return Select(magnitude > V(delta), V(0), Select(magnitude >= V(0), V(1), r));
  }
};

/// rho(r) = min(|r|, delta). Slope and curvature are 0 at r = 0 and from |r| = delta on.
struct TruncatedPenalty {
  double delta;
  GRADOPS_FN explicit TruncatedPenalty(double parameter) : delta(parameter) {}

  template <class V>
  GRADOPS_FN V Value(V r) const {
    const V magnitude = Abs(r);
    return Select(magnitude > V(delta), V(delta), magnitude);
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return Select(Abs(r) >= V(delta), V(0), Sign(r));
  }
  template <class V>
  GRADOPS_FN V Curvature(V) const {
    return V(0);
  }
};

/// rho(r) = log(1 + |r| / epsilon). Slope and curvature are 0 at r = 0.
struct LogPenalty {
  LogDivisor epsilon;
  GRADOPS_FN explicit LogPenalty(double parameter)
      : epsilon(parameter > 1e-30 ? parameter : 1e-30) {}

  template <class V>
  GRADOPS_FN V Value(V r) const {
    return Log1pOfQuotient(Abs(r), epsilon);
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return Sign(r) / (V(epsilon.value) + Abs(r));
  }
  template <class V>
  GRADOPS_FN V Curvature(V r) const {
    const V slope = Slope(r);
    return V(0) - slope * slope;
  }
};

/// rho(r) = |r|^alpha, alpha >= 1. At r = 0 the curvature is its limit if that is finite, else 0.
struct PowerPenalty {
  double alpha;
  Exponent slope_exponent, curvature_exponent;
  GRADOPS_FN explicit PowerPenalty(double parameter)
      : alpha(parameter),
        slope_exponent(alpha - 1),
        curvature_exponent(alpha >= 2 ? alpha - 2 : 0) {}

  template <class V>
  GRADOPS_FN V Value(V r) const {
    return Lower(r) * Abs(r);
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
    return V(alpha) * Lower(r) * Sign(r);
  }
  template <class V>
  GRADOPS_FN V Curvature(V r) const {
    const V magnitude = Abs(r);
    const V power = alpha >= 2 ? Pow(magnitude, curvature_exponent) : Lower(r) / magnitude;
    // r + ... keeps a NaN.
    return Select(magnitude > V(0), V(alpha * (alpha - 1)) * power, r * r + V(alpha == 2 ? 2 : 0));
  }

 private:
  /// |r|^(alpha - 1).
  template <class V>
  GRADOPS_FN V Lower(V r) const {
    return Pow(Abs(r), slope_exponent);
  }
};

}  // namespace gradops::math
