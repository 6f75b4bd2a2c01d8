"""Optimising an image by descending a loss of its pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from gradops import _convert, _options

# The relative decrease is taken over this many steps: one step's is noise near the minimum.
WINDOW = 10


class Optimized(NamedTuple):
    """What optimize_image returns."""

    image: tf.Tensor
    history: list[float]


def optimize_image(
    initial: _convert.TensorLike,
    loss: Callable[[tf.Tensor], tf.Tensor],
    *,
    optimizer: Any = "adam",
    steps: int = 100,
    tolerance: float = 0.0,
    callback: Callable[[int, float], None] | None = None,
    value_range: tuple[float, float] | None = None,
    graph: bool = True,
    verbose: bool = False,
) -> Optimized:
    """image_{k+1} = image_k - step of the optimizer along d loss(image_k) / d image_k.

    Args:
      initial: The image to start from, of any shape, of a floating dtype. It is not changed.
      loss: image -> scalar, differentiable: any loss bound to a target.
      optimizer: A Keras optimizer that has not been built yet, or the name of one.
      steps: The most steps to take, at least 1.
      tolerance: Stop once the loss has fallen by less than this fraction of itself over the last 10
        steps, at least 0 and below 1; 0 takes every step.
      callback: Called after each step with its number, from 1, and the loss before it.
      value_range: Smallest and largest value of a pixel; the image is clipped to it after each
        step.
      graph: Whether the step is compiled as a tf.function.
      verbose: Whether to show a progress bar.

    Returns:
      (image, history): the image after the last step, of the dtype of initial, and the loss before
      each step.

    Raises:
      ValueError: If initial is not floating, steps, tolerance or value_range is out of range, loss
        does not return a scalar or does not depend on the image.
      FloatingPointError: If the loss becomes NaN or infinite.

    Example:
      >>> target = tf.random.uniform([1, 16, 16, 3])
      >>> def loss(image):
      ...     pixels = tf.reduce_mean(tf.square(image - target))
      ...     return pixels + 0.1 * gradops.SobelLoss()(target, image)
      >>> image, history = gradops.optimize_image(tf.zeros_like(target), loss, steps=20)
      >>> history[-1] < history[0]
      True

    Source: gradient descent on pixels, as style transfer does it (Gatys et al. 2016).
    """
    start = _convert.tensor("initial", initial)
    if not start.dtype.is_floating:
        raise ValueError(f"initial must have a floating dtype, got {start.dtype.name}")
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps must be an integer of at least 1, got {steps!r}")
    if not 0 <= _options.finite("tolerance", tolerance) < 1:
        raise ValueError(f"tolerance must be at least 0 and below 1, got {tolerance!r}")
    if value_range is not None:
        low, high = (_options.finite("value_range", value) for value in value_range)
        if low >= high:
            raise ValueError(f"value_range must be two rising numbers, got {value_range!r}")
    image = tf.Variable(start)
    optimizer = keras.optimizers.get(optimizer)
    optimizer.build([image])  # a tf.function may not create the optimizer's variables

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            pixels = tf.convert_to_tensor(image)
            tape.watch(pixels)
            value = tf.convert_to_tensor(loss(pixels))
        if value.shape.rank != 0:
            raise ValueError(f"loss must return a scalar, got shape {value.shape}")
        gradient = tape.gradient(value, pixels)
        if gradient is None:
            raise ValueError("loss must depend on the image, got one without a gradient")
        optimizer.apply_gradients([(gradient, image)])
        if value_range is not None:
            image.assign(tf.clip_by_value(image, *value_range))
        return value

    run_step = tf.function(step) if graph else step
    bar = keras.utils.Progbar(steps, stateful_metrics=["loss"]) if verbose else None
    history: list[float] = []
    for number in range(1, steps + 1):
        history.append(float(run_step()))
        if not math.isfinite(history[-1]):
            raise FloatingPointError(f"loss must be finite, got {history[-1]} in step {number}")
        if callback is not None:
            callback(number, history[-1])
        done = tolerance > 0 and _has_settled(history, tolerance)
        if bar is not None:
            bar.update(number, [("loss", history[-1])], finalize=done or number == steps)
        if done:
            break
    return Optimized(tf.convert_to_tensor(image), history)


def _has_settled(history: list[float], tolerance: float) -> bool:
    if len(history) <= WINDOW:
        return False
    before, now = history[-1 - WINDOW], history[-1]
    return before - now <= tolerance * abs(before)
