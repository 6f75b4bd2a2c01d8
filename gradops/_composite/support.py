"""Which residuals count, and with which weight."""

from __future__ import annotations

from typing import TypeAlias

import tensorflow as tf

from gradops._composite.stencils import Stencil

# bool, of a shape that broadcasts to that of the images; None: all True.
Flags: TypeAlias = tf.Tensor | None
FlagsPair = tuple[Flags, Flags]  # The flags of gy and of gx.


def counted(stencil: Stencil, joint: bool, mask: Flags, shape: tf.Tensor) -> FlagsPair:
    """Where the residuals of (gy, gx) count; joint ones count where both components do.

    A residual is dropped where one of its taps leaves the image (border "valid") and where its
    support, the pixels that it depends on, holds an invalid one.
    """
    inside = stencil.inside(shape)
    clean = None
    if mask is not None:
        touched_y, touched_x = stencil.touches(~mask)
        clean = (~touched_y, ~touched_x)
    y, x = (both(*flags) for flags in zip(inside or (None,) * 2, clean or (None,) * 2, strict=True))
    return (both(y, x),) * 2 if joint else (y, x)


def both(a: Flags, b: Flags) -> Flags:
    if a is None or b is None:
        return b if a is None else a
    return a & b


def keep(flags: Flags, values: tf.Tensor) -> tf.Tensor:
    """The values where flags are True and 0 elsewhere, even if they or their slopes are not finite.

    Flags and values are broadcast.
    """
    return values if flags is None else tf.where(flags, values, tf.zeros([], values.dtype))


def total_weight(flags: Flags, weights: tf.Tensor | None, images: tf.Tensor) -> tf.Tensor:
    """The sum of the weights (1 if None) over each example's pixels and channels, [B]."""
    shape = tf.shape(images)
    if weights is None and flags is None:
        elements = tf.reduce_prod(tf.shape(images, out_type=tf.int64)[1:])
        return tf.fill(shape[:1], tf.cast(elements, images.dtype))
    if weights is None:
        weights = tf.ones([], images.dtype)
    return tf.reduce_sum(tf.broadcast_to(keep(flags, weights), shape), axis=[1, 2, 3])
