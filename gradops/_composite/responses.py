"""The responses: residuals r that compare the gradients g = (gy, gx) of two images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gradops._composite.penalties import positive
from gradops._composite.stencils import Pair


class Response(NamedTuple):
    """residuals(g_p, g_t, response_epsilon) -> one tensor per axis, or one for a joint response."""

    residuals: Callable[[Pair, Pair, float], tuple[tf.Tensor, ...]]
    joint: bool  # Whether there is one residual, which counts where both components do.
    epsilon: float | None = None  # The default of response_epsilon, if it is a parameter.
    linear: bool = False  # Whether the residuals are functions of g_p - g_t alone, and linear.


def magnitude(g: Pair, epsilon: float) -> tf.Tensor:
    """sqrt(gy^2 + gx^2 + epsilon), with first and second derivatives 0 where it is 0."""
    square = _square(g)
    if epsilon:
        return tf.sqrt(square + positive(epsilon, square.dtype))
    zero = tf.equal(square, 0)
    root = tf.sqrt(tf.where(zero, tf.ones([], square.dtype), square))
    return tf.where(zero, tf.zeros([], square.dtype), root)


def _component(p: Pair, t: Pair, _: float) -> tuple[tf.Tensor, ...]:
    """g(p) - g(t)."""
    return p[0] - t[0], p[1] - t[1]


def _magnitude(p: Pair, t: Pair, epsilon: float) -> tuple[tf.Tensor, ...]:
    """m(p) - m(t)."""
    return (magnitude(p, epsilon) - magnitude(t, epsilon),)


def _absolute(p: Pair, t: Pair, _: float) -> tuple[tf.Tensor, ...]:
    """|g(p)| - |g(t)|."""
    return tf.abs(p[0]) - tf.abs(t[0]), tf.abs(p[1]) - tf.abs(t[1])


def _direction(p: Pair, t: Pair, epsilon: float) -> tuple[tf.Tensor, ...]:
    """|u_p - u_t|^2 / 2 with u = g / |g|; 0 where either |g| is below epsilon or 0, NaN for NaN."""
    flat = _is_flat(p, epsilon) | _is_flat(t, epsilon)
    flat &= ~tf.math.is_nan(_square(p) + _square(t))
    one, zero = tf.ones([], p[0].dtype), tf.zeros([], p[0].dtype)
    units = []
    for g in (p, t):
        # Selects twice, so that neither values nor slopes of flat regions are used.
        gy, gx = (tf.where(flat, zero, component) for component in g)
        length = _length(tf.where(flat, one, _square((gy, gx))))
        units.append((gy / length, gx / length))
    (p_y, p_x), (t_y, t_x) = units
    return (_square((p_y - t_y, p_x - t_x)) / 2,)


def _normal(p: Pair, t: Pair, _: float) -> tuple[tf.Tensor, ...]:
    """|n_p - n_t|^2 / 2 with n = (-gx, -gy, 1) / sqrt(1 + gx^2 + gy^2)."""
    normals = []
    for gy, gx in (p, t):
        length = _length(1 + _square((gy, gx)))
        normals.append((gy / length, gx / length, 1 / length))
    return (sum(tf.square(a - b) for a, b in zip(*normals, strict=True)) / 2,)


def _length(square: tf.Tensor) -> tf.Tensor:
    """sqrt(square), or NaN where the square overflowed: a quotient by it would silently be 0."""
    return tf.sqrt(square) + tf.stop_gradient(square - square)


def _is_flat(g: Pair, epsilon: float) -> tf.Tensor:
    return (magnitude(g, 0.0) < epsilon) | tf.equal(_square(g), 0)


def _sum(p: Pair, t: Pair, _: float) -> tuple[tf.Tensor, ...]:
    """(gy + gx)(p) - (gy + gx)(t)."""
    y, x = _component(p, t, 0.0)
    return (y + x,)


def _square(g: Pair) -> tf.Tensor:
    return tf.square(g[0]) + tf.square(g[1])


RESPONSES = {
    "component": Response(_component, joint=False, linear=True),
    "magnitude": Response(_magnitude, joint=True, epsilon=0.0),
    "absolute": Response(_absolute, joint=False),
    "direction": Response(_direction, joint=True, epsilon=1e-6),
    "normal": Response(_normal, joint=True),
    "sum": Response(_sum, joint=True, linear=True),
}
