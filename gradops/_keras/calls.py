"""Between Keras and a loss: dtypes, sample weights of pixels, masks, the reduction."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from gradops._inputs import convert
from gradops._inputs.leading import check_rank
from gradops._keras import sample_weights

MASKS = ("finite",)


class Reduction(keras.losses.Loss):
    """Keras' own reduction, with sample weights [B], for losses that are already computed."""

    def call(self, _y_true: tf.Tensor, losses: tf.Tensor) -> tf.Tensor:
        return losses

    def reduce(
        self, losses: tf.Tensor, sample_weight: Any, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """A scalar, or the losses for reduction "none". Weights may lack axes at the end.

        The mask is the one that Keras attaches to outputs if some examples do not count.
        """
        weights = sample_weights.weights_of(losses, sample_weight)
        if mask is not None:
            losses = tf.identity(losses)
            losses._keras_mask = sample_weights.like_losses("the Keras mask", losses, mask)
        return self(losses, losses, weights)


class Call(NamedTuple):
    """The arguments that Keras passes to a loss or metric, sorted by what they are for."""

    y_true: tf.Tensor
    y_pred: tf.Tensor
    sample_weight: Any = None  # weights of the examples, for Keras to multiply with
    mask: tf.Tensor | None = None  # which examples count
    pixel_weights: tf.Tensor | None = None
    pixel_mask: tf.Tensor | None = None

    def metric_weights(self, losses: tf.Tensor) -> tf.Tensor | None:
        """The weights of the losses in a mean, with the mask applied as Keras' own metrics do."""
        weights = sample_weights.weights_of(losses, self.sample_weight)
        if self.mask is None:
            return weights
        counts = tf.cast(
            sample_weights.like_losses("the Keras mask", losses, self.mask), losses.dtype
        )
        return counts if weights is None else counts * tf.cast(weights, losses.dtype)

    def valid(self, mask: str | None, mask_value: float | None) -> tf.Tensor | None:
        """Which pixels the Keras mask and the targets let count; None for all."""
        conditions = [] if self.pixel_mask is None else [self.pixel_mask]
        if mask == "finite":
            conditions.append(tf.math.is_finite(self.y_true))
        if mask_value is not None:
            conditions.append(tf.not_equal(self.y_true, tf.cast(mask_value, self.y_true.dtype)))
        return functools.reduce(tf.logical_and, conditions) if conditions else None


def sort(
    y_true: convert.TensorLike, y_pred: convert.TensorLike, dtype: tf.DType, data_format: str
) -> Call:
    """Both images in one dtype, and the Keras mask of y_pred as one of examples or of pixels."""
    # Keras attaches the mask to the tensor object, so conversions lose it.
    keras_mask = getattr(y_pred, "_keras_mask", None)
    call = Call(*images(y_true, y_pred, dtype))
    if keras_mask is None:
        return call
    keras_mask = tf.cast(keras_mask, tf.bool)
    of_examples, of_pixels = sample_weights.by_rank(
        "the Keras mask of y_pred", keras_mask, call.y_pred.shape.rank or 4, data_format
    )
    return call._replace(mask=of_examples, pixel_mask=of_pixels)


def check_backend() -> None:
    """Raises ValueError unless Keras runs on TensorFlow."""
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            "gradops needs the TensorFlow backend of Keras, got "
            f"{keras.config.backend()!r}; set KERAS_BACKEND=tensorflow before importing keras"
        )


def image_dtype(dtype: Any) -> tf.DType:
    """The dtype that images are cast to; None means keras.config.floatx()."""
    dtype = getattr(dtype, "compute_dtype", dtype)  # it may be a policy
    try:
        name = keras.backend.standardize_dtype(dtype or keras.config.floatx())
    except (TypeError, ValueError):
        name = dtype
    if name not in [allowed.name for allowed in convert.DTYPES]:
        names = ", ".join(repr(allowed.name) for allowed in convert.DTYPES)
        raise ValueError(f"dtype must be one of {names}, got {name!r}")
    return tf.as_dtype(name)


def check_is_sobel(owner: str, general: str, options: dict[str, Any]) -> None:
    """Raises ValueError for a stencil other than Sobel, after which the class is named."""
    stencil = options.get("stencil", "sobel")
    if stencil != "sobel":
        raise ValueError(f"stencil of {owner} must be 'sobel', got {stencil!r}; use {general}")


def check_is_mean(owner: Any, options: dict[str, Any]) -> None:
    """Raises ValueError for a metric that is asked for a reduction."""
    if "reduction" in options:
        raise ValueError(
            f"reduction must not be an option of {type(owner).__name__}, a mean, got "
            f"{options['reduction']!r}"
        )


def images(
    y_true: convert.TensorLike, y_pred: convert.TensorLike, dtype: tf.DType
) -> tuple[tf.Tensor, tf.Tensor]:
    """Both images in one dtype: theirs if both have the same narrow dtype, else `dtype`."""
    y_true, y_pred = convert.tensor("y_true", y_true), convert.tensor("y_pred", y_pred)
    check_rank("y_pred", y_pred)
    if y_pred.dtype == y_true.dtype and y_pred.dtype in convert.NARROW:
        return y_true, y_pred
    return convert.real("y_true", y_true, dtype), convert.real("y_pred", y_pred, dtype)
