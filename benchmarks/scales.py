"""Training steps over four scales against one: `python -m benchmarks.scales [16x512x512x3 ...]`.

Interleaved, medians, after the losses and gradients of a small problem were compared with the
oracle. The composition of one loss a level is what the ops replace.
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

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "one scale": (gradops, {}),
    "4 scales, stride": (gradops, {"scales": 4, "downsample": "stride"}),
    "4 scales, average": (gradops, {"scales": 4, "downsample": "average"}),
    "4 scales, stride, pure TensorFlow": (composite, {"scales": 4, "downsample": "stride"}),
    "4 scales, average, pure TensorFlow": (composite, {"scales": 4, "downsample": "average"}),
}
_REPEATS, _SLOW_REPEATS = 21, 5


def step_of(module: Any, options: dict[str, Any]) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """(y_true, y_pred) -> the mean loss and its gradient, as a tf.function."""

    @tf.function
    def step(y_true: tf.Tensor, y_pred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(module.gradient_loss(y_true, y_pred, **options))
        return loss, tape.gradient(loss, y_pred)

    return step


def check(step: Callable[..., tuple[tf.Tensor, tf.Tensor]], options: dict[str, Any]) -> None:
    """Raises AssertionError unless a small step has the oracle's loss and gradient."""
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(2, 150, 41, 3)) for _ in range(2)]
    loss, gradient = step(*map(tf.constant, images))
    wanted = reference.multi_scale_loss(*images, **options)
    slopes = reference.multi_scale_gradients(*images, [0.5, 0.5], **options)[1]
    np.testing.assert_allclose(loss, wanted.mean(), rtol=1e-11)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-15)


def main(shapes: list[tuple[int, ...]]) -> None:
    """Prints a table for each shape."""
    steps = {name: step_of(*case) for name, case in CASES.items()}
    for name, (_, options) in CASES.items():
        check(steps[name], options)
    for shape in shapes:
        y_true, y_pred = (tf.random.stateless_normal(shape, seed=[i, 0]) for i in range(2))
        times: dict[str, list[float]] = {name: [] for name in CASES}
        for repeat in range(-2, _REPEATS):
            for name, (module, _) in CASES.items():
                if module is composite and repeat >= _SLOW_REPEATS:
                    continue
                begin = time.perf_counter()
                loss, gradient = steps[name](y_true, y_pred)
                float(loss)
                if repeat >= 0:
                    times[name].append(1e3 * (time.perf_counter() - begin))
                del loss, gradient
        one = statistics.median(times["one scale"])
        print(f"{list(shape)} float32")
        for name, values in times.items():
            median = statistics.median(values)
            print(f"  {name:35} {median:9.2f} ms  {median / one:7.2f} times one scale")


if __name__ == "__main__":
    main([tuple(map(int, text.split("x"))) for text in sys.argv[1:] or ["16x512x512x3"]])
