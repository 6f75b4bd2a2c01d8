"""The functions of _ops.py by gradops.composite: what computes where the op library does not load.

The same arguments and results, up to rounding, at many times the cost in time and memory.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops import composite
from gradops._inputs import Inputs, is_absent
from gradops._options import PENALTY_PARAMETERS, RESPONSE_PARAMETERS, Options
from gradops.composite.problem import Problem


def loss(
    inputs: Inputs, options: Options, upstream: str | None = "mean", factor: float = 1.0
) -> tf.Tensor:
    """Per-example losses; upstream and factor are hints, of no use here."""
    del upstream, factor
    return composite.gradient_loss(**_arguments(inputs, options))


def pixel_loss(inputs: Inputs, options: Options) -> tf.Tensor:
    """The means of |y_pred - y_true| over the valid pixels and channels, by their weights: [B]."""
    arguments = _arguments(inputs, options)
    normalizer = arguments.pop("normalizer")
    parameters = dict.fromkeys((*PENALTY_PARAMETERS, *RESPONSE_PARAMETERS))
    problem = Problem(**{**parameters, **arguments})
    divisor = problem.pixels()
    if normalizer == "batch":
        divisor = tf.reduce_sum(divisor) / tf.cast(tf.size(divisor), divisor.dtype)
    return tf.math.divide_no_nan(problem.pixel_sums(), divisor)


def value_and_gradient(
    inputs: Inputs, reduction: str, options: Options
) -> tuple[tf.Tensor, tf.Tensor]:
    """Per-example losses [B], and the gradient by y_pred of their mean or sum ("none": sum)."""
    reduce = tf.reduce_mean if reduction == "mean" else tf.reduce_sum
    with tf.GradientTape() as tape:
        tape.watch(inputs.y_pred)
        losses = loss(inputs, options)
        total = reduce(losses)
    return losses, tape.gradient(total, inputs.y_pred)


def sums(inputs: Inputs, options: Options) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums by example and axis, of the options' normalizer "none", and what they are sums over."""
    arguments = _arguments(inputs, options)
    del arguments["normalizer"]
    return composite.gradient_sums(**arguments)


def image_gradients(images: tf.Tensor, options: Options) -> tf.Tensor:
    """(dy, dx) of images, in a last axis of 2."""
    return composite.image_gradients(images, **options)


def gradient_magnitude(images: tf.Tensor, options: Options) -> tf.Tensor:
    """sqrt(dy^2 + dx^2 + response_epsilon) of images."""
    epsilon = float(options["response_epsilon"])
    return composite.gradient_magnitude(images, **{**options, "response_epsilon": epsilon})


def _arguments(inputs: Inputs, options: Options) -> dict[str, Any]:
    """Arguments of gradops.composite: numbers for texts, None for what is absent."""
    arguments = dict(options)
    number = arguments.pop("penalty_parameter")
    if number:
        (name,) = composite.PENALTIES[options["penalty"]].parameters
        arguments[name] = float(number)
    epsilon = arguments.pop("response_epsilon")
    if epsilon:
        arguments["response_epsilon"] = float(epsilon)
    given = {name: None if is_absent(x) else x for name, x in inputs._asdict().items()}
    return {**arguments, **given}
