"""Optimising an image by descending a loss of its pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from gradops._inputs import checks, convert
from gradops._inputs.tensors import loss_dtype

# The relative decrease is taken over this many steps, because that of one step is noise near the
# minimum.
WINDOW = 10


class Optimized(NamedTuple):
    """What optimize_image returns."""

    image: tf.Tensor
    history: list[float]


def optimize_image(
    initial: convert.TensorLike,
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
      initial: The image to start from, of any shape and floating dtype. It is not changed. If it
        has 16 bits, the loss gets images of that dtype, but steps are added up in float32.
      loss: A differentiable function image -> scalar, such as a loss bound to a target.
      optimizer: A Keras optimizer that has not been built yet, or the name of one. Its loss scale
        and moving average, if it has them, are applied as in fit.
      steps: The most steps to take, at least 1.
      tolerance: Stop once the loss has fallen by less than this fraction of itself over the last 10
        steps, at least 0 and below 1; 0 takes every step.
      callback: Called after each step with its number, from 1, and the loss before it.
      value_range: Smallest and largest value of a pixel; the image is clipped to it after each
        step.
      graph: Whether to compile the step as a tf.function.
      verbose: Whether to show a progress bar.

    Returns:
      (image, history): the image after the last step, of the dtype of initial, and the loss before
      each step.

    Raises:
      ValueError: If initial is not floating, steps, tolerance or value_range is out of range,
        optimizer is not one or has been built, loss or callback is not callable, or loss does not
        return a scalar or does not depend on the image.
      FloatingPointError: If the loss or the image becomes NaN or infinite.

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
    start = convert.tensor("initial", initial)
    if not start.dtype.is_floating:
        raise ValueError(f"initial must have a floating dtype, got {start.dtype.name}")
    steps = checks.integer("steps", steps)
    if not 0 <= checks.finite("tolerance", tolerance) < 1:
        raise ValueError(f"tolerance must be at least 0 and below 1, got {tolerance!r}")
    for argument, function in (("loss", loss), ("callback", callback)):
        if not callable(function) and not (argument == "callback" and function is None):
            raise ValueError(f"{argument} must be callable, got {function!r}")
    limits = None if value_range is None else checks.rising("value_range", value_range)
    # Steps are too small for 16 bits.
    image = tf.Variable(tf.cast(start, loss_dtype(start.dtype)))
    optimizer = _built_optimizer(optimizer, image)

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            pixels = tf.convert_to_tensor(image)
            tape.watch(pixels)
            value = _scalar(loss(tf.cast(pixels, start.dtype)))
            scaled = optimizer.scale_loss(value)  # apply_gradients divides by that scale
        gradient = tape.gradient(scaled, pixels)
        if gradient is None:
            raise ValueError("loss must depend on the image, got one without a gradient")
        optimizer.apply_gradients([(gradient, image)])
        if limits is not None:
            image.assign(tf.clip_by_value(image, *limits))
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
    optimizer.finalize_variable_values([image])
    # No loss was computed after the last step.
    was_finite = tf.math.is_finite(start)
    if not tf.reduce_all(tf.math.is_finite(image) | ~was_finite):
        raise FloatingPointError(f"the image is NaN or infinite after step {len(history)}")
    return Optimized(tf.cast(image, start.dtype), history)


def _built_optimizer(optimizer: Any, image: tf.Variable) -> keras.optimizers.Optimizer:
    """The optimizer, built here because a tf.function cannot create its variables."""
    try:
        found = keras.optimizers.get(optimizer)
    except ValueError:
        found = None
    if not isinstance(found, keras.optimizers.Optimizer):
        raise ValueError(f"optimizer must be a Keras optimizer or its name, got {optimizer!r}")
    if found.built:
        raise ValueError("optimizer must not have been built, got one that has variables already")
    found.build([image])
    return found


def _scalar(value: Any) -> tf.Tensor:
    if value is None:
        raise ValueError("loss must return a scalar, got None")
    value = tf.convert_to_tensor(value)
    if value.shape.rank != 0:
        raise ValueError(f"loss must return a scalar, got shape {value.shape}")
    return value


def _has_settled(history: list[float], tolerance: float) -> bool:
    if len(history) <= WINDOW:
        return False
    before, now = history[-1 - WINDOW], history[-1]
    return before - now <= tolerance * abs(before)
