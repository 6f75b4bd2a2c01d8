"""Prints the worst errors of losses and gradients as a table, beside those of TensorFlow's own ops.

    python build_support/accuracy.py

Both compute in the type of the images; the oracle takes the same images as float64. docs/design.md
keeps the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import gradops
from gradops import reference

SHAPE = (8, 64, 64, 3)
ROUNDS = 5
DTYPES = ("float16", "bfloat16", "float32", "float64")
#: Penalties with continuous slopes: of others, a residual of rounding may have any slope.
PENALTIES = ("l2", "charbonnier", "huber")
EPSILON, DELTA = 0.1, 1.0

Pair = tuple[np.ndarray, np.ndarray]


def _unit_normals(edges: tf.Tensor) -> tf.Tensor:
    ones = tf.ones_like(edges[..., :1])
    return tf.concat([-edges, ones], -1) / tf.sqrt(
        tf.reduce_sum(edges**2, -1, keepdims=True) + ones
    )


def _unit_gradients(edges: tf.Tensor) -> tf.Tensor:
    return edges / tf.sqrt(tf.reduce_sum(edges**2, -1, keepdims=True))


def _half_squares(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum((u - v) ** 2, -1) / 2


#: Residuals from the edges [B, H, W, C, 2] of y_true and y_pred, as one would write them.
RESPONSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "component": lambda t, p: p - t,
    "magnitude": lambda t, p: tf.sqrt(tf.reduce_sum(p**2, -1)) - tf.sqrt(tf.reduce_sum(t**2, -1)),
    "absolute": lambda t, p: tf.abs(p) - tf.abs(t),
    "direction": lambda t, p: _half_squares(_unit_gradients(p), _unit_gradients(t)),
    "normal": lambda t, p: _half_squares(_unit_normals(p), _unit_normals(t)),
    "sum": lambda t, p: tf.reduce_sum(p, -1) - tf.reduce_sum(t, -1),
}


def _penalize(r: tf.Tensor, penalty: str) -> tf.Tensor:
    if penalty == "l2":
        return r**2
    if penalty == "charbonnier":
        return tf.sqrt(r**2 + EPSILON**2)
    size = tf.abs(r)
    return tf.where(size <= DELTA, r**2 / 2, DELTA * (size - DELTA / 2))


def _plain(y_true: tf.Tensor, y_pred: tf.Tensor, response: str, penalty: str) -> tf.Tensor:
    """The loss as users compose it, in the type of the images."""
    edges = tf.image.sobel_edges(y_true), tf.image.sobel_edges(y_pred)
    values = _penalize(RESPONSES[response](*edges), penalty)
    return tf.reduce_mean(tf.reshape(values, [SHAPE[0], -1]), axis=1)


def _options(response: str, penalty: str) -> dict[str, object]:
    parameters = {"charbonnier": {"epsilon": EPSILON}, "huber": {"delta": DELTA}}
    extra = {"response_epsilon": 0.0} if response == "direction" else {}
    return {"response": response, "penalty": penalty, **parameters.get(penalty, {}), **extra}


def _errors(
    loss_of: Callable[..., tf.Tensor], images: Pair, expected: Pair, upstream: float
) -> Pair:
    """The relative error of each loss, and that of its gradient relative to the largest element."""
    y_true, y_pred = map(tf.constant, images)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = loss_of(y_true, y_pred)
        total = tf.reduce_sum(losses * tf.cast(upstream, losses.dtype))
    gradient = tape.gradient(total, y_pred).numpy().astype("float64")
    loss, slopes = expected
    largest = np.abs(slopes).max(axis=(1, 2, 3), keepdims=True)
    found = (
        np.abs(losses.numpy().astype("float64") - loss) / loss,
        np.abs(gradient - slopes) / largest,
    )
    # What is no number is worse than any.
    return tuple(np.nan_to_num(x, nan=math.inf).max() for x in found)


def worst(dtype: str, response: str) -> np.ndarray:
    """[[loss, gradient] of gradops, the same of TensorFlow's ops]."""
    rng = np.random.default_rng(20240607)
    found = np.zeros((2, 2))
    for _ in range(ROUNDS):
        drawn = rng.random((2, *SHAPE))
        images = tuple(tf.cast(x, dtype).numpy() for x in drawn)
        exact = tuple(x.astype("float64") for x in images)
        for penalty in PENALTIES:
            options = _options(response, penalty)
            # The slopes are about 1, so that no type loses them.
            upstream = float(np.prod(SHAPE[1:]))
            loss = reference.gradient_loss(*exact, **options)
            slopes = reference.loss_gradients(*exact, np.full(SHAPE[0], upstream), **options)[1]
            for row, loss_of in enumerate(
                (
                    lambda t, p, options=options: gradops.gradient_loss(t, p, **options),
                    lambda t, p, penalty=penalty: _plain(t, p, response, penalty),
                )
            ):
                errors = _errors(loss_of, images, (loss, slopes), upstream)
                found[row] = np.maximum(found[row], errors)
    return found


def main() -> None:
    """Prints the table."""
    print("| images | response | loss | TensorFlow's | gradient | TensorFlow's |")
    print("| --- | --- | --- | --- | --- | --- |")
    for dtype in DTYPES:
        for response in RESPONSES:
            (loss, slope), (plain_loss, plain_slope) = worst(dtype, response)
            found = (loss, plain_loss, slope, plain_slope)
            cells = [f"{x:.1e}" if math.isfinite(x) else "NaN" for x in found]
            print("|", " | ".join([dtype, response, *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
