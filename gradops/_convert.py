"""What callers pass, as the tensors that the ops take."""

from __future__ import annotations

from typing import TypeAlias

import numpy.typing as npt
import tensorflow as tf

from gradops import _ops

TensorLike: TypeAlias = tf.Tensor | tf.Variable | npt.ArrayLike
MaskLike: TypeAlias = tf.Tensor | tf.Variable | npt.ArrayLike

#: Image dtypes that the kernels compute.
DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


def inputs(
    y_true: TensorLike | None,
    y_pred: TensorLike,
    weights: TensorLike | None = None,
    mask: MaskLike | None = None,
) -> _ops.Inputs:
    """The ops' inputs: y_true of y_pred's dtype, weights of the loss's, absent ones for None."""
    y_pred = images("y_pred", y_pred)
    dtype = _ops.loss_dtype(y_pred.dtype)
    return _ops.Inputs(
        _ops.absent(y_pred.dtype) if y_true is None else _real("y_true", y_true, y_pred.dtype),
        y_pred,
        _ops.absent(dtype) if weights is None else _real("weights", weights, dtype),
        _ops.absent(tf.bool) if mask is None else _mask(mask),
    )


def images(argument: str, values: TensorLike) -> tf.Tensor:
    """Images whose dtype must be one of DTYPES."""
    tensor = _tensor(argument, values)
    if tensor.dtype not in DTYPES:
        names = ", ".join(dtype.name for dtype in DTYPES)
        raise ValueError(f"{argument} must have one of the dtypes {names}, got {tensor.dtype.name}")
    return tensor


def _real(argument: str, values: TensorLike, dtype: tf.DType) -> tf.Tensor:
    """A tensor of a real dtype, cast."""
    tensor = _tensor(argument, values)
    if tensor.dtype != dtype:
        if not (tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool):
            raise ValueError(f"{argument} must have a real dtype, got {tensor.dtype.name}")
        tensor = tf.cast(tensor, dtype)
    return _not_taken_for_absent(argument, tensor)


def _mask(values: MaskLike) -> tf.Tensor:
    tensor = _tensor("mask", values)
    if tensor.dtype != tf.bool:
        raise ValueError(f"mask must have dtype bool, got {tensor.dtype.name}")
    return _not_taken_for_absent("mask", tensor)


def _not_taken_for_absent(argument: str, tensor: tf.Tensor) -> tf.Tensor:
    """A vector of no numbers would be; in a graph, it may only come to light when it is run."""
    message = f"{argument} must have rank 4, got shape"
    if tensor.shape.rank is None:
        check = tf.debugging.Assert(tf.rank(tensor) != 1, [message, tf.shape(tensor)])
        with tf.control_dependencies([check]):
            return tf.identity(tensor)
    if _ops.is_absent(tensor):
        message += f" {tensor.shape.as_list()}"
        if tf.executing_eagerly():
            raise tf.errors.InvalidArgumentError(None, None, message)
        raise ValueError(message)
    return tensor


def _tensor(argument: str, values: TensorLike) -> tf.Tensor:
    if isinstance(values, tf.RaggedTensor | tf.SparseTensor):
        raise ValueError(f"{argument} must be a dense tensor, got a {type(values).__name__}")
    try:
        return tf.convert_to_tensor(values, name=argument)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{argument} cannot be converted to a tensor: {error}") from error
