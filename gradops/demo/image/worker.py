"""Measuring one provider, in the process that runs nothing else."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import gradops
from gradops import _measure, composite
from gradops.demo import photographs
from gradops.demo.image.providers import PROVIDERS, Provider
from gradops.optimize import optimize_image

# Falls to 0 over the steps: at a constant rate an l1 loss ends in sign flips that amplify rounding,
# and the final losses of two correct implementations would drift apart.
_LEARNING_RATE = 0.02
_LOSS_CALLS = 30
_MEMORY_CALLS = 3
# Untimed: the first calls trace, plan the graph and fault memory in.
_WARM_UP_CALLS = 5
_WARM_UP_SIZE = 16

_LOSSES = {"gradops": gradops.gradient_loss, "TensorFlow": composite.gradient_loss}


class _Problem:
    """Restoring `start` to `target` with one provider's loss."""

    def __init__(self, provider: Provider, path: Path | None, size: int, seed: int) -> None:
        target = photographs.load_target(path, size)
        self._provider = provider
        self._gradient_loss = _LOSSES[provider.library]
        self._target = tf.constant(target[np.newaxis])
        self.start = tf.constant(photographs.degrade(target, seed)[np.newaxis])

    def loss(self, image: tf.Tensor) -> tf.Tensor:
        """The content term plus the Sobel loss."""
        content = tf.reduce_mean(tf.square(image - self._target))
        return content + self._sobel_loss(image)

    def _sobel_loss(self, image: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(self._gradient_loss(self._target, image, penalty="l1"))

    def sobel_loss_and_gradient(self) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Image -> the Sobel loss and its gradient: the part of a step that gradops replaces."""

        def loss_and_gradient(image):
            with tf.GradientTape() as tape:
                tape.watch(image)
                value = self._sobel_loss(image)
            return value, tape.gradient(value, image)

        return tf.function(loss_and_gradient) if self._provider.graph else loss_and_gradient

    def optimize(self, steps: int, tolerance: float = 0.0, callback=None):
        """As `optimize_image`."""
        rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, decay_steps=steps)
        return optimize_image(
            self.start,
            self.loss,
            optimizer=keras.optimizers.Adam(rate),
            steps=steps,
            tolerance=tolerance,
            callback=callback,
            graph=self._provider.graph,
        )


class _StepTimes:
    """A callback that times steps and shows progress; its own time is not in the steps'."""

    def __init__(self, progress: tqdm) -> None:
        self._progress = progress
        self._resumed = time.perf_counter()
        self.milliseconds: list[float] = []

    def __call__(self, number: int, loss: float) -> None:
        self.milliseconds.append(1e3 * (time.perf_counter() - self._resumed))
        self._progress.set_postfix(loss=f"{loss:.5f}", refresh=False)
        self._progress.update()
        self._resumed = time.perf_counter()


def _after_warm_up(milliseconds: list[float]) -> tuple[float, float, float]:
    # Runs too short to spare that many keep their last step.
    return _measure.median_and_percentiles(
        milliseconds[min(_WARM_UP_CALLS, len(milliseconds) - 1) :]
    )


def _time_sobel_loss(problem: _Problem, calls: int) -> list[float]:
    run = problem.sobel_loss_and_gradient()
    milliseconds = []
    for _ in range(calls):
        begin = time.perf_counter()
        value, gradient = run(problem.start)
        float(value)  # Waits for the value, as a step does.
        milliseconds.append(1e3 * (time.perf_counter() - begin))
        del value, gradient  # Else the next call's gradient needs memory beside this one's.
    return milliseconds


def _warm_up(problem: _Problem) -> None:
    loss_and_gradient = problem.sobel_loss_and_gradient()
    for _ in range(_WARM_UP_CALLS):
        loss_and_gradient(problem.start)
    problem.optimize(steps=_WARM_UP_CALLS)


def _measure_memory(problem: _Problem) -> dict[str, int | None]:
    # The baseline holds the target and the start. Counted above it, at the peak: gradients,
    # temporaries and the tracing of this size; in the run also the image variable and Adam's two
    # moments. Later calls and steps only reuse what the first ones needed.
    with _measure.peak_extra_memory() as memory:
        _time_sobel_loss(problem, _MEMORY_CALLS)
        loss_memory = memory.extra_bytes
        problem.optimize(_MEMORY_CALLS)
    return {"loss_memory": loss_memory, "run_memory": memory.extra_bytes}


def _measure_times(problem: _Problem, options: argparse.Namespace, title: str) -> dict[str, object]:
    loss_times = _time_sobel_loss(problem, _WARM_UP_CALLS + _LOSS_CALLS)
    with tqdm(total=options.steps, desc=f"{title:<23}", unit="step") as progress:
        step_times = _StepTimes(progress)
        image, losses = problem.optimize(options.steps, options.tolerance, step_times)
    np.save(options.result, image[0].numpy())
    return {
        "steps": len(losses),
        "final_loss": float(problem.loss(image)),
        "step_ms": _after_warm_up(step_times.milliseconds),
        "loss_ms": _after_warm_up(loss_times),
        "versions": f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
    }


def run(options: argparse.Namespace) -> None:
    """Measure `options.provider` and print JSON: its memory, or with `options.result` its times.

    With `options.result` the image it ends with is stored there.
    """
    provider = PROVIDERS[options.provider]
    # What a process pays once whatever the image (thread pools, lazy imports, op registration) is
    # paid here, on a tiny image, and so counts neither as time nor as memory.
    _warm_up(_Problem(provider, None, _WARM_UP_SIZE, options.seed))
    problem = _Problem(provider, options.path, options.size, options.seed)
    if options.result is None:
        print(json.dumps(_measure_memory(problem)))
    else:
        print(json.dumps(_measure_times(problem, options, provider.title)))
