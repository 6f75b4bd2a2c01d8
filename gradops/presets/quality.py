"""Measures of image quality that compare gradient magnitudes: GMSD and MS-GMSD."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import tensorflow as tf

from gradops._inputs import checks
from gradops._inputs.convert import TensorLike
from gradops._inputs.tensors import loss_dtype
from gradops.images import gradient_magnitude
from gradops.presets import _images
from gradops.presets._keras import PresetLoss, PresetMetric
from gradops.presets._luma import BT601, large_enough, lumas_of

#: T of both papers, for squared magnitudes of images whose values reach 255.
_CONSTANT = 170.0
#: Values that span more than this times the declared range are taken for a mistake.
_MAX_RANGES = 2
#: Those of MS-GMSD, from the first scale to the last.
_SCALE_WEIGHTS = (0.096, 0.596, 0.289, 0.019)


def gmsd(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    value_range: float = 1.0,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = std over pixels of S, S = (2 m n + T) / (m^2 + n^2 + T).

    The gradient magnitude similarity deviation: 0 for images with the same gradient magnitudes, and
    lower is better. m and n are the gradient magnitudes of the two images, by Prewitt taps divided
    by 3 with zeros outside of the image, of means of 2 x 2 pixels of the luma. T is 170 / 255^2 of
    value_range^2.

    Args:
      y_true: Reference images [B, H, W, C] (channels_first: [B, C, H, W]), C 1 or 3 (red, green,
        blue: luma 0.299 R + 0.587 G + 0.114 B), of any real dtype.
      y_pred: Distorted images of the same shape, float16, bfloat16, float32 or float64.
      value_range: The largest value of the images less the smallest, such as 1 or 255; above 0. In
        eager mode a RuntimeWarning is given if values span more than twice that.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Deviations [B], float64 for float64 images, else float32. Differentiable by both images; the
      gradient is 0 where the deviation is 0, and by magnitudes that are 0.

    Raises:
      ValueError: If value_range is not a finite number above 0, a dtype does not fit, or, in a
        graph, shapes do not match or the number of channels is not 1 or 3.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> images = tf.reshape(tf.range(64.0), [1, 8, 8, 1])
      >>> gradops.presets.gmsd(images, images / 2, value_range=64).numpy().round(4)
      array([0.0013], dtype=float32)

    Source: Xue et al., Gradient Magnitude Similarity Deviation, IEEE TIP 2014, and its MATLAB
    program, whose std2 divides by the number of pixels less one; the paper's formula and piq
    (photosynthesis-team/piq, gmsd.py) divide by the number of pixels, as is done here. If H or W is
    odd, the last mean includes zeros, as in both programs.
    """
    value_range = checks.bounded("value_range", value_range, 0, is_open=True)
    with tf.name_scope("gmsd"):
        given = _images.pair(y_true, y_pred, None, data_format)
        lumas = _scaled_lumas(given, value_range)
        halves = [_halved(x) for x in lumas]
        return given.losses(_images.root(_variance(halves, masking=0.0)))


