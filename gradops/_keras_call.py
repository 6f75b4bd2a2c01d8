"""What stands between Keras and a loss: dtypes, sample weights by pixel, masks, the reduction."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradops import _convert, _options
from gradops._inputs import shape_error, shape_text

_HALVES = (tf.float16, tf.bfloat16)
MASKS = ("finite",)


class Reduction(keras.losses.Loss):
    """Keras' own reduction, with its sample weights [B], of losses that are already there."""

    def call(self, _y_true: tf.Tensor, losses: tf.Tensor) -> tf.Tensor:
        """The losses."""
        return losses

    def reduce(self, losses: tf.Tensor, sample_weight: Any) -> tf.Tensor:
        """A scalar, or the losses for reduction "none". Weights may lack axes at the end."""
        several = losses.shape.rank is not None and losses.shape.rank > 1
        if sample_weight is not None and several and sample_weight.shape.rank > 0:
            missing = [1] * (losses.shape.rank - sample_weight.shape.rank)
            shape = tf.concat([tf.shape(sample_weight), missing], axis=0)
            sample_weight = tf.broadcast_to(tf.reshape(sample_weight, shape), tf.shape(losses))
        return self(losses, losses, sample_weight)


def check_backend() -> None:
    """Raises ValueError where Keras does not run on TensorFlow."""
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            "gradops needs the TensorFlow backend of Keras, got "
            f"{keras.config.backend()!r}; set KERAS_BACKEND=tensorflow before importing keras"
        )


def image_dtype(dtype: Any) -> tf.DType:
    """The dtype that images are cast to; None means keras.config.floatx()."""
    name = keras.backend.standardize_dtype(dtype or keras.config.floatx())
    if name not in [allowed.name for allowed in _convert.DTYPES]:
        names = ", ".join(repr(allowed.name) for allowed in _convert.DTYPES)
        raise ValueError(f"dtype must be one of {names}, got {name!r}")
    return tf.as_dtype(name)


def optional_finite(argument: str, value: object) -> float | None:
    """A finite number, or None."""
    return None if value is None else _options.finite(argument, value)


def check_by_example(sample_weight: Any) -> None:
    """Raises ValueError unless sample weights are None or by example, [B]."""
    if sample_weight is None:
        return
    weights = _convert.tensor("sample_weight", sample_weight)
    if weights.shape.rank is None or weights.shape.rank > 1:
        shape = "an unknown rank" if weights.shape.rank is None else shape_text(weights.shape)
        raise ValueError(f"sample_weight must have shape [B], got {shape}")


def check_is_sobel(owner: str, general: str, options: dict[str, Any]) -> None:
    """Raises ValueError for another stencil than the one that the class is named after."""
    stencil = options.get("stencil", "sobel")
    if stencil != "sobel":
        raise ValueError(f"stencil of {owner} is 'sobel', got {stencil!r}; use {general}")


def predicted(y_pred: _convert.TensorLike) -> tf.Tensor:
    """Images with a batch axis, which is Keras' rule: rank 3 would be [B, H, W], not one image."""
    y_pred = _convert.tensor("y_pred", y_pred)
    if y_pred.shape.rank is not None and y_pred.shape.rank < 4:
        raise shape_error(
            "y_pred must have rank 4 [B, H, W, C] or [B, C, H, W], or more, got shape "
            f"{shape_text(y_pred.shape)}"
        )
    return y_pred


def images(
    y_true: _convert.TensorLike, y_pred: _convert.TensorLike, dtype: tf.DType
) -> tuple[tf.Tensor, tf.Tensor]:
    """Both images in one dtype: 16 bits if both have it already, else `dtype`."""
    y_true, y_pred = _convert.tensor("y_true", y_true), predicted(y_pred)
    if y_pred.dtype == y_true.dtype and y_pred.dtype in _HALVES:
        return y_true, y_pred
    return _convert.real("y_true", y_true, dtype), _convert.real("y_pred", y_pred, dtype)


def route(
    sample_weight: Any, y_pred: tf.Tensor, data_format: str
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """(sample weights for Keras to multiply with, weights of the pixels): one of them is None.

    Keras would multiply the [B] losses with weights by pixel, which fits by accident if W == B.
    """
    if sample_weight is None:
        return None, None
    weights = _convert.tensor("sample_weight", sample_weight)
    rank, of_images = weights.shape.rank, y_pred.shape.rank or 4
    if rank is not None and rank <= of_images - 3:
        return weights, None
    if rank == of_images - 1:
        return None, tf.expand_dims(weights, -1 if data_format == "channels_last" else -3)
    if rank == of_images:
        return None, weights
    got = "an unknown rank" if rank is None else f"shape {weights.shape.as_list()}"
    examples = "1 [B]" if of_images == 4 else f"1 to {of_images - 3} [B, ...]"
    pixels = "[B, H, W]" if of_images == 4 else "[B, ..., H, W]"
    raise ValueError(
        f"sample_weight must have rank {examples}, or rank {of_images - 1} {pixels} or {of_images} "
        f"(with 1 or C channels) for weights of the pixels, got {got}"
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
