"""Checks of shapes and values, with the same errors as those of the fused ops.

Errors are InvalidArgumentErrors in eager mode and when a graph runs, and ValueErrors when a graph
is built. Dtypes and options were checked before.
"""

from __future__ import annotations

import tensorflow as tf

from gradops._composite.stencils import Stencil
from gradops._inputs.same_shape import check_size, of_rank_4, per_pixel, same_shape
from gradops._inputs.tensors import is_absent, with_assert

# Dtype of weights -> the range of an example's largest weight unless that is 0, as WeightRange of
# csrc/family/counts.h.
_WEIGHT_RANGES = {tf.float32: (1e-30, 1e19), tf.float64: (1e-290, 1e150)}


def check_images(argument: str, images: tf.Tensor, stencil: Stencil) -> tf.Tensor:
    """The images, checked to have rank 4 and to be large enough."""
    images = of_rank_4(argument, images, stencil.data_format)
    least = stencil.minimum_size()
    message = (
        f"{argument} is too small: border {stencil.border!r} with stencil {stencil.name!r} needs "
        f"height and width of at least {least}"
    )
    axes = stencil.axes[:2]
    check_size(images, axes, least, message)
    if None not in (images.shape[axis] for axis in axes):
        return images
    sizes = tf.gather(tf.shape(images), axes)
    check = tf.debugging.Assert(tf.reduce_all(sizes >= least), [f"{message}, got", sizes])
    return with_assert(check, images)


def check_target(
    y_true: tf.Tensor, y_pred: tf.Tensor, data_format: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Both images, checked to have the same shape."""
    message = "y_true and y_pred must have the same shape"
    y_true = of_rank_4("y_true", y_true, data_format)
    y_true = same_shape(y_true, y_pred, message)
    if y_pred.shape.is_fully_defined():  # ensure_shape has no forward mode
        return y_true, y_pred
    return y_true, tf.ensure_shape(y_pred, y_true.shape)


def check_mask(mask: tf.Tensor, images: tf.Tensor, data_format: str) -> tf.Tensor | None:
    """The mask, or None if it is absent."""
    return None if is_absent(mask) else per_pixel("mask", mask, images, data_format)


def check_weights(weights: tf.Tensor, images: tf.Tensor, data_format: str) -> tf.Tensor | None:
    """The weights, or None if they are absent."""
    if is_absent(weights):
        return None
    return _in_range(_non_negative(per_pixel("weights", weights, images, data_format)))


def _non_negative(weights: tf.Tensor) -> tf.Tensor:
    message = "weights must be non-negative, got a negative number or NaN"
    good = tf.reduce_all(weights >= 0)  # NaN is not.
    if tf.executing_eagerly() and not good:
        raise tf.errors.InvalidArgumentError(None, None, message)
    return with_assert(tf.debugging.Assert(good, [message]), weights)


def _in_range(weights: tf.Tensor) -> tf.Tensor:
    """The weights, checked that each example's largest is 0 or in `_WEIGHT_RANGES`.

    Compares bits instead of values, because the processor takes subnormal numbers for 0.
    """
    least, most = _WEIGHT_RANGES[weights.dtype]
    integer = tf.int64 if weights.dtype == tf.float64 else tf.int32
    largest = tf.reduce_max(tf.bitcast(weights, integer), axis=[1, 2, 3])
    ends = [tf.bitcast(tf.constant(end, weights.dtype), integer) for end in (least, most)]
    fits = (largest <= 0) | ((largest >= ends[0]) & (largest <= ends[1]))
    largest = tf.bitcast(largest, weights.dtype)
    message = (
        f"weights must have a largest value of 0 or from {least:g} to {most:g} in each example, got"
    )
    good = tf.reduce_all(fits)
    if tf.executing_eagerly() and not good:
        found = tf.boolean_mask(largest, ~fits)[0].numpy()
        raise tf.errors.InvalidArgumentError(None, None, f"{message} {found:g}")
    return with_assert(tf.debugging.Assert(good, [message, largest]), weights)
