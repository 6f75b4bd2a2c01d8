"""Small linear filters along one axis."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def filtered(images: tf.Tensor, axis: int, taps: Sequence[float], stride: int = 1) -> tf.Tensor:
    """The correlation of images of rank 4 with an odd number of taps, edge pixels repeated.

    The output has every stride-th position. Not by a convolution, which may lose digits on GPUs
    (TensorFloat-32).
    """
    reach = len(taps) // 2
    first, last = images[part(axis, slice(0, 1))], images[part(axis, slice(-1, None))]
    padded = tf.concat([first] * reach + [images] + [last] * reach, axis)
    size = sizes(images)[axis]
    shifted = [padded[part(axis, slice(k, k + size, stride))] for k in range(len(taps))]
    return tf.add_n([tap * each for tap, each in zip(taps, shifted, strict=True)])


def part(axis: int, along: slice) -> tuple[slice, ...]:
    """The index of a part along one axis."""
    return (slice(None),) * axis + (along,)


def sizes(images: tf.Tensor) -> list:
    """The sizes, as ints where they are known."""
    known, found = images.shape, tf.shape(images)
    return [found[axis] if known[axis] is None else known[axis] for axis in range(4)]
