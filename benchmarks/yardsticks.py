"""What the providers are measured against, timed in the same rounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from benchmarks.providers import FORWARD, TRAINING_STEP, Problem
from gradops import _kernels

READ_FLOOR, SUBTRACT = "read floor", "tf.function(p - t)"
TRIADS = ("triad plain", "triad streaming")
TAPE, KERAS = "tape+tf.negative", "identity keras loss"
# Up to this size of an image tensor the cost of Python and of the tape is what one sees.
SMALL_BYTES = 256 * 1024


@dataclasses.dataclass(frozen=True)
class Yardstick:
    """A call to time, and the bytes it must read and write."""

    call: Callable[[], object]
    bytes: int


class _IdentityLoss(keras.losses.Loss):
    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return y_pred


def _step(loss_function: Callable[[tf.Tensor], tf.Tensor], problem: Problem) -> Yardstick:
    """An eager training step whose loss takes [B] values instead of images."""
    values = tf.zeros(len(problem.y_pred), problem.y_pred.dtype)

    def call() -> object:
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = loss_function(values)
        return loss.numpy(), tape.gradient(loss, values)

    return Yardstick(call, 2 * len(problem.y_pred) * problem.y_pred.itemsize)


def build(problem: Problem) -> dict[str, Yardstick]:
    """The yardsticks for a problem, by name."""
    image = problem.y_pred.nbytes
    images = problem.y_true, problem.y_pred
    threads = problem.threads

    def triad(streaming: bool) -> Callable[[], object]:
        return lambda: _kernels.triad(*images, problem.out, streaming=streaming, threads=threads)

    subtract = tf.function(lambda t, p: p - t)
    yardsticks = {
        READ_FLOOR: Yardstick(
            lambda: _kernels.sum_absolute_difference(*images, threads=threads), 2 * image
        ),
        TRIADS[0]: Yardstick(triad(streaming=False), 3 * image),
        TRIADS[1]: Yardstick(triad(streaming=True), 3 * image),
        SUBTRACT: Yardstick(lambda: subtract(*problem.tensors), 3 * image),
    }
    if image <= SMALL_BYTES:
        identity = _IdentityLoss(dtype=problem.y_pred.dtype.name)
        yardsticks[TAPE] = _step(lambda v: tf.reduce_mean(tf.negative(v)), problem)
        yardsticks[KERAS] = _step(lambda v: identity(v, v), problem)
    return yardsticks


def compared_with(provider: str, mode: str, medians: dict[str, float]) -> list[str]:
    """The yardsticks of one provider and mode, the floor of its memory traffic first.

    Args:
        provider: A key of `PROVIDERS`.
        mode: One of its modes.
        medians: Of the yardsticks that were timed, by name.
    """
    if provider == "kernel":
        return [READ_FLOOR if mode == FORWARD else min(TRIADS, key=medians.__getitem__)]
    names = [SUBTRACT]
    if (provider, mode) == ("op-eager", TRAINING_STEP):
        names += [name for name in (TAPE, KERAS) if name in medians]
    return names
