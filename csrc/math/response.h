#pragma once

#include "math/gradient.h"
#include "math/scalar.h"

namespace gradops::math {

/// The products of a vector with the second derivatives at one pixel: H_pp v and H_tp v.
template <class V>
struct SecondSlopes {
  Gradient<V> by_pred, by_true;
};

// A response says what is compared at a pixel, given the gradients p and t of y_pred and y_true
// there. With rho the penalty and r the residual or residuals:
//   Values(rho, p, t)      rho of each residual, in .y and .x; a joint response has one, in .y
//   Slopes(rho, p, t)      d(sum of the values) / dp; exactly 0 for p = t
//   Second(rho, p, t, v)   d<Slopes, v> / dp and d<Slopes, v> / dt
// Every response is symmetric in p and t, so slopes by t are Slopes(rho, t, p).
//   kResiduals     2, or 1 for a joint response
//   kDifference    whether the response sees p - t alone: it is given as p, and t is not read
//   kHasFastPaths  whether kernels have fast paths for it with some stencils

/// r_k = g_k(p) - g_k(t).
struct ComponentResponse {
  static constexpr int kResiduals = 2;
  static constexpr bool kDifference = true;
  static constexpr bool kHasFastPaths = true;
  GRADOPS_FN explicit ComponentResponse(double) {}

  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Values(const Penalty& rho, Gradient<V> p, Gradient<V>) const {
    return {rho.Value(p.y), rho.Value(p.x)};
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Slopes(const Penalty& rho, Gradient<V> p, Gradient<V>) const {
    return {rho.Slope(p.y), rho.Slope(p.x)};
  }
  template <class Penalty, class V>
  GRADOPS_FN SecondSlopes<V> Second(const Penalty& rho, Gradient<V> p, Gradient<V>,
                                    Gradient<V> v) const {
    const Gradient<V> by_pred = {rho.Curvature(p.y) * v.y, rho.Curvature(p.x) * v.x};
    return {by_pred, V(-1) * by_pred};
  }
};

/// r = gy(p) + gx(p) - (gy(t) + gx(t)): with the stencils laplace and laplace8, the difference of
/// the Laplacians. Those have no fast paths.
struct SumResponse {
  static constexpr int kResiduals = 1;
  static constexpr bool kDifference = true;
  static constexpr bool kHasFastPaths = false;
  GRADOPS_FN explicit SumResponse(double) {}

  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Values(const Penalty& rho, Gradient<V> p, Gradient<V>) const {
    return {rho.Value(p.y + p.x), V(0)};
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Slopes(const Penalty& rho, Gradient<V> p, Gradient<V>) const {
    const V slope = rho.Slope(p.y + p.x);
    return {slope, slope};
  }
  template <class Penalty, class V>
  GRADOPS_FN SecondSlopes<V> Second(const Penalty& rho, Gradient<V> p, Gradient<V>,
                                    Gradient<V> v) const {
    const V curved = rho.Curvature(p.y + p.x) * (v.y + v.x);
    return {{curved, curved}, {V(0) - curved, V(0) - curved}};
  }
};

/// r_k = |g_k(p)| - |g_k(t)|. The derivative of |x| at 0 is 0.
struct AbsoluteResponse {
  static constexpr int kResiduals = 2;
  static constexpr bool kDifference = false;
  static constexpr bool kHasFastPaths = true;
  GRADOPS_FN explicit AbsoluteResponse(double) {}

