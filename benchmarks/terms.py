"""Training steps of losses of several terms: `python -m benchmarks.terms [16x512x512x3 ...]`.

Four scales, and pixels beside gradients, against the one term of the gradients. Interleaved,
medians, after the losses and gradients of a small problem were compared with the oracle. What the
ops replace is a composition: a loss a level, a mean of absolute differences.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import gradops
from gradops import composite, reference

Losses = Callable[..., tf.Tensor]


def _with_pixels(y_true: tf.Tensor, y_pred: tf.Tensor, module: Any = gradops) -> tf.Tensor:
    """What users write."""
    pixels = tf.reduce_mean(tf.abs(y_pred - y_true), axis=[1, 2, 3])
    return pixels + module.gradient_loss(y_true, y_pred)


ONE = "gradients, one scale"
# Losses, options of the oracle, whether there is a term of the pixels.
CASES: dict[str, tuple[Losses, dict[str, Any], bool]] = {
    ONE: (gradops.gradient_loss, {}, False),
    "and pixels": (gradops.presets.pixel_and_gradient, {}, True),
    "and pixels, those in TensorFlow": (_with_pixels, {}, True),
    "and pixels, pure TensorFlow": (
        lambda t, p, **_: _with_pixels(t, p, composite),
        {},
        True,
    ),
    **{
        f"4 scales, {way}{suffix}": (
            module.gradient_loss,
            {"scales": 4, "downsample": way},
            False,
        )
        for module, suffix in ((gradops, ""), (composite, ", pure TensorFlow"))
        for way in ("stride", "average")
    },
}
_SLOW = "pure TensorFlow"
_REPEATS, _SLOW_REPEATS = 21, 5


def step_of(losses: Losses, options: dict[str, Any]) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """(y_true, y_pred) -> the mean loss and its gradient, as a tf.function."""

    @tf.function
    def step(y_true: tf.Tensor, y_pred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(losses(y_true, y_pred, **options))
        return loss, tape.gradient(loss, y_pred)

    return step


def check(
    step: Callable[..., tuple[tf.Tensor, tf.Tensor]], options: dict[str, Any], has_pixels: bool
) -> None:
    """Raises AssertionError unless a small step has the oracle's loss and gradient."""
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(2, 150, 41, 3)) for _ in range(2)]
    loss, gradient = step(*map(tf.constant, images))
    wanted = reference.multi_scale_loss(*images, **options)
    slopes = reference.multi_scale_gradients(*images, [0.5, 0.5], **options)[1]
    if has_pixels:
        difference = images[1] - images[0]
        wanted += np.abs(difference).mean(axis=(1, 2, 3))
        slopes += np.sign(difference) / difference.size
    np.testing.assert_allclose(loss, wanted.mean(), rtol=1e-11)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-15)


def main(shapes: list[tuple[int, ...]]) -> None:
    """Prints a table for each shape."""
    steps = {}
    for name, (losses, options, has_pixels) in CASES.items():
        steps[name] = step_of(losses, options)
        check(steps[name], options, has_pixels)
    for shape in shapes:
        y_true, y_pred = (tf.random.stateless_normal(shape, seed=[i, 0]) for i in range(2))
        times: dict[str, list[float]] = {name: [] for name in CASES}
        for repeat in range(-2, _REPEATS):
            for name in CASES:
                if _SLOW in name and repeat >= _SLOW_REPEATS:
                    continue
                begin = time.perf_counter()
                loss, gradient = steps[name](y_true, y_pred)
                float(loss)
                if repeat >= 0:
                    times[name].append(1e3 * (time.perf_counter() - begin))
                del loss, gradient
        one = statistics.median(times[ONE])
        print(f"{list(shape)} float32")
        for name, values in times.items():
            median = statistics.median(values)
            print(f"  {name:35} {median:9.2f} ms  {median / one:7.2f} times one term")


if __name__ == "__main__":
    main([tuple(map(int, text.split("x"))) for text in sys.argv[1:] or ["16x512x512x3"]])
