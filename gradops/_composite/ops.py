"""The composite backend: the functions of _fused/ops.py, made of TensorFlow's public ops.

Arguments and results are the same up to rounding, at many times the cost in time and memory. Also
has functions for which there is no fused op. Gradients are TensorFlow's own, of any order.
"""

from __future__ import annotations

import tensorflow as tf

from gradops._composite import responses, support
from gradops._composite.checks import check_images
from gradops._composite.problem import NORMALIZERS, Problem
from gradops._composite.stencils import sobel_edges, stencil_of
from gradops._inputs.checks import Options
from gradops._inputs.tensors import Inputs, loss_dtype


def loss(
    inputs: Inputs, options: Options, upstream: str | None = "mean", factor: float = 1.0
) -> tf.Tensor:
    """Per-example losses. The hints upstream and factor are not used."""
    del upstream, factor
    problem, normalizer = Problem(inputs, options), options["normalizer"]
    if problem.is_difference_of_sobel_edges():
        mean = problem.mean_of_sobel_edges()
        return 2 * mean if normalizer in ("pixels", "pixel_count") else mean
    divisor = NORMALIZERS[normalizer](problem)
    # If all weights are 0, loss and gradient are 0 even for NaN images.
    total = problem.sums(divisor > 0 if problem.has_weights() else None)
    return tf.math.divide_no_nan(tf.reduce_sum(total, axis=1), divisor)


def pixel_loss(inputs: Inputs, options: Options) -> tf.Tensor:
    """The weighted means of |y_pred - y_true| over the valid pixels and channels, [B].

    Normalizers that are counts divide by the number of valid pixels and channels.
    """
    problem, normalizer = Problem(inputs, options), options["normalizer"]
    total, divisor = problem.pixel_sums()
    if normalizer in ("residual_count", "pixel_count"):
        divisor = problem.pixel_number()
    if normalizer == "batch":
        divisor = tf.reduce_sum(divisor) / tf.cast(tf.size(divisor), divisor.dtype)
    return tf.math.divide_no_nan(total, divisor)


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
    """The sums by example and axis, and the sums of the weights."""
    problem = Problem(inputs, options)
    return problem.sums(), problem.given_counts()


def residual_map(inputs: Inputs, options: Options) -> tf.Tensor:
    """The sums over the residuals of each pixel and channel, with the shape of the images."""
    return tf.add_n(Problem(inputs, options).terms())


def image_gradients(images: tf.Tensor, options: Options) -> tf.Tensor:
    """(dy, dx) of images, in a last axis of 2."""
    stencil = stencil_of(options)
    images = check_images("images", images, stencil)
    x = tf.cast(images, loss_dtype(images.dtype))
    if stencil.is_sobel_edges() and images.shape.num_elements() != 0:
        return tf.cast(sobel_edges(x), images.dtype)
    flags = support.counted(stencil, False, None, tf.shape(x))
    kept = [support.keep(*pair) for pair in zip(flags, stencil.gradients(x), strict=True)]
    return tf.cast(tf.stack(kept, axis=-1), images.dtype)


def gradient_magnitude(images: tf.Tensor, options: Options) -> tf.Tensor:
    """sqrt(dy^2 + dx^2 + response_epsilon) of images, with derivative 0 where it is 0."""
    stencil = stencil_of(options)
    images = check_images("images", images, stencil)
    x = tf.cast(images, loss_dtype(images.dtype))
    kept, _ = support.counted(stencil, True, None, tf.shape(x))
    gy, gx = (support.keep(kept, g) for g in stencil.gradients(x))
    magnitudes = responses.magnitude((gy, gx), float(options["response_epsilon"]))
    return tf.cast(support.keep(kept, magnitudes), images.dtype)


def minimum_size(options: Options) -> int:
    """The smallest height and width that stencil and border are defined for."""
    return stencil_of(options).minimum_size()
