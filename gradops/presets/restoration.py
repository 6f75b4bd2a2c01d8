"""Gradient losses of video prediction and super-resolution."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops import functional
from gradops._inputs import checks
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.tensors import AXES
from gradops.presets import _images
from gradops.presets._keras import PresetLoss

#: Those of gradient_loss, and two that are made from gradient_sums.
GDL_NORMALIZERS = ("residuals", "pixels", "batch", "axes", "sum")
SPSR_PENALTIES = ("l2", "l1")


def gradient_difference(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    alpha: float = 1.0,
    normalizer: str = "residuals",
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = sum_k sum_i ||D_k y_pred|_i - |D_k y_true|_i|^alpha / D_b, k in {y, x}.

    The gradient difference loss (GDL). D_k are differences of neighbours inside the image. Because
    of the inner absolute values the sign of a gradient does not matter. It is one fused pass.

    Args:
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]), H and W at least 2, of any
        real dtype.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64.
      alpha: The power, at least 1 (the paper: an integer).
      normalizer: D_b. "residuals": the number of differences, so that the loss is their mean.
        "axes": the sum of the means over the differences of each axis. "pixels": the number of
        pixels and channels. "batch": see gradops.gradient_loss. "sum": 1, as in the paper.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read and may be NaN.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32; 0 for images without valid pixels.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or are too
        small.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> target = tf.reshape(tf.range(32.0), [2, 4, 4, 1])
      >>> gradops.presets.gradient_difference(target, 2 * target).numpy()
      array([2.5, 2.5], dtype=float32)
      >>> gradops.presets.gradient_difference(target, -target, normalizer="sum").numpy()
      array([0., 0.], dtype=float32)

    Source: Mathieu et al., Deep Multi-Scale Video Prediction beyond Mean Square Error, ICLR 2016,
    which takes the sum and leaves open whether that includes the batch. Programs that quote it take
    sums or means, with alpha 1 or 2. Some leave out the inner absolute values, as
    gradops.gradient_loss(stencil="forward", border="valid") does.
    """
    checks.choice("normalizer", normalizer, GDL_NORMALIZERS)
    alpha = checks.bounded("alpha", alpha, 1)
    _images.check_target(y_true)
    power = dict(penalty="l1") if alpha == 1 else dict(penalty="power", alpha=alpha)
    options: dict[str, Any] = dict(
        **power,
        response="absolute",
        stencil="forward",
        border="valid",
        mask=mask,
        data_format=data_format,
        name="gradient_difference",
    )
    if normalizer not in ("axes", "sum"):
        return functional.gradient_loss(y_true, y_pred, normalizer=normalizer, **options)
    sums, counts = functional.gradient_sums(y_true, y_pred, **options)
    means = tf.math.divide_no_nan(sums, counts) if normalizer == "axes" else sums
    return tf.reduce_sum(means, axis=-1)


class GradientDifferenceLoss(PresetLoss):
    """loss_b = sum_k sum_i ||D_k y_pred|_i - |D_k y_true|_i|^alpha / D_b, k in {y, x}.

    The Keras form of gradops.presets.gradient_difference.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: alpha, normalizer and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.presets.GradientDifferenceLoss(alpha=2))

    Source: gradops.presets.gradient_difference.
    """

    function = staticmethod(gradient_difference)


def spsr_gradient(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    penalty: str = "l2",
    padding: int = 1,
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = mean over h, w, c of (m(y_pred) - m(y_true))^2, m = sqrt(gy^2 + gx^2 + 1e-6).

    g are the differences of the two neighbours, x(i+1) - x(i-1), not halved, with zeros outside of
    the image. It is one fused pass.

    Args:
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]), of any real dtype.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64.
      penalty: "l2", the square, or "l1", the absolute value.
      padding: That of the convolutions: 1 compares magnitudes at the pixels, 2 also at a ring of
        zeros around the image (for which the images are copied).
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read and may be NaN.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32; 0 for images without valid pixels.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> target = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.spsr_gradient(target, 2 * target, penalty="l1").numpy().round(3)
      array([9.554], dtype=float32)

    Source: Ma et al., Structure-Preserving Super Resolution with Gradient Guidance, CVPR 2020;
    Maclory/SPSR, SPSR_model.py, whose loss of gradients is the mean square with padding 2, and
    whose loss of its gradient branch takes the target's magnitudes with padding 1.
    """
    checks.choice("penalty", penalty, SPSR_PENALTIES)
    if checks.as_finite(padding) not in (1, 2):
        raise ValueError(f"padding must be 1 or 2, got {padding!r}")
    with tf.name_scope("spsr_gradient"):
        given = _images.pair(y_true, y_pred, mask, data_format)
        if padding == 2:
            given = _with_ring(given)
        losses = functional.gradient_loss(
            *given.images(),
            stencil="central",
            response="magnitude",
            response_epsilon=1e-6,
            penalty=penalty,
            border="zero",
            mask=given.mask,
            data_format=given.data_format,
        )
        return given.losses(losses)


class SPSRGradientLoss(PresetLoss):
    """loss_b = mean over h, w, c of (m(y_pred) - m(y_true))^2, m = sqrt(gy^2 + gx^2 + 1e-6).

    The Keras form of gradops.presets.spsr_gradient.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: penalty, padding and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.presets.SPSRGradientLoss(padding=2))

    Source: gradops.presets.spsr_gradient.
    """

    function = staticmethod(spsr_gradient)


def _with_ring(pair: _images.Pair) -> _images.Pair:
    """The images with a ring of zeros around them, which are valid pixels."""
    pads = [[0, 0]] * 4
    for axis in AXES[pair.data_format][:2]:
        pads[axis] = [1, 1]
    padded = None if pair.mask is None else tf.pad(pair.mask, pads, constant_values=True)
    true, predicted = (tf.pad(x, pads) for x in pair.images())
    return pair._replace(y_true=true, y_pred=predicted, mask=padded)
