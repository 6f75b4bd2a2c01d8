"""What stands between Keras and a loss: dtypes, sample weights by pixel, masks, the reduction."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradops import _convert

_HALVES = (tf.float16, tf.bfloat16)
MASKS = ("finite",)


class Reduction(keras.losses.Loss):
    """Keras' own reduction, with its sample weights [B], of losses that are already there."""

    def call(self, _y_true: tf.Tensor, losses: tf.Tensor) -> tf.Tensor:
        """The losses."""
        return losses

    def reduce(self, losses: tf.Tensor, sample_weight: Any) -> tf.Tensor:
        """A scalar, or [B] for reduction "none"."""
        return self(losses, losses, sample_weight)


def images(
    y_true: _convert.TensorLike, y_pred: _convert.TensorLike, dtype: tf.DType
) -> tuple[tf.Tensor, tf.Tensor]:
    """Both images in one dtype: 16 bits if both have it already, else `dtype`."""
    y_true, y_pred = _convert.tensor("y_true", y_true), _convert.tensor("y_pred", y_pred)
    if y_pred.dtype == y_true.dtype and y_pred.dtype in _HALVES:
        return y_true, y_pred
    return _convert.real("y_true", y_true, dtype), _convert.real("y_pred", y_pred, dtype)


def route(sample_weight: Any, data_format: str) -> tuple[Any, tf.Tensor | None]:
    """(sample weights for Keras to multiply with, weights of the pixels): one of them is None.

    Keras would multiply the [B] losses with weights by pixel, which fits by accident if W == B.
    """
    if sample_weight is None:
        return None, None
    weights = _convert.tensor("sample_weight", sample_weight)
    rank = weights.shape.rank
    if rank in (0, 1):
        return weights, None
    if rank == 3:
        return None, tf.expand_dims(weights, 3 if data_format == "channels_last" else 1)
    if rank == 4:
        return None, weights
    got = "an unknown rank" if rank is None else f"shape {weights.shape.as_list()}"
    raise ValueError(
        "sample_weight must have rank 1 [B], or rank 3 [B, H, W] or 4 (with 1 or C channels) for "
        f"weights of the pixels, got {got}"
    )


def valid(y_true: tf.Tensor, mask: str | None, mask_value: float | None) -> tf.Tensor | None:
    """Which targets are valid; None for all."""
    found = None
    if mask == "finite":
        found = tf.math.is_finite(y_true)
    if mask_value is not None:
        differs = tf.not_equal(y_true, tf.cast(mask_value, y_true.dtype))
        found = differs if found is None else tf.logical_and(found, differs)
    return found
