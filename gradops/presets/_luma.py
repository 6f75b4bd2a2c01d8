"""The luma of images with one or three channels."""

from __future__ import annotations

import math

import tensorflow as tf

from gradops._inputs.same_shape import check_size
from gradops._inputs.tensors import AXES, shape_error, shape_text, with_assert
from gradops.presets import _images

#: Red, green, blue to luma: ITU-R BT.601, the Y of YIQ.
BT601 = (0.299, 0.587, 0.114)
#: The same as MATLAB's rgb2gray rounds it; the sum is 0.9999.
RGB2GRAY = (0.2989, 0.587, 0.114)


def lumas_of(pair: _images.Pair, weights: tuple[float, float, float]) -> list[tf.Tensor]:
    """The lumas of y_true and y_pred, [B, H, W, 1] for both data formats.

    The weighted sum of three channels, or the only one. Not by a matrix product, which would lose
    digits on GPUs (TensorFloat-32).
    """
    return [
        _luma(argument, images, weights, pair.data_format)
        for argument, images in (("y_true", pair.y_true), ("y_pred", pair.y_pred))
    ]


def _luma(
    argument: str, images: tf.Tensor, weights: tuple[float, float, float], data_format: str
) -> tf.Tensor:
    axis = AXES[data_format][2]
    channels = images.shape[axis]
    if channels not in (1, 3):
        got = "an unknown number" if channels is None else channels
        raise shape_error(
            f"{argument} must have 1 channel or 3 (red, green, blue), known when a graph is built, "
            f"got {got} in {data_format} images of shape {shape_text(images.shape)}"
        )
    planes = tf.unstack(images, axis=axis)
    if channels == 1:
        return planes[0][..., tf.newaxis]
    red, green, blue = (weight * plane for weight, plane in zip(weights, planes, strict=True))
    return (red + green + blue)[..., tf.newaxis]


def large_enough(lumas: tf.Tensor, least: int, reason: str) -> tf.Tensor:
    """The lumas [B, H, W, 1]; raises if H or W is less than `least`.

    Under XLA, which drops assertions, lumas whose size the graph did not know become NaN.
    """
    message = f"y_pred is too small for {reason}: height and width must be at least {least}"
    check_size(lumas, (1, 2), least, message)
    if None not in lumas.shape[1:3]:
        return lumas
    sizes = tf.shape(lumas)[1:3]
    good = tf.reduce_all(sizes >= least)
    lumas = with_assert(tf.debugging.Assert(good, [f"{message}, got", sizes]), lumas)
    return tf.where(good, lumas, tf.constant(math.nan, lumas.dtype))
