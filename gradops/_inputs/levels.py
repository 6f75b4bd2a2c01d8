"""The coarser levels of images, weights and masks."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

DOWNSAMPLES = ("stride", "average")


def coarser(images: tf.Tensor, axes: Sequence[int], downsample: str) -> tf.Tensor:
    """The next level: every second row and column, or the means of 2 x 2 pixels.

    `axes` are those of height and width. Means leave out the last row or column of an odd size. A
    pixel of a mask (bool) is valid if it is made from valid pixels only.
    """
    if downsample == "stride":
        return _every_second(images, axes, 0, 0)
    even = _even_part(images, axes)
    corners = [_every_second(even, axes, i, j) for i in (0, 1) for j in (0, 1)]
    if images.dtype.is_bool:
        return tf.reduce_all(tf.stack(corners), axis=0)
    return 0.25 * tf.add_n(corners)


def minimum_size(of_level: int, levels: int, downsample: str) -> int:
    """The smallest height and width for which the coarsest level has at least of_level."""
    step = 2 ** (levels - 1)
    return (of_level - 1) * step + 1 if downsample == "stride" else of_level * step


def _every_second(images: tf.Tensor, axes: Sequence[int], row: int, column: int) -> tf.Tensor:
    slices = [slice(None)] * 4
    slices[axes[0]], slices[axes[1]] = slice(row, None, 2), slice(column, None, 2)
    return images[tuple(slices)]


def _even_part(images: tf.Tensor, axes: Sequence[int]) -> tf.Tensor:
    slices = [slice(None)] * 4
    shape = tf.shape(images)
    for axis in axes:
        size = images.shape[axis]
        slices[axis] = slice(None, shape[axis] // 2 * 2 if size is None else size // 2 * 2)
    return images[tuple(slices)]
