"""What stands between Keras and a loss: dtypes, sample weights by pixel, masks, the reduction."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradops import _convert, _options
from gradops._inputs import after, shape_error, shape_text
from gradops._same_shape import agreed

_HALVES = (tf.float16, tf.bfloat16)
MASKS = ("finite",)


class Reduction(keras.losses.Loss):
    """Keras' own reduction, with its sample weights [B], of losses that are already there."""

    def call(self, _y_true: tf.Tensor, losses: tf.Tensor) -> tf.Tensor:
        """The losses."""
        return losses

    def reduce(self, losses: tf.Tensor, sample_weight: Any) -> tf.Tensor:
        """A scalar, or the losses for reduction "none". Weights may lack axes at the end."""
        return self(losses, losses, weights_of(losses, sample_weight))


def weights_of(losses: tf.Tensor, sample_weight: Any) -> tf.Tensor | None:
    """Sample weights in the shape of the losses [B, ...]; given, they may lack axes at the end.

    Raises:
      ValueError: If they have another rank, or in a graph another shape.
      tf.errors.InvalidArgumentError: If they have another shape.
    """
    if sample_weight is None:
        return None
    weights = _convert.tensor("sample_weight", sample_weight)
    rank, of_losses = weights.shape.rank, losses.shape.rank or 1
    if rank == 0:
        return weights
    if rank is None or rank > of_losses:
        shape = "an unknown rank" if rank is None else shape_text(weights.shape)
        axes = "[B]" if of_losses == 1 else f"[B] or the {of_losses} axes of the losses"
        raise ValueError(f"sample_weight must have shape {axes}, got {shape}")
    if losses.shape.rank is None:
        return weights
    message = "sample_weight must be [B], or have axes of losses that may be 1 after B"
    fits = [
        None in (size, wanted) or size == wanted or (axis > 0 and size == 1)
        for axis, (size, wanted) in enumerate(zip(weights.shape, losses.shape[:rank], strict=True))
    ]
    if not all(fits):
        both = f"{shape_text(weights.shape)} for losses {shape_text(losses.shape)}"
        raise shape_error(f"{message}, got {both}")
    # The batch alone must not be broadcast: one weight for three examples would pass, and the other
    # way round.
    if None in (weights.shape[0], losses.shape[0]):
        sizes, wanted = tf.shape(weights), tf.shape(losses)
        good = sizes[0] == wanted[0]
        check = tf.debugging.Assert(good, [f"{message}, got", sizes, "for losses", wanted])
        sizes = after(check, sizes)
        first = agreed(sizes[0], wanted[0])
        weights = tf.reshape(weights, tf.concat([[first], sizes[1:]], axis=0))
    if losses.shape.rank == 1:
        return weights
    missing = [1] * (losses.shape.rank - rank)
    shape = tf.concat([tf.shape(weights), missing], axis=0)
    return tf.broadcast_to(tf.reshape(weights, shape), tf.shape(losses))


def check_backend() -> None:
    """Raises ValueError where Keras does not run on TensorFlow."""
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            "gradops needs the TensorFlow backend of Keras, got "
            f"{keras.config.backend()!r}; set KERAS_BACKEND=tensorflow before importing keras"
        )


def image_dtype(dtype: Any) -> tf.DType:
    """The dtype that images are cast to; None means keras.config.floatx()."""
    dtype = getattr(dtype, "compute_dtype", dtype)  # of a policy
    try:
        name = keras.backend.standardize_dtype(dtype or keras.config.floatx())
    except (TypeError, ValueError):
        name = dtype
    if name not in [allowed.name for allowed in _convert.DTYPES]:
        names = ", ".join(repr(allowed.name) for allowed in _convert.DTYPES)
        raise ValueError(f"dtype must be one of {names}, got {name!r}")
    return tf.as_dtype(name)


def optional_finite(argument: str, value: object) -> float | None:
    """A finite number, or None."""
    return None if value is None else _options.finite(argument, value)


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
