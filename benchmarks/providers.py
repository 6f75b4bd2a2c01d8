"""What is timed: the ways to compute the loss, and the yardsticks they are compared with.

A builder takes a `Problem` and returns a call without arguments that computes it once and returns
(loss, gradient): the loss as NumPy values, [B] or reduced to its mean over the batch; the gradient
of that mean as an array or a tensor, None where the mode has none.

Reading the loss as NumPy makes sure that the step is over; a gradient is never copied. Images reach
a tf.function as arguments, so nothing can be folded into constants.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import gradops
from gradops import _kernels

FORWARD, LOSS_AND_GRADIENT, TRAINING_STEP = "forward", "loss+gradient", "training step"
# Image tensors read and written, at least.
TRAFFIC = {FORWARD: 2, LOSS_AND_GRADIENT: 3, TRAINING_STEP: 3}

Shape = tuple[int, ...]
Call = Callable[[], tuple[Any, Any]]
_ALIGNMENT = 64  # Bytes, a cache line; TensorFlow's own.
_LEVELS = 4096


@dataclasses.dataclass(frozen=True)
class Problem:
    """Two images, [B, H, W, C], and what to compute of them."""

    y_true: np.ndarray
    y_pred: np.ndarray
    penalty: str = "l1"
    threads: int = 0  # Of the kernels without TensorFlow; 0 means one per core.

    @functools.cached_property
    def tensors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """(y_true, y_pred)."""
        return tf.constant(self.y_true), tf.constant(self.y_pred)

    @functools.cached_property
    def out(self) -> np.ndarray:
        """A buffer for the gradient, its pages already touched."""
        out = _aligned_empty(self.y_pred.shape, self.y_pred.dtype)
        out.fill(0)
        return out


def make_problem(shape: Shape, dtype: str, penalty: str, threads: int = 0) -> Problem:
    """Random images, the same at every call.

    Values are multiples of 1/4096 in [0, 1): every residual of the Sobel stencil is then exact in
    float32, in any order of summation, so that rounding cannot turn the sign of a small one, which
    is its l1 gradient.
    """
    generator = np.random.default_rng(20240229)

    def image() -> np.ndarray:
        image = _aligned_empty(shape, np.dtype(dtype))
        image[...] = generator.integers(_LEVELS, size=shape, dtype=np.uint16)
        image /= _LEVELS
        return image

    return Problem(image(), image(), penalty, threads)


def _aligned_empty(shape: Shape, dtype: np.dtype) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size].view(dtype).reshape(shape)


def _kernel_forward(problem: Problem) -> Call:
    def call() -> tuple[Any, Any]:
        loss = _kernels.loss(
            problem.y_true, problem.y_pred, threads=problem.threads, penalty=problem.penalty
        )
        return loss, None

    return call


def _kernel_loss_and_gradient(problem: Problem) -> Call:
    batch = len(problem.y_pred)
    upstream = np.full(batch, 1 / batch, problem.y_pred.dtype)

    def call() -> tuple[Any, Any]:
        return _kernels.loss_and_gradient(
            problem.y_true,
            problem.y_pred,
            upstream,
            out=problem.out,
            threads=problem.threads,
            penalty=problem.penalty,
        )

    return call


def _tensorflow_modes(
    library: Any,
    mean_loss: Callable[[Problem], Callable[[tf.Tensor, tf.Tensor], tf.Tensor]],
    wrap: Callable[[Callable], Callable],
) -> dict[str, Callable[[Problem], Call]]:
    """Builders for the modes of gradops or gradops.composite; `wrap` makes a tf.function or not."""

    def forward(problem: Problem) -> Call:
        function = wrap(lambda t, p: library.gradient_loss(t, p, penalty=problem.penalty))
        return lambda: (function(*problem.tensors).numpy(), None)

    def loss_and_gradient(problem: Problem) -> Call:
        function = wrap(lambda t, p: library.value_and_gradient(t, p, penalty=problem.penalty))
        return _read_loss(function, problem)

    def training_step(problem: Problem) -> Call:
        loss_function = mean_loss(problem)

        def step(y_true: tf.Tensor, y_pred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                loss = loss_function(y_true, y_pred)
            return loss, tape.gradient(loss, y_pred)

        return _read_loss(wrap(step), problem)

    return {
        FORWARD: forward,
        LOSS_AND_GRADIENT: loss_and_gradient,
        TRAINING_STEP: training_step,
    }


def _read_loss(function: Callable[..., tuple[tf.Tensor, tf.Tensor]], problem: Problem) -> Call:
    def call() -> tuple[Any, Any]:
        loss, gradient = function(*problem.tensors)
        return loss.numpy(), gradient

    return call


def _sobel_loss(problem: Problem) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return gradops.SobelLoss(penalty=problem.penalty, dtype=problem.y_pred.dtype.name)


def _composite_loss(problem: Problem) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return lambda t, p: tf.reduce_mean(
        gradops.composite.gradient_loss(t, p, penalty=problem.penalty)
    )


def _eager(function: Callable) -> Callable:
    return function


_xla = functools.partial(tf.function, jit_compile=True)

# Provider -> mode -> builder.
PROVIDERS: dict[str, dict[str, Callable[[Problem], Call]]] = {
    "kernel": {FORWARD: _kernel_forward, LOSS_AND_GRADIENT: _kernel_loss_and_gradient},
    "op-eager": _tensorflow_modes(gradops, _sobel_loss, _eager),
    "op-function": _tensorflow_modes(gradops, _sobel_loss, tf.function),
    "tf-eager": _tensorflow_modes(gradops.composite, _composite_loss, _eager),
    "tf-function": _tensorflow_modes(gradops.composite, _composite_loss, tf.function),
    "tf-xla": _tensorflow_modes(gradops.composite, _composite_loss, _xla),
}
