"""Converts the arguments of callers to the tensors that the ops take."""

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

#: The image dtypes of the kernels.
DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
#: Those that are narrower than what they are computed in.
NARROW = tuple(dtype for dtype in DTYPES if loss_dtype(dtype) != dtype)


def inputs(
    y_true: TensorLike | None,
    y_pred: TensorLike,
    weights: TensorLike | None = None,
    mask: MaskLike | None = None,
) -> tuple[Inputs, LeadingAxes]:
    """The inputs of the ops, with both images in the dtype in which they are compared."""
    predicted = images("y_pred", y_pred)
    target = None if y_true is None else tensor("y_true", y_true)
    common = predicted.dtype if target is None else common_dtype(predicted.dtype, target.dtype)
    given_dtype, predicted = predicted.dtype, tf.cast(predicted, common)
    leading = LeadingAxes("y_pred", predicted, given_dtype)
    dtype, rank = loss_dtype(common), leading.rank
    folded = Inputs(
        absent(common)
        if target is None
        else leading.fold("y_true", real("y_true", target, common, rank)),
        leading.fold("y_pred", predicted),
        absent(dtype)
        if weights is None
        else leading.fold("weights", real("weights", weights, dtype, rank)),
        absent(tf.bool) if mask is None else leading.fold("mask", boolean("mask", mask, rank)),
    )
    return folded, leading


def common_dtype(predicted: tf.DType, target: tf.DType) -> tf.DType:
    """The dtype in which images are compared: if theirs differ, float64 or at least float32.

    Neither of float16 and bfloat16 can represent the values of the other, or most integers.
    """
    if predicted == target:
        return predicted
    return tf.float64 if tf.float64 in (predicted, target) else tf.float32


def images(argument: str, values: TensorLike) -> tf.Tensor:
    """Images, checked to have one of DTYPES."""
    converted = tensor(argument, values)
    if converted.dtype not in DTYPES:
        names = ", ".join(dtype.name for dtype in DTYPES)
        raise ValueError(
            f"{argument} must have one of the dtypes {names}, got {converted.dtype.name}"
        )
    return converted


def folded_images(argument: str, values: TensorLike) -> tuple[tf.Tensor, LeadingAxes]:
    """Images as one batch, and their leading axes."""
    converted = images(argument, values)
    leading = LeadingAxes(argument, converted)
    return leading.fold(argument, converted), leading


def real(argument: str, values: TensorLike, dtype: tf.DType, rank: int = 4) -> tf.Tensor:
    """A tensor of a real dtype, cast to `dtype`. `rank` is the one that errors ask for."""
    converted = tensor(argument, values)
    given = converted.dtype
    if given != dtype:
        if not (given.is_floating or given.is_integer or given.is_bool):
            raise ValueError(f"{argument} must have a real dtype, got {given.name}")
        converted = tf.cast(converted, dtype)
    return _not_taken_for_absent(argument, converted, rank)


def boolean(argument: str, values: MaskLike, rank: int) -> tf.Tensor:
    """A tensor of dtype bool. `rank` is the one that errors ask for."""
    converted = tensor(argument, values)
    if converted.dtype != tf.bool:
        raise ValueError(f"{argument} must have dtype bool, got {converted.dtype.name}")
    return _not_taken_for_absent(argument, converted, rank)


def _not_taken_for_absent(argument: str, values: tf.Tensor, rank: int) -> tf.Tensor:
    """Raises for a tensor of rank 1, which would be taken for an absent one if it is empty."""
    message = f"{argument} must have rank {rank}, got shape"
    if values.shape.rank is None:
        check = tf.debugging.Assert(tf.not_equal(tf.rank(values), 1), [message, tf.shape(values)])
        return with_assert(check, values)
    if is_absent(values):
        raise shape_error(f"{message} {shape_text(values.shape)}")
    return values


def tensor(argument: str, values: TensorLike) -> tf.Tensor:
    """The values as a dense tensor of any dtype."""
    check_shapes()
    if isinstance(values, tf.RaggedTensor | tf.SparseTensor):
        raise ValueError(f"{argument} must be a dense tensor, got a {type(values).__name__}")
    try:
        return tf.convert_to_tensor(values, name=argument)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{argument} must be convertible to a tensor, got a {type(values).__name__}: {error}"
        ) from error