  template <class V>
  GRADOPS_FN Gradient<V> Residuals(Gradient<V> p, Gradient<V> t) const {
    return {Abs(p.y) - Abs(t.y), Abs(p.x) - Abs(t.x)};
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Values(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    const Gradient<V> r = Residuals(p, t);
    return {rho.Value(r.y), rho.Value(r.x)};
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Slopes(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    const Gradient<V> r = Residuals(p, t), sign = Signs(p);
    return {rho.Slope(r.y) * sign.y, rho.Slope(r.x) * sign.x};
  }
  template <class Penalty, class V>
  GRADOPS_FN SecondSlopes<V> Second(const Penalty& rho, Gradient<V> p, Gradient<V> t,
                                    Gradient<V> v) const {
    const Gradient<V> r = Residuals(p, t), sp = Signs(p), st = Signs(t);
    const V cy = rho.Curvature(r.y) * sp.y * v.y, cx = rho.Curvature(r.x) * sp.x * v.x;
    return {{cy * sp.y, cx * sp.x}, {V(0) - cy * st.y, V(0) - cx * st.x}};
  }
};

/// r = m(p) - m(t), m(g) = sqrt(gx^2 + gy^2 + epsilon). Both derivatives of m are 0 where m is 0.
struct MagnitudeResponse {
  static constexpr int kResiduals = 1;
  static constexpr bool kDifference = false;
  static constexpr bool kHasFastPaths = true;
  double epsilon;
  GRADOPS_FN explicit MagnitudeResponse(double parameter) : epsilon(parameter) {}

  template <class V>
  GRADOPS_FN V Magnitude(Gradient<V> g) const {
    return Sqrt(Dot(g, g) + V(epsilon));
  }
  /// 1 / m, but 0 where m is 0.
  template <class V>
  GRADOPS_FN V Inverse(V m) const {
    return Select(Abs(m) > V(0), V(1) / m, m);
  }
  /// dm / dg.
  template <class V>
  GRADOPS_FN Gradient<V> Unit(Gradient<V> g) const {
    return Inverse(Magnitude(g)) * g;
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Values(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    return {rho.Value(Magnitude(p) - Magnitude(t)), V(0)};
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Slopes(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    return rho.Slope(Magnitude(p) - Magnitude(t)) * Unit(p);
  }
  template <class Penalty, class V>
  GRADOPS_FN SecondSlopes<V> Second(const Penalty& rho, Gradient<V> p, Gradient<V> t,
                                    Gradient<V> v) const {
    const V r = Magnitude(p) - Magnitude(t), inverse = Inverse(Magnitude(p));
    const Gradient<V> unit = Unit(p);
    const V curved = rho.Curvature(r) * Dot(unit, v);
    return {curved * unit + (rho.Slope(r) * inverse) * Across(unit, inverse, v),
            (V(0) - curved) * Unit(t)};
  }

 private:
  /// v - u (u . v), written so that nothing cancels: because |u|^2 = 1 - epsilon / m^2, it is the
  /// part of v across u plus (epsilon / m^2) v.
  template <class V>
  GRADOPS_FN Gradient<V> Across(Gradient<V> u, V inverse, Gradient<V> v) const {
    const V turn = u.x * v.y - u.y * v.x, rest = V(epsilon) * inverse * inverse;
    return {u.x * turn + rest * v.y, rest * v.x - u.y * turn};
  }
};

/// r = 1 - cos(angle between p and t) = |u_p - u_t|^2 / 2 with the unit gradients u: exactly 0 for
/// equal ones. r and its derivatives are 0 where either magnitude is below epsilon or 0. It takes
/// so many operations that the stencil's passes hardly matter, and so does the next.
struct DirectionResponse {
  static constexpr int kResiduals = 1;
  static constexpr bool kDifference = false;
  static constexpr bool kHasFastPaths = false;
  double epsilon;
  GRADOPS_FN explicit DirectionResponse(double parameter) : epsilon(parameter) {}

  /// For p at angle a and t at angle b: residual = 1 - cos(b - a). What is found from the others
  /// holds where `both` is 1. That is 0 where p or t is too short, and NaN where either is NaN, or
  /// too long to be squared and the other is long enough.
  template <class V>
  struct Turn {
    V both;
    Gradient<V> unit_p, unit_t;
    V inverse_p, inverse_t;  // 1 / |p|, 1 / |t|
    V residual, sine;        // sine = sin(b - a)

    GRADOPS_FN V Gated(V value) const { return Select(both > V(0), value, both); }
    GRADOPS_FN Gradient<V> Gated(Gradient<V> g) const { return {Gated(g.y), Gated(g.x)}; }
  };
  template <class V>
  GRADOPS_FN Turn<V> TurnOf(Gradient<V> p, Gradient<V> t) const {
    const V mp = Sqrt(Dot(p, p)), mt = Sqrt(Dot(t, t));
    const V longer = Gate(mp) * Gate(mt);
    Turn<V> turn;
    turn.both = Select(longer > V(0), V(1) + ((mp - mp) + (mt - mt)), longer);
    turn.inverse_p = V(1) / Select(turn.both > V(0), mp, V(1));
    turn.inverse_t = V(1) / Select(turn.both > V(0), mt, V(1));
    turn.unit_p = turn.inverse_p * p;
    turn.unit_t = turn.inverse_t * t;
    const Gradient<V> apart = turn.unit_p - turn.unit_t;
    turn.residual = turn.Gated(V(0.5) * Dot(apart, apart));
    turn.sine = turn.unit_p.x * turn.unit_t.y - turn.unit_p.y * turn.unit_t.x;
    return turn;
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Values(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    return {rho.Value(TurnOf(p, t).residual), V(0)};
  }
  /// dr/da = -sine and da/dp = (-y, x) / |p|^2 in the order (x, y).
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Slopes(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    const Turn<V> turn = TurnOf(p, t);
    return turn.Gated((V(0) - rho.Slope(turn.residual) * turn.sine) *
                      AngleSlope(turn.unit_p, turn.inverse_p));
  }
  template <class Penalty, class V>
  GRADOPS_FN SecondSlopes<V> Second(const Penalty& rho, Gradient<V> p, Gradient<V> t,
                                    Gradient<V> v) const {
    const Turn<V> turn = TurnOf(p, t);
    const V slope = rho.Slope(turn.residual), curvature = rho.Curvature(turn.residual);
    const V cosine = V(1) - turn.residual;
    const Gradient<V> qp = AngleSlope(turn.unit_p, turn.inverse_p);
    const Gradient<V> qt = AngleSlope(turn.unit_t, turn.inverse_t);
    // The second derivative of rho(r) by a twice; by a and b it is the negative of that.
    const V curved = curvature * turn.sine * turn.sine + slope * cosine;
    // The second derivative of the angle itself times v: -(u q^T + q u^T) v / |p|.
    const Gradient<V> angle_v =
        (V(0) - turn.inverse_p) * (Dot(qp, v) * turn.unit_p + Dot(turn.unit_p, v) * qp);
    return {turn.Gated((curved * Dot(qp, v)) * qp + (V(0) - slope * turn.sine) * angle_v),
            turn.Gated((V(0) - curved * Dot(qp, v)) * qt)};
  }

 private:
  template <class V>
  GRADOPS_FN V Gate(V m) const {
    // A NaN compares false both times and stays.
    return Select(m < V(epsilon), V(0), Select(m > V(0), V(1), m));
  }
  template <class V>
  GRADOPS_FN Gradient<V> AngleSlope(Gradient<V> unit, V inverse) const {
    return {unit.x * inverse, V(0) - unit.y * inverse};
  }
};

/// r = |n_p - n_t|^2 / 2 with the unit surface normals n = (-gx, -gy, 1) / sqrt(1 + gx^2 + gy^2).
struct NormalResponse {
  static constexpr int kResiduals = 1;
  static constexpr bool kDifference = false;
  static constexpr bool kHasFastPaths = false;
  GRADOPS_FN explicit NormalResponse(double) {}

  /// The s of a unit normal (-s g, s): 1 / sqrt(1 + |g|^2), or NaN where the square overflows.
  template <class V>
  GRADOPS_FN V Height(Gradient<V> g) const {
    const V square = V(1) + Dot(g, g);
    return V(1) / Sqrt(square) + (square - square);
  }
  /// r = 1 - cosine = sine^2 / (1 + cosine), and what it is made from: the second form where
  /// normals are nearly equal, because the first one cancels there.
  template <class V>
  struct Turn {
    V sp, st;
    Gradient<V> up, apart;  // sp p, and sp st (p - t): the vertical parts of n_p x n_t
    V cross;                // its other part
    V cosine, residual;
  };
  template <class V>
  GRADOPS_FN Turn<V> TurnOf(Gradient<V> p, Gradient<V> t) const {
    Turn<V> turn;
    turn.sp = Height(p);
    turn.st = Height(t);
    turn.up = turn.sp * p;
    const Gradient<V> ut = turn.st * t;
    turn.apart = (turn.sp * turn.st) * (p - t);
    turn.cross = turn.up.x * ut.y - turn.up.y * ut.x;
    turn.cosine = turn.sp * turn.st + Dot(turn.up, ut);
    const V squared_sine = Dot(turn.apart, turn.apart) + turn.cross * turn.cross;
    turn.residual =
        Select(turn.cosine > V(0), squared_sine / (V(1) + turn.cosine), V(1) - turn.cosine);
    return turn;
  }
  /// dr/dp = sp^3 st ((p - t) + (p x t) (py, -px)) in the order (x, y), of which both terms have
  /// the same sign along p and across it.
  template <class V>
  GRADOPS_FN Gradient<V> ResidualSlope(const Turn<V>& turn) const {
    const Gradient<V> across = {V(0) - turn.up.x, turn.up.y};
    return turn.sp * (turn.sp * turn.apart + turn.cross * across);
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Values(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    return {rho.Value(TurnOf(p, t).residual), V(0)};
  }
  template <class Penalty, class V>
  GRADOPS_FN Gradient<V> Slopes(const Penalty& rho, Gradient<V> p, Gradient<V> t) const {
    const Turn<V> turn = TurnOf(p, t);
    return rho.Slope(turn.residual) * ResidualSlope(turn);
  }
  template <class Penalty, class V>
  GRADOPS_FN SecondSlopes<V> Second(const Penalty& rho, Gradient<V> p, Gradient<V> t,
                                    Gradient<V> v) const {
    const Turn<V> turn = TurnOf(p, t);
    const V sp = turn.sp, st = turn.st;
    const V slope = rho.Slope(turn.residual), curvature = rho.Curvature(turn.residual);
    const Gradient<V> by_p = ResidualSlope(turn), by_t = ResidualSlope(TurnOf(t, p));
    // r = 1 - s D with D = N . n_t, N = (-p, 1): dD/dp = st t; ds/dp = -s^3 p.
    const V s3 = sp * sp * sp, d = turn.cosine / sp, pv = Dot(p, v), sv = V(0) - s3 * pv;
    const Gradient<V> slope_d = st * t;
    const V dv = Dot(slope_d, v);
    const Gradient<V> second_s = (V(3) * s3 * sp * sp * pv) * p - s3 * v;
    const Gradient<V> pp = V(-1) * (sv * slope_d + (V(0) - dv * s3) * p + d * second_s);
    // d<dr/dp, v>/dt = -J_t^T m, with m the change of the normal of p along v.
    const Gradient<V> m = V(-1) * (sp * v + sv * p);
    const V m_along = (V(0) - st * Dot(t, m)) + st * sv;
    const Gradient<V> tp = st * m + (st * st * m_along) * t;
    const V curved = curvature * Dot(by_p, v);
    return {curved * by_p + slope * pp, curved * by_t + slope * tp};
  }
};

}  // namespace gradops::math
