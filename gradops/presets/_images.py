"""Checked images and other helpers of the presets that are composed of several ops."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from gradops._inputs import checks, convert, same_shape
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.leading import LeadingAxes
from gradops._inputs.same_shape import equal_size, of_rank_4, per_pixel
from gradops._inputs.tensors import AXES, loss_dtype, shape_error, shape_text, with_assert

#: Its square is not 0 in float32, nor its reciprocal infinite.
_MIN_EPSILON = 1e-15
#: Whether a loss is divided by the count of its own example or by the mean count of the batch.
NORMALIZERS = ("image", "batch")


class Pair(NamedTuple):
    """Images of rank 4 with the same shape and dtype. The mask may have one channel, or be None.

    Invalid pixels may be NaN and must be hidden before they are used.
    """

    y_true: tf.Tensor
    y_pred: tf.Tensor
    mask: tf.Tensor | None
    leading: LeadingAxes  # the axes that were folded into the batch
    data_format: str

    def images(self) -> tuple[tf.Tensor, tf.Tensor]:
        return self.y_true, self.y_pred

    def widened(self) -> Pair:
        """The images in the dtype of losses."""
        true, predicted = (tf.cast(x, loss_dtype(x.dtype)) for x in self.images())
        return self._replace(y_true=true, y_pred=predicted)

    def losses(self, losses: tf.Tensor) -> tf.Tensor:
        """Per-example losses as the caller gets them."""
        return self.leading.unfold_losses(losses)

    def hidden(self, value: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Both images with `value` in place of invalid pixels."""
        if self.mask is None:
            return self.y_true, self.y_pred
        fill = tf.constant(value, self.y_pred.dtype)
        return tf.where(self.mask, self.y_true, fill), tf.where(self.mask, self.y_pred, fill)

    def counted(self) -> tf.Tensor:
        """1 where pixels are valid and 0 elsewhere."""
        if self.mask is None:
            return tf.ones_like(self.y_pred)
        return tf.cast(tf.broadcast_to(self.mask, tf.shape(self.y_pred)), self.y_pred.dtype)


def pair(
    y_true: TensorLike, y_pred: TensorLike, mask: MaskLike | None, data_format: str | None
) -> Pair:
    """Both images and the mask, checked and folded into one batch."""
    data_format = layout(data_format)
    check_target(y_true)
    given, leading = convert.inputs(y_true, y_pred, mask=mask)
    predicted = of_rank_4("y_pred", given.y_pred, data_format)
    target = of_rank_4("y_true", given.y_true, data_format)
    target = agree("y_true and y_pred must have the same shape", target, predicted, (0, 1, 2, 3))
    valid = None if mask is None else per_pixel("mask", given.mask, predicted, data_format)
    return Pair(target, predicted, valid, leading, data_format)


def map_of(argument: str, values: tf.Tensor, given: Pair) -> tf.Tensor:
    """A map [B, H, W], or with one channel, as [B, H, W, 1] beside the images."""
    height, width, channels = AXES[given.data_format]
    if values.shape.rank == given.leading.rank - 1:
        values = tf.expand_dims(values, channels - 4)  # -1 or -3
    values = of_rank_4(argument, given.leading.fold(argument, values), given.data_format)
    message = f"{argument} must have the batch, height and width of y_pred"
    values = agree(message, values, given.y_pred, (0, height, width))
    if values.shape[channels] not in (None, 1):
        raise shape_error(f"{argument} must have 1 channel, got shape {shape_text(values.shape)}")
    return tf.ensure_shape(values, [1 if axis == channels else None for axis in range(4)])


def layout(data_format: str | None) -> str:
    """The data format, checked; that of Keras if it is None."""
    return checks.options(data_format=data_format)["data_format"]


def along(data_format: str, rows: slice, columns: slice) -> tuple[slice, ...]:
    """The index of these rows and columns in all images and channels."""
    everything = slice(None)
    if data_format == "channels_last":
        return everything, rows, columns
    return everything, everything, rows, columns


def levels(maps: Sequence[tf.Tensor | None], scales: int, data_format: str) -> Iterator[list[Any]]:
    """Every 2^s-th row and column of maps of the same height and width, s = 0, 1, ..."""
    for scale in range(scales):
        every = slice(None, None, 2**scale)
        index = along(data_format, every, every)
        yield [None if each is None else each[index] for each in maps]


def check_levels(given: Pair, scales: int, least: int) -> None:
    """Raises if the smallest level is known to have fewer than `least` rows or columns."""
    needed = (least - 1) * 2 ** (scales - 1) + 1
    check_size(given, needed, f"scales={scales}")


