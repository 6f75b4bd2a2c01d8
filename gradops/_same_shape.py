"""That two tensors have one shape, which arithmetic would not notice: it broadcasts."""

from __future__ import annotations

import tensorflow as tf

from gradops._inputs import after, shape_error, shape_text


def same_shape(first: tf.Tensor, second: tf.Tensor, message: str) -> tf.Tensor:
    """The first tensor, once it is known to have the shape of the second.

    Raises:
      ValueError: In a graph that knows the shapes.
      tf.errors.InvalidArgumentError: In eager mode, and where a graph did not know them.
    """
    if not first.shape.is_compatible_with(second.shape):
        both = f"{shape_text(first.shape)} and {shape_text(second.shape)}"
        raise shape_error(f"{message}, got {both}")
    if first.shape.is_fully_defined() and second.shape.is_fully_defined():
        return first
    shapes = tf.shape(first), tf.shape(second)
    # Shapes of several lengths cannot be compared as they are.
    ranks = [tf.size(shape) for shape in shapes]
    least = tf.minimum(*ranks)
    good = tf.reduce_all(shapes[0][:least] == shapes[1][:least]) & (ranks[0] == ranks[1])
    first = after(tf.debugging.Assert(good, [f"{message}, got", *shapes]), first)
    if first.shape.rank is None or second.shape.rank is None:
        return first
    # XLA drops assertions. It does refuse to stack what has not the same shape.
    known = first.shape.merge_with(second.shape)
    agreed = [_agreed(*(shape[axis] for shape in shapes)) for axis in range(known.rank)]
    sizes = [found if size is None else size for size, found in zip(known, agreed, strict=True)]
    return tf.ensure_shape(tf.reshape(first, sizes), known)


def _agreed(*sizes: tf.Tensor) -> tf.Tensor:
    return tf.shape(tf.stack([tf.zeros([size], tf.bool) for size in sizes]))[1]