def ms_gmsd(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    value_range: float = 1.0,
    scale_weights: Sequence[float] | None = None,
    masking: float = 0.5,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = sqrt(sum_s w_s var(S_s)), S = ((2 - a) m n + T) / (m^2 + n^2 - a m n + T).

    The variance is over pixels at each scale s: the luma, then means of 2 x 2 pixels of the scale
    before. m, n and T are as for gmsd. Lower is better, and 0 is best.

    Args:
      y_true: See gmsd.
      y_pred: See gmsd; H and W at least 2^scales + 1, that is 17 for four scales.
      value_range: See gmsd.
      scale_weights: w_s, one number of at least 0 per scale, divided by their sum; None means
        0.096, 0.596, 0.289 and 0.019.
      masking: a, from 0 to 2: how much strong gradients mask differences.
      data_format: See gmsd.

    Returns:
      As gmsd.

    Raises:
      ValueError: As gmsd, or if scale_weights or masking are not such numbers, or, in a graph, the
        images are too small for the scales.
      tf.errors.InvalidArgumentError: As gmsd, or if the images are too small for the scales. (XLA
        drops this check; the loss of shapes that the graph did not know is NaN then.)

    Example:
      >>> images = tf.reshape(tf.range(400.0), [1, 20, 20, 1])
      >>> gradops.presets.ms_gmsd(images, images / 2, value_range=400).numpy().round(4)
      array([0.0089], dtype=float32)

    Source: Zhang et al., Gradient Magnitude Similarity Deviation on Multiple Scales for Color Image
    Quality Assessment, ICASSP 2017, as in piq (photosynthesis-team/piq, gmsd.py) with
    chromatic=False: the part of the luma. (With masking=0 it has the S of gmsd.)
    """
    value_range = checks.bounded("value_range", value_range, 0, is_open=True)
    weights = _check_scale_weights(scale_weights)
    masking = checks.finite("masking", masking)
    if not 0 <= masking <= 2:
        raise ValueError(f"masking must be a number from 0 to 2, got {masking!r}")
    with tf.name_scope("ms_gmsd"):
        given = _images.pair(y_true, y_pred, None, data_format)
        lumas = _scaled_lumas(given, value_range)
        lumas = [large_enough(x, 2 ** len(weights) + 1, f"{len(weights)} scales") for x in lumas]
        total = weights[0] * _variance(lumas, masking)
        for weight in weights[1:]:
            lumas = [_halved(x) for x in lumas]
            total += weight * _variance(lumas, masking)
        return given.losses(_images.root(total))


class GMSDLoss(PresetLoss):
    """loss_b = std over pixels of S, S = (2 m n + T) / (m^2 + n^2 + T): gradops.presets.gmsd.

    Args:
      mask: None; the function takes no mask.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: value_range and data_format of the function.

    Raises:
      ValueError: As the function, or if an option is none of those.

    Example:
      >>> images = tf.random.uniform([2, 8, 8, 3])
      >>> gradops.presets.GMSDLoss()(images, images).numpy()
      np.float32(0.0)

    Source: gradops.presets.gmsd.
    """

    function = staticmethod(gmsd)


class MSGMSDLoss(PresetLoss):
    """loss_b = sqrt(sum_s w_s var(S_s)): gradops.presets.ms_gmsd.

    Args:
      mask: None; the function takes no mask.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: value_range, scale_weights, masking and data_format of the function.

    Raises:
      ValueError: As the function, or if an option is none of those.

    Example:
      >>> images = tf.random.uniform([2, 20, 20, 3])
      >>> gradops.presets.MSGMSDLoss()(images, images).numpy()
      np.float32(0.0)

    Source: gradops.presets.ms_gmsd.
    """

    function = staticmethod(ms_gmsd)


class GMSDMetric(PresetMetric):
    """mean of gradops.presets.gmsd over all examples seen since the last reset.

    Args:
      name: Name of the metric; None: "gmsd".
      dtype: Both images are cast to it, as by GMSDLoss.
      **options: value_range and data_format of gradops.presets.gmsd.

    Raises:
      ValueError: As GMSDLoss.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss="mse", metrics=[gradops.presets.GMSDMetric(value_range=255)])

    Source: gradops.presets.gmsd.
    """

    loss_class = GMSDLoss


class MSGMSDMetric(PresetMetric):
    """mean of gradops.presets.ms_gmsd over all examples seen since the last reset.

    Args:
      name: Name of the metric; None: "ms_gmsd".
      dtype: Both images are cast to it, as by MSGMSDLoss.
      **options: value_range, scale_weights, masking and data_format of gradops.presets.ms_gmsd.

    Raises:
      ValueError: As MSGMSDLoss.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss="mse", metrics=[gradops.presets.MSGMSDMetric()])

    Source: gradops.presets.ms_gmsd.
    """

    loss_class = MSGMSDLoss


def _check_scale_weights(scale_weights: Sequence[float] | None) -> list[float]:
    """The weights, divided by their sum."""
    given = _SCALE_WEIGHTS if scale_weights is None else scale_weights
    try:
        found = [checks.as_finite(weight) for weight in given]
    except TypeError:  # not a sequence
        found = []
    weights = [weight for weight in found if weight is not None and weight >= 0]
    total = sum(weights)
    if len(weights) < len(found) or not 0 < total < math.inf:
        raise ValueError(
            "scale_weights must be finite numbers of at least 0, of which one is above 0, got "
            f"{scale_weights!r}"
        )
    return [weight / total for weight in weights]


def _scaled_lumas(pair: _images.Pair, value_range: float) -> list[tf.Tensor]:
    """The lumas of both images, [B, H, W, 1], scaled to values from 0 to 1."""
    _check_range(pair, value_range)
    lumas = lumas_of(pair.widened(), BT601)
    return lumas if value_range == 1 else [x / value_range for x in lumas]


def _check_range(pair: _images.Pair, value_range: float) -> None:
    """Warns in eager mode if values cannot have that range."""
    if not tf.executing_eagerly():
        return
    for argument, images in zip(("y_true", "y_pred"), pair.images(), strict=True):
        images = tf.cast(images, loss_dtype(images.dtype))
        found = float(tf.reduce_max(images) - tf.reduce_min(images)) if tf.size(images) else 0.0
        if found > _MAX_RANGES * value_range:
            warnings.warn(
                f"value_range must be the largest value of the images less the smallest, such as 1 "
                f"or 255, got {value_range:g} for a {argument} whose values span {found:g}",
                RuntimeWarning,
                stacklevel=4,
            )


def _halved(lumas: tf.Tensor) -> tf.Tensor:
    """Means of 2 x 2 pixels. The last row or column of an odd size is paired with zeros."""
    if any(size is None or size % 2 for size in lumas.shape[1:3]):
        height, width = (tf.shape(lumas)[axis] % 2 for axis in (1, 2))
        lumas = tf.pad(lumas, [[0, 0], [0, height], [0, width], [0, 0]])
    return tf.nn.avg_pool2d(lumas, 2, 2, "VALID")


def _variance(lumas: list[tf.Tensor], masking: float) -> tf.Tensor:
    """The variance over pixels of the similarity S of both gradient magnitudes, [B].

    It is found as that of 1 - S = (m - n)^2 / (m^2 + n^2 - a m n + T), which is exact for equal
    images and keeps its digits for images that hardly differ.
    """
    m, n = (
        gradient_magnitude(x, stencil="prewitt", border="zero", data_format="channels_last")
        for x in lumas
    )
    # The taps are not divided by 3, so the constant is 9 times as large.
    constant = 9 * _CONSTANT / 255**2
    # m^2 + n^2 - a m n, written so that nothing cancels for a near 2.
    squares = tf.square(m - n)
    difference = squares / (squares + (2 - masking) * m * n + constant)
    return tf.math.reduce_variance(difference, axis=[1, 2, 3])
