"""The penalties rho(r), written so that TensorFlow's derivatives of them are 0 at r = 0.

Second derivatives at a NaN residual are not always NaN: that of l2 is 2 for any r.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gradops._inputs.checks import Options


class Penalty(NamedTuple):
    """rho(r, **parameters), and the parameters with their defaults."""

    rho: Callable[..., tf.Tensor]
    parameters: Mapping[str, float] = {}


def positive(value: float, dtype: tf.DType) -> float:
    """A value > 0, raised to the smallest normal number of the dtype if it is below that."""
    return max(value, float(np.finfo(dtype.as_numpy_dtype).tiny))


def _charbonnier(r: tf.Tensor, epsilon: float) -> tf.Tensor:
    """sqrt(r^2 + epsilon^2)."""
    return tf.sqrt(tf.square(r) + positive(epsilon * epsilon, r.dtype))


def _huber(r: tf.Tensor, delta: float) -> tf.Tensor:
    """r^2 / 2 if |r| <= delta, else delta (|r| - delta / 2)."""
    size = tf.abs(r)
    far = size > delta
    near = tf.where(far, tf.zeros([], r.dtype), r)  # The square may overflow far away.
    return tf.where(far, delta * (size - delta / 2), tf.square(near) / 2)


def _log(r: tf.Tensor, epsilon: float) -> tf.Tensor:
    """log1p(|r| / epsilon)."""
    return tf.math.log1p(tf.abs(r) / max(epsilon, 1e-30))


def _truncated(r: tf.Tensor, delta: float) -> tf.Tensor:
    """min(|r|, delta), with slope 0 where |r| = delta."""
    size = tf.abs(r)
    return tf.where(size >= delta, tf.constant(delta, r.dtype), size)  # NaN is not.


def _power(r: tf.Tensor, alpha: float) -> tf.Tensor:
    """|r|^alpha. At r = 0 the curvature is 2 for alpha 2, and 0 for any other."""
    if alpha == 1:
        return tf.abs(r)
    if alpha == 2:
        return tf.square(r)
    zero = tf.equal(r, 0)
    size = tf.where(zero, tf.ones([], r.dtype), tf.abs(r))
    return tf.where(zero, tf.zeros([], r.dtype), tf.pow(size, tf.constant(alpha, r.dtype)))


PENALTIES = {
    "l1": Penalty(tf.abs),  # TensorFlow's slope of |r| at 0 is 0.
    "l2": Penalty(tf.square),
    "charbonnier": Penalty(_charbonnier, {"epsilon": 1e-3}),
    "huber": Penalty(_huber, {"delta": 1.0}),
    "log": Penalty(_log, {"epsilon": 0.5}),
    "power": Penalty(_power, {"alpha": 2.0}),
    "truncated": Penalty(_truncated, {"delta": 1.0}),
}


def penalty_of(options: Options) -> Callable[[tf.Tensor], tf.Tensor]:
    """The penalty of these options as a function of the residual alone."""
    penalty, text = PENALTIES[options["penalty"]], options["penalty_parameter"]
    values = dict(penalty.parameters)
    if text:
        values = dict.fromkeys(values, float(text))
    return lambda r: penalty.rho(r, **values)
