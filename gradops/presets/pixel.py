"""The sum of a loss of the pixels and one of the gradients."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from gradops import _scales
from gradops._inputs import checks, convert
from gradops._inputs.convert import MaskLike, TensorLike
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
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]), of any real dtype.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64.
      pixel_weight: The weight of the mean over pixels and channels, at least 0.
      gradient_weight: The weight of gradops.gradient_loss, at least 0.
      stencil: See gradops.gradient_loss.
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
      normalizer: See gradops.gradient_loss. The divisor of the pixels is the sum of their
        weights for "residuals" and "pixels", its mean over the batch for "batch", and their number
        for "residual_count" and "pixel_count".
      scales: See gradops.gradient_loss; the pixels are those of the images alone.
      downsample: See gradops.gradient_loss.
      scale_weights: See gradops.gradient_loss.
      data_format: See gradops.gradient_loss.

    Returns:
      Losses [B], float64 for float64 images, else float32.

    Raises:
      ValueError: As gradops.gradient_loss, or if pixel_weight or gradient_weight is negative or not
        finite.
      tf.errors.InvalidArgumentError: As gradops.gradient_loss.

    Example:
      >>> target = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.pixel_and_gradient(target, 2 * target, gradient_weight=0.1).numpy()
      array([8.5], dtype=float32)

    Source: no single paper; many image-to-image networks are trained with such a sum.
    """
    pixel_weight = checks.bounded("pixel_weight", pixel_weight, 0)
    gradient_weight = checks.bounded("gradient_weight", gradient_weight, 0)
    options = checks.options(
        stencil=stencil,
        penalty=penalty,
        response=response,
        border=border,
        scale=scale,
        epsilon=epsilon,
        delta=delta,
        alpha=alpha,
        response_epsilon=response_epsilon,
        normalizer=normalizer,
        data_format=data_format,
    )
    levels = _scales.check(scales, downsample, scale_weights)
    terms = levels._replace(
        weights=tuple(gradient_weight * weight for weight in levels.weights),
        pixel_weight=pixel_weight,
    )
    _images.check_target(y_true)
    with tf.name_scope("pixel_and_gradient"):
        inputs, leading = convert.inputs(y_true, y_pred, weights, mask)
        return leading.unfold_losses(_scales.loss(inputs, options, terms))


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
