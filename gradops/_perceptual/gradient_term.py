"""The gradient term of a sum of losses."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradops import presets
from gradops._inputs.tensors import loss_dtype, shape_error, shape_text, with_assert
from gradops._keras import calls
from gradops.losses import GradientLoss, SobelLoss

#: Presets that can be given by name in place of a loss.
PRESETS = ("mean_magnitude",)


class GradientTerm:
    """term_b = weight * loss_b(y_true, y_pred).

    A plain object, in which Keras does not look for weights when it saves a model.

    Arguments: see gradops.PerceptualGradientLoss; image_dtype is that of images for SobelLoss,
    presets by name and callables.
    """

    def __init__(
        self, loss: Any, weight: float, reduction: str | None, image_dtype: tf.DType
    ) -> None:
        is_loss = callable(loss) and not isinstance(loss, type)  # as Keras' losses are
        if not (loss is None or is_loss or (isinstance(loss, str) and loss in PRESETS)):
            names = ", ".join(map(repr, PRESETS))
            raise ValueError(
                f"gradient_loss must be None, {names}, a Keras loss or a callable (y_true, y_pred) "
                f"-> [B], got {loss!r}"
            )
        self.loss, self._weight, self._image_dtype = loss, weight, image_dtype
        # The loss gets the weight so that it predicts the upstream gradient.
        self._sobel = SobelLoss(weight=weight, reduction=reduction, dtype=image_dtype.name)

    def __call__(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The terms [B], in the dtype of losses of images of image_dtype."""
        if self.loss is None:
            return _by_example(self._sobel.call(y_true, y_pred), y_pred)
        return self._weight * self._cast(_by_example(self._losses(y_true, y_pred), y_pred))

    def _cast(self, losses: tf.Tensor) -> tf.Tensor:
        return tf.cast(losses, loss_dtype(self._image_dtype))

    def _losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> Any:
        if isinstance(self.loss, str):
            images = calls.images(y_true, y_pred, self._image_dtype)
            return getattr(presets, self.loss)(*images)
        if not isinstance(self.loss, keras.losses.Loss):
            return self.loss(*calls.images(y_true, y_pred, self._image_dtype))
        if not isinstance(self.loss, GradientLoss | presets.PresetLoss):
            y_true, y_pred = (tf.cast(images, self.loss.dtype) for images in (y_true, y_pred))
        return self.loss.call(y_true, y_pred)


def _by_example(losses: Any, images: tf.Tensor) -> tf.Tensor:
    """The mean of each example's values, [B]; raises if they do not have the batch axis."""
    if not isinstance(losses, tf.Tensor) or not losses.dtype.is_floating:
        what = losses.dtype.name if isinstance(losses, tf.Tensor) else type(losses).__name__
        raise ValueError(f"gradient_loss must return a tensor of a floating dtype, got {what}")
    message = "gradient_loss must give a value for each example, [B]"
    batch = images.shape[:1]
    if losses.shape.rank == 0 or not losses.shape[:1].is_compatible_with(batch):
        of_batch = f"for a batch of {shape_text(batch)}"
        raise shape_error(f"{message}, got shape {shape_text(losses.shape)} {of_batch}")
    if None in (losses.shape.rank, *losses.shape[:1], *batch):
        sizes = tf.shape(losses), tf.shape(images)
        good = tf.reduce_all(tf.equal(sizes[0][:1], sizes[1][:1])) & (tf.size(sizes[0]) > 0)
        check = tf.debugging.Assert(good, [f"{message}, got shape", sizes[0], "for", sizes[1]])
        losses = with_assert(check, losses)
    return mean_by_example(losses)


def mean_by_example(values: tf.Tensor) -> tf.Tensor:
    """[B, ...] -> [B]."""
    return tf.reduce_mean(values, axis=tf.range(1, tf.rank(values)))
