"""r = r(g_p, g_t), per pixel and channel, with g = (gy, gx) of the prediction p and the target t.

    component  r_k = g_k(p - t)                   k = y, x
    magnitude  r = m(g_p) - m(g_t)                m(g) = sqrt(|g|^2 + e)
    absolute   r_k = |g_k(p)| - |g_k(t)|          k = y, x
    direction  r = |u_p - u_t|^2 / 2              u = g / |g|;  0 where a |g| is below e or is 0
    normal     r = |n_p - n_t|^2 / 2              n = (-gx, -gy, 1) / sqrt(1 + |g|^2)
    sum        r = (gy + gx)(p - t)

with e = response_epsilon. `slopes` gives dr/dg_p and dr/dg_t, and `second` the second derivatives
along a vector z: (d/dg_p) (dr/dg_p . z) and (d/dg_t) (dr/dg_p . z). The last axis is (y, x), also
for the residuals of component and absolute. The joint responses have one residual, in a last axis
of 1. A NaN in either gradient makes the residual NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradops.reference.arguments import Array, Mask, parameter

Pair = tuple[Array, Array]


class Response(NamedTuple):
    """The residuals and their first and second derivatives; see the module."""

    joint: bool
    residuals: Callable[[Array, Array, float], Array]
    slopes: Callable[[Array, Array, float], Pair]
    second: Callable[[Array, Array, float, Array], Pair] | None  # None: 0 (almost) everywhere.
    default_epsilon: float | None = None
    # Whether the caller passes the gradients of p - t as g_p, and zeros as g_t.
    linear: bool = False


def _dot(a: Array, b: Array) -> Array:
    return np.sum(a * b, axis=-1, keepdims=True)


def _over(a: Array, b: Array) -> Array:
    """The quotient a / b, and 0 where b is 0."""
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))


# Magnitude: dm/dg = g / m, d2m/dg2 z = (z - g (g . z) / m^2) / m, all 0 where m = 0.


def magnitude(g: Array, epsilon: float) -> Array:
    """The magnitude m(g) = sqrt(|g|^2 + epsilon), with a last axis of 1."""
    return np.sqrt(_dot(g, g) + epsilon)


def magnitude_slope(g: Array, epsilon: float) -> Array:
    """dm/dg = g / m, and 0 where m = 0."""
    return _over(g, magnitude(g, epsilon))


def _magnitude_second(g_p: Array, g_t: Array, epsilon: float, z: Array) -> Pair:
    m = magnitude(g_p, epsilon)
    slope = magnitude_slope(g_p, epsilon)
    return _over(z - slope * _dot(slope, z), m), np.zeros_like(z)


# Direction: with theta the angle of g and phi = theta_p - theta_t, r = 1 - cos(phi). Then
# dr/dg_p = sin(phi) theta_p' and dr/dg_t = -sin(phi) theta_t', where theta' = (gx, -gy) / |g|^2.


def _undirected(g_p: Array, g_t: Array, epsilon: float) -> Mask:
    sizes = np.concatenate([_size(g_p), _size(g_t)], axis=-1)
    small = np.any((sizes < epsilon) | (sizes == 0), axis=-1, keepdims=True)
    return small & ~np.isnan(sizes).any(axis=-1, keepdims=True)


def _size(g: Array) -> Array:
    """|g|, which is NaN if either is: NumPy's hypot of infinity and NaN is infinity."""
    y, x = g[..., :1], g[..., 1:]
    return np.where(np.isnan(y) | np.isnan(x), np.nan, np.hypot(y, x))


def _direction_residuals(g_p: Array, g_t: Array, epsilon: float) -> Array:
    difference = _over(g_p, _size(g_p)) - _over(g_t, _size(g_t))
    return np.where(_undirected(g_p, g_t, epsilon), 0.0, _dot(difference, difference) / 2)


def _turn(g_p: Array, g_t: Array) -> Pair:
    """Sine and cosine of phi = theta_p - theta_t: cross and dot product of the unit vectors."""
    u_p, u_t = _over(g_p, _size(g_p)), _over(g_t, _size(g_t))
    sine = u_p[..., :1] * u_t[..., 1:] - u_p[..., 1:] * u_t[..., :1]
    return sine, _dot(u_p, u_t)


def _angle_slope(g: Array) -> Array:
    """The slope of theta = atan2(gy, gx): (gx, -gy) / |g|^2."""
    return _over(np.stack([g[..., 1], -g[..., 0]], axis=-1), _dot(g, g))


def _angle_second(g: Array, z: Array) -> Array:
    """(d2theta/dg2) z, where |g|^4 (yy, yx, xx) = (-2 gy gx, gy^2 - gx^2, 2 gy gx)."""
    gy, gx = g[..., 0], g[..., 1]
    yy, yx = -2 * gy * gx, gy * gy - gx * gx
    second = np.stack([yy * z[..., 0] + yx * z[..., 1], yx * z[..., 0] - yy * z[..., 1]], axis=-1)
    return _over(second, _dot(g, g) ** 2)


def _direction_slopes(g_p: Array, g_t: Array, epsilon: float) -> Pair:
    sine, _ = _turn(g_p, g_t)
    undirected = _undirected(g_p, g_t, epsilon)
    by_p, by_t = sine * _angle_slope(g_p), -sine * _angle_slope(g_t)
    return np.where(undirected, 0.0, by_p), np.where(undirected, 0.0, by_t)


