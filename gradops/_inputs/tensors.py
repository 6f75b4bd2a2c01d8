"""What a loss is a function of, and what stands for what is not given."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf


class Inputs(NamedTuple):
    """What a loss is a function of, in the order of the ops' inputs.

    y_true may be absent (an image of zeros), as may weights and mask: see absent().
    """

    y_true: tf.Tensor
    y_pred: tf.Tensor
    weights: tf.Tensor
    mask: tf.Tensor

    def swapped(self) -> Inputs:
        """y_true and y_pred in each other's place; every loss is symmetric in them."""
        return self._replace(y_true=self.y_pred, y_pred=self.y_true)


def absent(dtype: tf.DType) -> tf.Tensor:
    """What stands for an input that is not given: an empty tensor."""
    return _eager_absent(dtype) if tf.executing_eagerly() else tf.constant([], dtype)


@functools.cache
def _eager_absent(dtype: tf.DType) -> tf.Tensor:
    return tf.constant([], dtype)


def is_absent(tensor: tf.Tensor) -> bool:
    """Whether an input is known not to be given."""
    return tensor.shape.rank == 1


def loss_dtype(image_dtype: tf.DType) -> tf.DType:
    """The dtype of losses, upstream gradients and weights of such images."""
    return tf.float64 if image_dtype == tf.float64 else tf.float32


def check_shapes() -> None:
    """Raises ValueError where sizes are no numbers but TensorFlow 1's Dimensions.

    Those compare as neither equal nor unequal if one is unknown, and checks would pass unseen.
    """
    if not isinstance(_SHAPE[0], int):
        raise ValueError(
            "shapes must be those of TensorFlow 2, got Dimensions (tf.compat.v1 has switched them "
            "on); call tf.compat.v1.enable_v2_tensorshape()"
        )


_SHAPE = tf.TensorShape([1])


def shape_error(message: str) -> Exception:
    """What the ops raise for a shape that is wrong."""
    if tf.executing_eagerly():
        return tf.errors.InvalidArgumentError(None, None, message)
    return ValueError(message)


def shape_text(shape: Iterable[int | None]) -> str:
    """A shape in the words of the ops' messages."""
    return f"[{','.join(map(size_text, shape))}]"


def size_text(size: int | None) -> str:
    """A size, perhaps unknown, in the words of the ops' messages."""
    return "?" if size is None else str(size)


def with_assert(check: tf.Operation | None, values: tf.Tensor) -> tf.Tensor:
    """The values, once an assertion has passed; None is one that passed in eager mode."""
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(values)
