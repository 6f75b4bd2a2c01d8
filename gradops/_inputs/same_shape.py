"""Checks of shapes. Arithmetic would not notice a wrong one, because it broadcasts."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from gradops._inputs.tensors import AXES, shape_error, shape_text, size_text, with_assert

_LAYOUTS = {"channels_last": "[B, H, W, C]", "channels_first": "[B, C, H, W]"}


def same_shape(first: tf.Tensor, second: tf.Tensor, message: str) -> tf.Tensor:
    """The first tensor, checked to have the shape of the second.

    Raises:
      ValueError: In a graph that knows the shapes.
      tf.errors.InvalidArgumentError: In eager mode, or when a graph runs that did not know them.
    """
    if not first.shape.is_compatible_with(second.shape):
        both = f"{shape_text(first.shape)} and {shape_text(second.shape)}"
        raise shape_error(f"{message}, got {both}")
    if first.shape.is_fully_defined() and second.shape.is_fully_defined():
        return first
    shapes = tf.shape(first), tf.shape(second)
    # Shapes of different ranks cannot be compared directly.
    ranks = [tf.size(shape) for shape in shapes]
    least = tf.minimum(*ranks)
    good = tf.reduce_all(tf.equal(shapes[0][:least], shapes[1][:least])) & tf.equal(*ranks)
    check = tf.debugging.Assert(good, [f"{message}, got", *shapes])
    first = with_assert(check, first)
    if first.shape.rank is None or second.shape.rank is None:
        return first
    shapes = with_assert(check, shapes[0]), with_assert(check, shapes[1])
    known = first.shape.merge_with(second.shape)
    found = [equal_size(*(shape[axis] for shape in shapes)) for axis in range(known.rank)]
    sizes = [each if size is None else size for size, each in zip(known, found, strict=True)]
    return tf.ensure_shape(tf.reshape(first, sizes), known)


def equal_size(*sizes: tf.Tensor) -> tf.Tensor:
    """The size that all of them are. XLA drops assertions but cannot stack different sizes."""
    return tf.shape(tf.stack([tf.zeros([size], tf.bool) for size in sizes]))[1]


def of_rank_4(argument: str, values: tf.Tensor, data_format: str) -> tf.Tensor:
    """The tensor, checked to have rank 4."""
    message = f"{argument} must have rank 4 {_LAYOUTS[data_format]}, got shape"
    if values.shape.rank is None:
        shape = tf.shape(values)
        values = with_assert(
            tf.debugging.Assert(tf.equal(tf.size(shape), 4), [message, shape]), values
        )
        return tf.ensure_shape(values, [None] * 4)
    if values.shape.rank != 4:
        raise shape_error(f"{message} {shape_text(values.shape)}")
    return values


def check_size(images: tf.Tensor, axes: Sequence[int], least: int, message: str) -> None:
    """Raises the message, with both sizes, if height or width are known to be below `least`.

    `axes` are those of height and width.
    """
    sizes = [images.shape[axis] for axis in axes]
    if any(size is not None and size < least for size in sizes):
        height, width = map(size_text, sizes)
        raise shape_error(f"{message}, got height {height} and width {width}")


def per_pixel(argument: str, values: tf.Tensor, images: tf.Tensor, data_format: str) -> tf.Tensor:
    """The values, checked to have the shape of the images or one channel."""
    values = of_rank_4(argument, values, data_format)
    channel_axis = AXES[data_format][2]
    one_channel = [1 if axis == channel_axis else size for axis, size in enumerate(images.shape)]
    allowed = " or ".join(dict.fromkeys([shape_text(one_channel), shape_text(images.shape)]))
    message = f"{argument} must have shape {allowed}, got"
    known = True
    for axis, (size, wanted) in enumerate(zip(values.shape, images.shape, strict=True)):
        if size is None or (wanted is None and not (axis == channel_axis and size == 1)):
            known = False
        elif size != wanted and not (axis == channel_axis and size == 1):
            raise shape_error(f"{message} {shape_text(values.shape)}")
    if known:
        return values
    shape, wanted = tf.shape(values), tf.shape(images)
    may_be_one = tf.constant([axis == channel_axis for axis in range(4)])
    good = tf.reduce_all(tf.equal(shape, wanted) | (may_be_one & tf.equal(shape, 1)))
    check = tf.debugging.Assert(good, [message, shape, "for images", wanted])
    shape, wanted = with_assert(check, shape), with_assert(check, wanted)
    sizes = [equal_size(shape[axis], wanted[axis]) for axis in range(4) if axis != channel_axis]
    channels = shape[channel_axis]
    of_images = tf.where(tf.equal(channels, 1), channels, wanted[channel_axis])
    sizes.insert(channel_axis, equal_size(channels, of_images))
    return tf.ensure_shape(tf.reshape(values, sizes), values.shape)
