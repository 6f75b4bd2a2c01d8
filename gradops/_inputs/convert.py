"""What callers pass, as the tensors that the ops take."""

from __future__ import annotations

from typing import TypeAlias

import numpy.typing as npt
import tensorflow as tf

from gradops._inputs.leading import LeadingAxes
from gradops._inputs.tensors import (
    Inputs,
    absent,
    check_shapes,
    is_absent,
    loss_dtype,
    shape_error,
    shape_text,
    with_assert,
)

TensorLike: TypeAlias = tf.Tensor | tf.Variable | npt.ArrayLike
MaskLike: TypeAlias = tf.Tensor | tf.Variable | npt.ArrayLike

#: Image dtypes that the kernels compute.
DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


def inputs(
    y_true: TensorLike | None,
    y_pred: TensorLike,
    weights: TensorLike | None = None,
    mask: MaskLike | None = None,
) -> tuple[Inputs, LeadingAxes]:
    """The ops' inputs, both images of the dtype that they are compared in, and what was folded."""
    predicted = images("y_pred", y_pred)
    target = None if y_true is None else tensor("y_true", y_true)
    common = predicted.dtype if target is None else common_dtype(predicted.dtype, target.dtype)
    dtype, rank = loss_dtype(common), predicted.shape.rank or 4
    given_dtype, predicted = predicted.dtype, tf.cast(predicted, common)
    leading = LeadingAxes("y_pred", predicted, given_dtype)
    folded = Inputs(
        absent(common)
        if target is None
        else leading.fold("y_true", real("y_true", target, common, rank)),
        leading.fold("y_pred", predicted),
        absent(dtype)
        if weights is None
        else leading.fold("weights", real("weights", weights, dtype, rank)),
        absent(tf.bool) if mask is None else leading.fold("mask", _mask(mask, rank)),
    )
    return folded, leading


def common_dtype(predicted: tf.DType, target: tf.DType) -> tf.DType:
    """What images of these dtypes are compared in: the wider one, float32 at least if they differ.

    float16 and bfloat16 do not hold each other's numbers, nor those of most integers.
    """
    if predicted == target:
        return predicted
    return tf.float64 if tf.float64 in (predicted, target) else tf.float32


def images(argument: str, values: TensorLike) -> tf.Tensor:
    """Images whose dtype must be one of DTYPES."""
    converted = tensor(argument, values)
    if converted.dtype not in DTYPES:
        names = ", ".join(dtype.name for dtype in DTYPES)
        raise ValueError(
            f"{argument} must have one of the dtypes {names}, got {converted.dtype.name}"
        )
    return converted


def folded_images(argument: str, values: TensorLike) -> tuple[tf.Tensor, LeadingAxes]:
    """Images as a batch, and what was folded."""
    converted = images(argument, values)
    leading = LeadingAxes(argument, converted)
    return leading.fold(argument, converted), leading


def real(argument: str, values: TensorLike, dtype: tf.DType, rank: int = 4) -> tf.Tensor:
    """A tensor of a real dtype, cast; rank is what it should have, for messages."""
    converted = tensor(argument, values)
    given = converted.dtype
    if given != dtype:
        if not (given.is_floating or given.is_integer or given.is_bool):
            raise ValueError(f"{argument} must have a real dtype, got {given.name}")
        converted = tf.cast(converted, dtype)
    return _not_taken_for_absent(argument, converted, rank)


def _mask(values: MaskLike, rank: int) -> tf.Tensor:
    converted = tensor("mask", values)
    if converted.dtype != tf.bool:
        raise ValueError(f"mask must have dtype bool, got {converted.dtype.name}")
    return _not_taken_for_absent("mask", converted, rank)


def _not_taken_for_absent(argument: str, values: tf.Tensor, rank: int) -> tf.Tensor:
    """An empty tensor of rank 1 would be; in a graph, it may only come to light when it is run."""
    message = f"{argument} must have rank {rank}, got shape"
    if values.shape.rank is None:
        check = tf.debugging.Assert(tf.not_equal(tf.rank(values), 1), [message, tf.shape(values)])
        return with_assert(check, values)
    if is_absent(values):
        raise shape_error(f"{message} {shape_text(values.shape)}")
    return values


def tensor(argument: str, values: TensorLike) -> tf.Tensor:
    """A dense tensor, of whatever dtype it has."""
    check_shapes()
    if isinstance(values, tf.RaggedTensor | tf.SparseTensor):
        raise ValueError(f"{argument} must be a dense tensor, got a {type(values).__name__}")
    try:
        return tf.convert_to_tensor(values, name=argument)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{argument} cannot be converted to a tensor: {error}") from error