def check_size(given: Pair, least: int, reason: str) -> None:
    """Raises if images are known to be too small. If that is not known, the ops raise later."""
    message = f"y_pred is too small for {reason}: height and width must be at least {least}"
    same_shape.check_size(given.y_pred, AXES[given.data_format][:2], least, message)


def agree(message: str, first: tf.Tensor, second: tf.Tensor, along: tuple[int, ...]) -> tf.Tensor:
    """The first tensor, checked to have the sizes of the second along these axes."""
    sizes = [[x.shape[axis] for axis in along] for x in (first, second)]
    if any(None not in size and size[0] != size[1] for size in zip(*sizes, strict=True)):
        both = f"{shape_text(first.shape)} and {shape_text(second.shape)}"
        raise shape_error(f"{message}, got {both}")
    if None not in (*sizes[0], *sizes[1]):
        return first
    shapes = [tf.shape(first), tf.shape(second)]
    found = [tf.gather(shape, along) for shape in shapes]
    good = tf.reduce_all(tf.equal(*found))
    check = tf.debugging.Assert(good, [message, "got", *shapes])
    shapes = [with_assert(check, shape) for shape in shapes]
    shape, known = tf.unstack(shapes[0], 4), first.shape.as_list()
    for axis in along:
        shape[axis] = equal_size(*(sizes[axis] for sizes in shapes))
        known[axis] = second.shape[axis] if known[axis] is None else known[axis]
    return tf.ensure_shape(tf.reshape(first, tf.stack(shape)), known)


def mean(values: tf.Tensor, valid: tf.Tensor | None, normalizer: str = "image") -> tf.Tensor:
    """The mean of a map over the valid pixels, [B], 0 if there are none; see by_example."""
    if valid is None:
        means = tf.reduce_mean(values, axis=[1, 2, 3])
        if values.shape.num_elements():  # known, and not 0
            return means
        return tf.where(tf.equal(tf.size(values), 0), tf.zeros_like(means), means)
    return by_example(total(values, valid), total(tf.ones_like(values), valid), normalizer)


def total(values: tf.Tensor, valid: tf.Tensor | None = None) -> tf.Tensor:
    """The sum of a map over the valid pixels, [B]."""
    if valid is not None:
        values = tf.where(valid, values, tf.zeros_like(values))
    return tf.reduce_sum(values, axis=[1, 2, 3])


def by_example(
    sums: tf.Tensor, counts: tf.Tensor, normalizer: str, epsilon: float = 0.0
) -> tf.Tensor:
    """The quotients sums / (counts + epsilon), [B]; 0 where that divides by 0.

    With "batch", the mean of the losses is sum(sums) / (sum(counts) + epsilon).
    """
    if normalizer == "batch":
        batch = tf.cast(tf.size(counts), counts.dtype)
        counts, epsilon = tf.reduce_sum(counts) / batch, epsilon / batch
    return tf.math.divide_no_nan(sums, counts + epsilon)


def check_epsilon(value: object) -> float:
    return checks.bounded("epsilon", value, _MIN_EPSILON)


def check_target(y_true: object) -> None:
    if y_true is None:
        raise ValueError("y_true must be images, got None")


def check_flag(argument: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{argument} must be True or False, got {value!r}")
    return value


def logarithm(argument: str, values: tf.Tensor, where: str = "every valid pixel") -> tf.Tensor:
    """log(values). Raises unless all of them are above 0; under XLA, which drops assertions, NaN.

    `where` is the part of the error that says which values were passed.
    """
    message = f"{argument} must be above 0 at {where}, got"
    good = values > 0  # NaN is not
    if not tf.executing_eagerly():
        least = tf.reduce_min(values)
        values = with_assert(tf.debugging.Assert(tf.reduce_all(good), [message, least]), values)
    elif not tf.reduce_all(good):
        wrong = tf.boolean_mask(values, ~good)[0].numpy()
        raise tf.errors.InvalidArgumentError(None, None, f"{message} {wrong}")
    return tf.math.log(tf.where(good, values, tf.constant(math.nan, values.dtype)))


def root(squares: tf.Tensor) -> tf.Tensor:
    """sqrt(squares), with derivative 0 at 0."""
    is_zero = tf.equal(squares, 0)
    roots = tf.sqrt(tf.where(is_zero, tf.ones_like(squares), squares))
    return tf.where(is_zero, tf.zeros_like(squares), roots)
