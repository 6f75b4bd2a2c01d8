"""Optimising the photograph with each provider, and what that costs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import gradops
from gradops import _measure, composite
from gradops.demo import photographs
from gradops.demo.measuring import after_warm_up, time_in_turns

# Falls to 0 over the steps: at a constant rate an l1 loss ends in sign flips that amplify rounding,
# and the final losses of two correct implementations would drift apart.
_LEARNING_RATE = 0.02
_LOSS_CALLS = 30
_MEMORY_CALLS = 3
_WARM_UP_SIZE = 16


@dataclasses.dataclass(frozen=True)
class Provider:
    """One way to compute the loss: which library, and eager or as a tf.function."""

    library: str
    graph: bool

    @property
    def title(self) -> str:
        """Its name in the table."""
        return f"{self.library}, {'tf.function' if self.graph else 'eager'}"


_LOSSES = {"gradops": gradops.gradient_loss, "TensorFlow": composite.gradient_loss}
PROVIDERS = [Provider(library, graph) for graph in (False, True) for library in _LOSSES]
# Speed-ups are over this library in the same mode; losses are compared with this provider's.
BASELINE_LIBRARY = "TensorFlow"
BASELINE = Provider(BASELINE_LIBRARY, graph=False)


@dataclasses.dataclass
class Result:
    """The results of one provider. Times are (median, 20th, 80th percentile) in milliseconds."""

    provider: Provider
    image: np.ndarray  # [H, W, C], may leave [0, 1]
    steps: int  # taken, at most those asked for
    final_loss: float
    step_ms: tuple[float, float, float]
    loss_ms: tuple[float, float, float]


class _Problem:
    """Restoring `start` to `target` with one provider's loss."""

    def __init__(self, provider: Provider, options: argparse.Namespace) -> None:
        target = photographs.load_target(options.path, options.size)
        self._provider = provider
        self._gradient_loss = _LOSSES[provider.library]
        self._target = tf.constant(target[np.newaxis])
        self.start = tf.constant(photographs.degrade(target, options.seed)[np.newaxis])

    def loss(self, image: tf.Tensor) -> tf.Tensor:
        """The content term plus the Sobel loss."""
        content = tf.reduce_mean(tf.square(image - self._target))
        return content + self._sobel_loss(image)

    def _sobel_loss(self, image: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(self._gradient_loss(self._target, image, penalty="l1"))

    def sobel_loss_and_gradient(self) -> Callable[[], tuple[tf.Tensor, tf.Tensor]]:
        """The Sobel loss of the start and its gradient: the part that gradops replaces."""

        def loss_and_gradient(image):
            with tf.GradientTape() as tape:
                tape.watch(image)
                value = self._sobel_loss(image)
            return value, tape.gradient(value, image)

        run = tf.function(loss_and_gradient) if self._provider.graph else loss_and_gradient
        return lambda: run(self.start)

    def optimize(self, steps: int, tolerance: float = 0.0, callback=None):
        """gradops.optimize_image, from the start."""
        rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, decay_steps=steps)
        return gradops.optimize_image(
            self.start,
            self.loss,
            optimizer=keras.optimizers.Adam(rate),
            steps=steps,
            tolerance=tolerance,
            callback=callback,
            graph=self._provider.graph,
        )


class _StepTimes:
    """A callback that times steps, without its own time, and shows progress."""

    def __init__(self, progress: tqdm) -> None:
        self._progress = progress
        self._resumed = time.perf_counter()
        self.milliseconds: list[float] = []

    def __call__(self, number: int, loss: float) -> None:
        self.milliseconds.append(1e3 * (time.perf_counter() - self._resumed))
        self._progress.set_postfix(loss=f"{loss:.5f}", refresh=False)
        self._progress.update()
        self._resumed = time.perf_counter()


def restore(options: argparse.Namespace) -> list[Result]:
    """Optimises with each of PROVIDERS, one after the other."""
    results = []
    with tf.device("CPU:0"):
        problems = {provider: _Problem(provider, options) for provider in PROVIDERS}
        losses = {p.title: problem.sobel_loss_and_gradient() for p, problem in problems.items()}
        loss_ms = time_in_turns(losses, _LOSS_CALLS)
        for provider, problem in problems.items():
            title = provider.title
            with tqdm(total=options.steps, desc=f"{title:<23}", unit="step") as progress:
                times = _StepTimes(progress)
                image, history = problem.optimize(options.steps, options.tolerance, times)
            results.append(
                Result(
                    provider,
                    image[0].numpy(),
                    len(history),
                    float(problem.loss(image)),
                    after_warm_up(times.milliseconds),
                    loss_ms[title],
                )
            )
    return results


def print_memory(options: argparse.Namespace) -> None:
    """Prints JSON: the peak memory of the loss alone and of a run of the provider, in bytes.

    It does not include the photographs; that of the run includes the image and Adam's two moments.
    """
    (provider,) = [each for each in PROVIDERS if each.title == options.memory]
    # First takes the memory that a process needs once for any image.
    tiny = argparse.Namespace(**{**vars(options), "size": _WARM_UP_SIZE, "path": None})
    warm_up = _Problem(provider, tiny)
    warm_up.sobel_loss_and_gradient()()
    warm_up.optimize(1)
    problem = _Problem(provider, options)
    with _measure.peak_extra_memory() as memory:
        run = problem.sobel_loss_and_gradient()
        for _ in range(_MEMORY_CALLS):
            run()
        of_loss = memory.extra_bytes
        problem.optimize(_MEMORY_CALLS)
    print(json.dumps([of_loss, memory.extra_bytes]))
