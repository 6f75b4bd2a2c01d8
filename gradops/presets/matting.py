"""The gradient error of alpha mattes."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from gradops._inputs import checks, convert
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.tensors import AXES
from gradops.presets import _images
from gradops.presets._filters import filtered
from gradops.presets._keras import PresetLoss, PresetMetric

#: Taps of a Gaussian that are below this are left out.
_LEAST_TAP = 1e-2
#: The range of sigma in which there are taps of which some are not 0.
_SIGMAS = (0.1, 39.0)


def matting_gradient_error(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    sigma: float = 1.4,
    unknown: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = sum over unknown pixels of (m(y_pred) - m(y_true))^2 / 1000.

    m(x) = sqrt((G_y x)^2 + (G_x x)^2); G are the first derivatives of a Gaussian, as filters of
    2 h + 1 taps along both axes, of which the squares add up to 1. For sigma 1.4, h is 4. Edge
    pixels are repeated outside of the image. The filters are TensorFlow's ops.

    Args:
      y_true: Alpha mattes from 0 to 1, [B, H, W, C] (channels_first: [B, C, H, W]), C = 1.
      y_pred: Estimated mattes of the same shape, float16, bfloat16, float32 or float64.
      sigma: The standard deviation of the Gaussian in pixels, from 0.1 to 39.
      unknown: True where the trimap is neither foreground nor background, bool, [B, H, W] or with
        one channel. Only the errors of these pixels add up, but all pixels are read. None means all
        pixels.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Errors [B], float64 for float64 images, else float32. Differentiable by both images; the
      gradient by magnitudes that are 0 is 0.

    Raises:
      ValueError: If an option is not one of those, a dtype does not fit, or, in a graph, shapes do
        not match.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> alpha = tf.cast(tf.reshape(tf.range(256) % 16 > 7, [1, 16, 16, 1]), tf.float32)
      >>> gradops.presets.matting_gradient_error(alpha, alpha / 2).numpy().round(4)
      array([0.0784], dtype=float32)

    Source: Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, CVPR 2009;
    the evaluation of Xu et al., Deep Image Matting, CVPR 2017, whose sums are reported in thousands
    (images of 255 are divided by 255 first).
    """
    sigma = checks.finite("sigma", sigma)
    if not _SIGMAS[0] <= sigma <= _SIGMAS[1]:
        raise ValueError(
            "sigma must be a number from {:g} to {:g}, got {!r}".format(*_SIGMAS, sigma)
        )
    with tf.name_scope("matting_gradient_error"):
        given = _images.pair(y_true, y_pred, None, data_format).widened()
        of_true, of_pred = (_magnitudes(x, sigma, given.data_format) for x in given.images())
        errors = tf.math.squared_difference(of_pred, of_true)
        if unknown is not None:
            counted = convert.boolean("unknown", unknown, given.leading.rank)
            counted = _images.map_of("unknown", counted, given)
            errors = tf.where(counted, errors, tf.zeros_like(errors))
        return given.losses(tf.reduce_sum(errors, axis=[1, 2, 3]) / 1000)


class MattingGradientLoss(PresetLoss):
    """loss_b = sum over pixels of (m(y_pred) - m(y_true))^2 / 1000.

    The Keras form of gradops.presets.matting_gradient_error, of all pixels: without unknown.

    Args:
      mask: None; the function takes no mask.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: sigma and data_format of the function.

    Raises:
      ValueError: As the function, or if an option is none of those.

    Example:
      >>> alpha = tf.random.uniform([2, 16, 16, 1])
      >>> gradops.presets.MattingGradientLoss()(alpha, alpha).numpy()
      np.float32(0.0)

    Source: gradops.presets.matting_gradient_error.
    """

    function = staticmethod(matting_gradient_error)
    _not_options = PresetLoss._not_options | {"unknown"}  # a trimap, which Keras does not pass


class MattingGradientMetric(PresetMetric):
    """mean of gradops.presets.matting_gradient_error over all examples seen since the last reset.

    The errors are those of all pixels: without unknown.

    Args:
      name: Name of the metric; None: "matting_gradient_error".
      dtype: Both images are cast to it, as by MattingGradientLoss.
      **options: sigma and data_format of gradops.presets.matting_gradient_error.

    Raises:
      ValueError: As MattingGradientLoss.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")])
      >>> model.compile("adam", loss="mae", metrics=[gradops.presets.MattingGradientMetric()])

    Source: gradops.presets.matting_gradient_error.
    """

    loss_class = MattingGradientLoss


def _taps(sigma: float) -> tuple[list[float], list[float]]:
    """A Gaussian and its derivative, each divided so that its squares add up to 1."""
    peak = math.sqrt(2 * math.pi) * sigma * _LEAST_TAP
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(peak)))
    offsets = range(-reach, reach + 1)
    smooth = [math.exp(-0.5 * (x / sigma) ** 2) for x in offsets]
    slope = [x * tap for x, tap in zip(offsets, smooth, strict=True)]
    return _of_unit_length(smooth), _of_unit_length(slope)


def _of_unit_length(taps: list[float]) -> list[float]:
    length = math.hypot(*taps)
    return [tap / length for tap in taps]


def _magnitudes(images: tf.Tensor, sigma: float, data_format: str) -> tf.Tensor:
    """m, with slope 0 where it is 0."""
    smooth, slope = _taps(sigma)
    rows, columns = AXES[data_format][:2]
    squares: Any = 0.0
    for along, across in ((rows, columns), (columns, rows)):
        squares += tf.square(filtered(filtered(images, across, smooth), along, slope))
    return _images.root(squares)
