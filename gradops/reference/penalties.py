"""L_b = sum_i w_i rho(r_i) / D_b: the penalties rho with slope rho' and curvature rho''.

    l1           |r|                          sign(r)                      0
    l2           r^2                          2 r                          2
    charbonnier  sqrt(r^2 + e^2)              r / sqrt(r^2 + e^2)          e^2 / (r^2 + e^2)^(3/2)
    huber        r^2 / 2, |r| <= d            r                            1
                 d (|r| - d / 2), |r| > d     d sign(r)                    0
    log          log(1 + |r| / e)             sign(r) / (e + |r|)          -1 / (e + |r|)^2
    power        |r|^a                        a |r|^(a-1) sign(r)          a (a - 1) |r|^(a-2)
    truncated    min(|r|, d)                  sign(r), |r| < d;  else 0    0

with e = epsilon, d = delta, a = alpha. At r = 0 every slope is 0; the curvature of log is 0 there,
and that of power is its limit if that is finite, else 0. All three are NaN for a NaN residual,
except the curvatures of l1 and of truncated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradops.reference.arguments import Array, parameter

Function = Callable[[Array, float], Array]


class Penalty(NamedTuple):
    """rho(r, a), its slope and curvature with respect to r, and its parameter a."""

    value: Function
    slope: Function
    curvature: Function
    parameter: str | None = None
    default: float = 0.0


def _nan_stays(r: Array, result: Array) -> Array:
    return np.where(np.isnan(r), np.nan, result)


def _huber_value(r: Array, delta: float) -> Array:
    size = np.abs(r)
    return np.where(size <= delta, r * r / 2, delta * (size - delta / 2))


def _huber_curvature(r: Array, delta: float) -> Array:
    return _nan_stays(r, np.where(np.abs(r) <= delta, 1.0, 0.0))


def _log_curvature(r: Array, epsilon: float) -> Array:
    return np.where(r == 0, 0.0, -1.0 / (epsilon + np.abs(r)) ** 2)


def _power_curvature(r: Array, alpha: float) -> Array:
    at_zero = 2.0 if alpha == 2 else 0.0
    away = np.where(r == 0, 1.0, np.abs(r))  # 1 where it is not used, to avoid 0^-n.
    curvature = alpha * (alpha - 1) * away ** (alpha - 2)
    return _nan_stays(r, np.where(r == 0, at_zero, curvature))


# np.sign is 0 at 0, the slope chosen for ties, and NaN at NaN; np.clip keeps NaN.
PENALTIES = {
    "l1": Penalty(
        value=lambda r, _: np.abs(r),
        slope=lambda r, _: np.sign(r),
        curvature=lambda r, _: np.zeros_like(r),
    ),
    "l2": Penalty(
        value=lambda r, _: r * r,
        slope=lambda r, _: 2.0 * r,
        curvature=lambda r, _: _nan_stays(r, np.full_like(r, 2.0)),
    ),
    "charbonnier": Penalty(
        value=lambda r, epsilon: np.sqrt(r * r + epsilon**2),
        slope=lambda r, epsilon: r / np.sqrt(r * r + epsilon**2),
        curvature=lambda r, epsilon: epsilon**2 / (r * r + epsilon**2) ** 1.5,
        parameter="epsilon",
        default=1e-3,
    ),
    "huber": Penalty(
        value=_huber_value,
        slope=lambda r, delta: np.clip(r, -delta, delta),
        curvature=_huber_curvature,
        parameter="delta",
        default=1.0,
    ),
    "log": Penalty(
        value=lambda r, epsilon: np.log1p(np.abs(r) / epsilon),
        slope=lambda r, epsilon: np.sign(r) / (epsilon + np.abs(r)),
        curvature=_log_curvature,
        parameter="epsilon",
        default=0.5,
    ),
    "power": Penalty(
        value=lambda r, alpha: np.abs(r) ** alpha,
        slope=lambda r, alpha: alpha * np.abs(r) ** (alpha - 1) * np.sign(r),
        curvature=_power_curvature,
        parameter="alpha",
        default=2.0,
    ),
    "truncated": Penalty(
        value=lambda r, delta: np.minimum(np.abs(r), delta),
        slope=lambda r, delta: _nan_stays(r, np.where(np.abs(r) < delta, np.sign(r), 0.0)),
        curvature=lambda r, _: np.zeros_like(r),
        parameter="delta",
        default=1.0,
    ),
}


def penalty_parameter(penalty: str, given: dict[str, object]) -> float:
    """The parameter of the penalty from those given (None: not given), or its default."""
    row = PENALTIES[penalty]
    for name, value in given.items():
        if value is not None and name != row.parameter:
            raise ValueError(f"{name} is not a parameter of penalty {penalty!r}")
    if row.parameter is None or given[row.parameter] is None:
        return row.default
    if row.parameter == "alpha":
        return parameter("alpha", given["alpha"], 1.0, exclusive=False)
    return parameter(row.parameter, given[row.parameter], 0.0, exclusive=True)