def _direction_second(g_p: Array, g_t: Array, epsilon: float, z: Array) -> Pair:
    sine, cosine = _turn(g_p, g_t)
    undirected = _undirected(g_p, g_t, epsilon)
    turned = cosine * _dot(_angle_slope(g_p), z)  # dsin(phi) = cos(phi) dphi
    by_p = turned * _angle_slope(g_p) + sine * _angle_second(g_p, z)
    by_t = -turned * _angle_slope(g_t)
    return np.where(undirected, 0.0, by_p), np.where(undirected, 0.0, by_t)


# Normal: n = N / w, N = (-gx, -gy, 1), w = sqrt(1 + |g|^2), dw/dg = g / w. With D = n_p - n_t,
# dr/dg_p = J_p^T D and dr/dg_t = -J_t^T D, where J = dn/dg = N' / w - N g^T / w^3.


def _width(g: Array) -> Array:
    return np.sqrt(1.0 + _dot(g, g))


def _upward(g: Array) -> Array:
    """N = (-gx, -gy, 1)."""
    return np.stack([-g[..., 1], -g[..., 0], np.ones(g.shape[:-1])], axis=-1)


def _normal_difference(g_p: Array, g_t: Array) -> Array:
    return _upward(g_p) / _width(g_p) - _upward(g_t) / _width(g_t)


def _swapped(d: Array) -> Array:
    """N'^T d: dN/dgy = (0, -1, 0) and dN/dgx = (-1, 0, 0)."""
    return np.stack([-d[..., 1], -d[..., 0]], axis=-1)


def _normal_pull(g: Array, d: Array) -> Array:
    """J^T d = N'^T d / w - g (N . d) / w^3."""
    return _swapped(d) / _width(g) - g * _dot(_upward(g), d) / _width(g) ** 3


def _normal_push(g: Array, z: Array) -> Array:
    """J z = N' z / w - N (g . z) / w^3, where N' z = (-zx, -zy, 0)."""
    flat = np.stack([-z[..., 1], -z[..., 0], np.zeros(z.shape[:-1])], axis=-1)
    return flat / _width(g) - _upward(g) * _dot(g, z) / _width(g) ** 3


def _normal_residuals(g_p: Array, g_t: Array, _: float) -> Array:
    difference = _normal_difference(g_p, g_t)
    return _dot(difference, difference) / 2


def _normal_slopes(g_p: Array, g_t: Array, _: float) -> Pair:
    difference = _normal_difference(g_p, g_t)
    return _normal_pull(g_p, difference), -_normal_pull(g_t, difference)


def _normal_second(g_p: Array, g_t: Array, _: float, z: Array) -> Pair:
    """By p: J_p^T J_p z plus the derivative of J_p^T d for fixed d = D; by t: -J_t^T J_p z."""
    d, w, pushed = _normal_difference(g_p, g_t), _width(g_p), _normal_push(g_p, z)
    n_d, g_z = _dot(_upward(g_p), d), _dot(g_p, z)
    held = -_swapped(d) * g_z / w**3  # from 1 / w
    held -= (g_p * _dot(_swapped(d), z) + z * n_d) / w**3  # from N . d and from g
    held += 3 * g_p * n_d * g_z / w**5  # from 1 / w^3
    return _normal_pull(g_p, pushed) + held, -_normal_pull(g_t, pushed)


RESPONSES = {
    "component": Response(
        joint=False,
        linear=True,
        residuals=lambda g_p, g_t, _: g_p - g_t,
        slopes=lambda g_p, g_t, _: (np.ones_like(g_p), -np.ones_like(g_t)),
        second=None,
    ),
    "magnitude": Response(
        joint=True,
        residuals=lambda g_p, g_t, epsilon: magnitude(g_p, epsilon) - magnitude(g_t, epsilon),
        slopes=lambda g_p, g_t, epsilon: (
            magnitude_slope(g_p, epsilon),
            -magnitude_slope(g_t, epsilon),
        ),
        second=_magnitude_second,
        default_epsilon=0.0,
    ),
    "absolute": Response(
        joint=False,
        residuals=lambda g_p, g_t, _: np.abs(g_p) - np.abs(g_t),
        slopes=lambda g_p, g_t, _: (np.sign(g_p), -np.sign(g_t)),
        second=None,
    ),
    "direction": Response(
        joint=True,
        residuals=_direction_residuals,
        slopes=_direction_slopes,
        second=_direction_second,
        default_epsilon=1e-6,
    ),
    "normal": Response(
        joint=True, residuals=_normal_residuals, slopes=_normal_slopes, second=_normal_second
    ),
    "sum": Response(
        joint=True,
        linear=True,
        residuals=lambda g_p, g_t, _: np.sum(g_p - g_t, axis=-1, keepdims=True),
        slopes=lambda g_p, g_t, _: (np.ones_like(g_p), -np.ones_like(g_t)),
        second=None,
    ),
}


def response_parameter(response: str, response_epsilon: object) -> float:
    """The response_epsilon of the response: the one given, or its default."""
    default = RESPONSES[response].default_epsilon
    if response_epsilon is None:
        return 0.0 if default is None else default
    if default is None:
        raise ValueError(f"response_epsilon is not a parameter of response {response!r}")
    return parameter("response_epsilon", response_epsilon, 0.0, exclusive=False)
