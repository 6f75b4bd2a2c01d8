"""The input tensors of a loss, and helpers for their shapes and dtypes."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

#: Data format -> the axes of height, width and channels.
AXES = {"channels_last": (1, 2, 3), "channels_first": (2, 3, 1)}


class Inputs(NamedTuple):
    """The tensors that a loss is a function of, in the order of the ops' inputs.

    All but y_pred may be absent, see absent(). An absent y_true stands for images of zeros.
    """

    y_true: tf.Tensor
    y_pred: tf.Tensor
    weights: tf.Tensor
    mask: tf.Tensor

    def swapped(self) -> Inputs:
        """The inputs with y_true and y_pred exchanged. Every loss is symmetric in them."""
        return self._replace(y_true=self.y_pred, y_pred=self.y_true)


def absent(dtype: tf.DType) -> tf.Tensor:
    """The empty tensor that stands for an input that is not given."""
    return _eager_absent(dtype) if tf.executing_eagerly() else tf.constant([], dtype)


@functools.cache
def _eager_absent(dtype: tf.DType) -> tf.Tensor:
    return tf.constant([], dtype)


def is_absent(tensor: tf.Tensor) -> bool:
    """Whether an input is absent."""
    return tensor.shape.rank == 1


def loss_dtype(image_dtype: tf.DType) -> tf.DType:
    """The dtype of losses, upstream gradients and weights for images of a dtype."""
    return tf.float64 if image_dtype == tf.float64 else tf.float32


def check_shapes() -> None:
    """Raises ValueError if sizes are Dimension objects, as in TensorFlow 1.

    An unknown Dimension is neither equal nor unequal to another one, so checks would pass
    unnoticed.
    """
    if not isinstance(_SHAPE[0], int):
        raise ValueError(
            "shapes must be those of TensorFlow 2, got Dimensions (tf.compat.v1 has switched them "
            "on); call tf.compat.v1.enable_v2_tensorshape()"
        )


_SHAPE = tf.TensorShape([1])


def shape_error(message: str) -> Exception:
    """The error for a wrong shape, of the type that the ops raise."""
    if tf.executing_eagerly():
        return tf.errors.InvalidArgumentError(None, None, message)
    return ValueError(message)


def shape_text(shape: Iterable[int | None]) -> str:
    """A shape as the ops' errors write it."""
    return f"[{','.join(map(size_text, shape))}]"


def size_text(size: int | None) -> str:
    """A size as the ops' errors write it, "?" if it is unknown."""
    return "?" if size is None else str(size)


def with_assert(check: tf.Operation | None, values: tf.Tensor) -> tf.Tensor:
    """The values, with the assertion as a control dependency. It is None in eager mode."""
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(values)
