"""What the providers are measured against, timed in the same rounds."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from benchmarks.modes import Baseline
from benchmarks.problems import Problem
from gradops import _library

READ_FLOOR, SUBTRACT = "read floor", "tf.function(p - t)"
TRIADS = ("triad plain", "triad streaming")
TAPE, KERAS = "tape+tf.negative", "identity keras loss"
_kernels = _library.kernels()
# Up to this size of an image tensor the cost of Python and of the tape is what one sees.
SMALL_BYTES = 256 * 1024


class _IdentityLoss(keras.losses.Loss):
    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return y_pred


def _step(loss_function: Callable[[tf.Tensor], tf.Tensor], problem: Problem) -> Baseline:
    """An eager training step whose loss takes [B] values instead of images."""
    values = tf.zeros(len(problem.y_pred), problem.y_pred.dtype)

    def call() -> object:
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = loss_function(values)
        return loss.numpy(), tape.gradient(loss, values)

    return Baseline(call, 2 * len(problem.y_pred) * problem.y_pred.itemsize)


def _read_floor(problem: Problem) -> Baseline:
    images, threads = (problem.y_true, problem.y_pred), problem.threads
    return Baseline(
        lambda: _kernels.sum_absolute_difference(*images, threads=threads),
        2 * problem.y_pred.nbytes,
    )


def _triad(streaming: bool) -> Callable[[Problem], Baseline]:
    def build(problem: Problem) -> Baseline:
        images, threads = (problem.y_true, problem.y_pred), problem.threads
        triad = _kernels.streaming_triad if streaming else _kernels.triad
        return Baseline(
            lambda: triad(*images, problem.out, threads=threads), 3 * problem.y_pred.nbytes
        )

    return build


def _subtract(problem: Problem) -> Baseline:
    function = tf.function(lambda t, p: p - t)
    return Baseline(lambda: function(*problem.tensors[:2]), 3 * problem.y_pred.nbytes)


def _keras_step(problem: Problem) -> Baseline:
    identity = _IdentityLoss(dtype=problem.dtype)
    return _step(lambda values: identity(values, values), problem)


def _tape_step(problem: Problem) -> Baseline:
    return _step(lambda values: tf.reduce_mean(tf.negative(values)), problem)


# Name -> builder.
BASELINES: dict[str, Callable[[Problem], Baseline]] = {
    READ_FLOOR: _read_floor,
    TRIADS[0]: _triad(streaming=False),
    TRIADS[1]: _triad(streaming=True),
    SUBTRACT: _subtract,
    TAPE: _tape_step,
    KERAS: _keras_step,
}
