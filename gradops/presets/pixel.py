"""A loss of the pixels and one of the gradients, added up."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from gradops import _convert, functional
from gradops._convert import MaskLike, TensorLike
from gradops._inputs import shape_error, shape_text
from gradops.presets import _images
from gradops.presets._keras import PresetLoss


def pixel_and_gradient(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    pixel_weight: float = 1.0,
    gradient_weight: float = 1.0,
    stencil: str = "sobel",
    penalty: str = "l1",
    response: str = "component",
    border: str = "reflect",
    scale: str = "raw",
    epsilon: float | None = None,
    delta: float | None = None,
    alpha: float | None = None,
    response_epsilon: float | None = None,
    weights: TensorLike | None = None,
    mask: MaskLike | None = None,
    normalizer: str = "residuals",
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = pixel_weight mean |y_pred - y_true| + gradient_weight gradient_loss_b.

    Args:
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]); converted to y_pred's
        dtype.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64.
      pixel_weight: Of the mean over pixels and channels, at least 0.
      gradient_weight: Of gradops.gradient_loss, at least 0.
      stencil: See gradops.gradient_loss, as for all options of the gradient below.
      penalty: See gradops.gradient_loss; that of the pixels is always the absolute value.
      response: See gradops.gradient_loss.
      border: See gradops.gradient_loss.
      scale: See gradops.gradient_loss.
      epsilon: See gradops.gradient_loss.
      delta: See gradops.gradient_loss.
      alpha: See gradops.gradient_loss.
      response_epsilon: See gradops.gradient_loss.
      weights: See gradops.gradient_loss; they weigh the pixels too.
      mask: See gradops.gradient_loss; the mean is over the valid pixels.
      normalizer: See gradops.gradient_loss. Of "residuals" and "pixels" the pixels' divisor is the
        sum of their weights; of "batch" that sum over the batch, divided by B.
      scales: See gradops.gradient_loss; the pixels are those of the images alone.
      downsample: See gradops.gradient_loss.
      scale_weights: See gradops.gradient_loss.
      data_format: See gradops.gradient_loss.

    Returns:
      Losses [B], float64 for float64 images and else float32.

    Raises:
      ValueError: As gradops.gradient_loss, or if pixel_weight or gradient_weight is negative or not
        finite.
      tf.errors.InvalidArgumentError: As gradops.gradient_loss.

    Example:
      >>> target = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.pixel_and_gradient(target, 2 * target, gradient_weight=0.1).numpy()
      array([8.5], dtype=float32)

    Source: of no one paper: a sum that image-to-image networks are trained with.
    """
    pixel_weight = _images.check_weight("pixel_weight", pixel_weight)
    gradient_weight = _images.check_weight("gradient_weight", gradient_weight)
    data_format = _images.layout(data_format)
    with tf.name_scope("pixel_and_gradient"):
        losses = gradient_weight * functional.gradient_loss(
            y_true,
            y_pred,
            stencil=stencil,
            penalty=penalty,
            response=response,
            border=border,
            scale=scale,
            epsilon=epsilon,
            delta=delta,
            alpha=alpha,
            response_epsilon=response_epsilon,
            weights=weights,
            mask=mask,
            normalizer=normalizer,
            scales=scales,
            downsample=downsample,
            scale_weights=scale_weights,
            data_format=data_format,
        )
        if pixel_weight:
            pair = _images.pair(y_true, y_pred, mask, data_format)
            losses += pixel_weight * _pixel_losses(pair, weights, normalizer, data_format)
        return losses


@keras.saving.register_keras_serializable(package="gradops.presets")
class PixelGradientLoss(PresetLoss):
    """loss_b = pixel_weight mean |y_pred - y_true| + gradient_weight gradient_loss_b.

    The Keras form of gradops.presets.pixel_and_gradient.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: Those of the function, but mask and weights.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> loss = gradops.presets.PixelGradientLoss(gradient_weight=0.1, stencil="scharr")
      >>> model.compile("adam", loss=loss)

    Source: gradops.presets.pixel_and_gradient.
    """

    function = staticmethod(pixel_and_gradient)


def _pixel_losses(
    pair: _images.Pair, weights: TensorLike | None, normalizer: str, data_format: str
) -> tf.Tensor:
    """The weighted mean of |y_pred - y_true| over the valid pixels, [B]; 0 where there are none."""
    if weights is None:
        factors, valid = pair.counted(), pair.mask
    else:
        factors = _by_pixel(weights, pair.y_pred, data_format) * pair.counted()
        valid = factors > 0
    true, predicted = pair._replace(mask=valid).hidden(0.0)
    errors = factors * tf.abs(predicted - true)
    sums, totals = (tf.reduce_sum(x, axis=[1, 2, 3]) for x in (errors, factors))
    return _images.by_example(sums, totals, "batch" if normalizer == "batch" else "image")


def _by_pixel(weights: TensorLike, images: tf.Tensor, data_format: str) -> tf.Tensor:
    """Weights of one channel or those of the images; gradient_loss saw that they are not below 0.

    Their gradient is not available there, so it is none here.
    """
    weights = tf.stop_gradient(_convert.real("weights", weights, images.dtype))
    weights = _images.of_rank_4("weights", weights, data_format)
    height, width, channels = _images.axes(data_format)
    message = "weights must have the batch, height and width of y_pred"
    weights = _images.agree(message, weights, images, (0, height, width))
    if weights.shape[channels] not in (None, 1, images.shape[channels]):
        raise shape_error(
            f"weights must have 1 channel or those of y_pred, got {shape_text(weights.shape)} and "
            f"{shape_text(images.shape)}"
        )
    return weights
