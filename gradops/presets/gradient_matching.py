"""Gradient matching of depth at several scales: the losses of MiDaS and of MegaDepth."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops import _scales, functional
from gradops._inputs import checks
from gradops._inputs.convert import MaskLike, TensorLike
from gradops.presets import _images
from gradops.presets._keras import PresetLoss
from gradops.presets.alignment import aligned

#: What a prediction for MegaDepth may be.
PREDICTIONS = ("depth", "log_depth")
_NO_PAIRS = 1e-6


def midas_gradient_matching(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    scales: int = 4,
    normalizer: str = "image",
    align: bool = False,
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = sum_s (sum over pairs (i, j) of |D_s(j) - D_s(i)|) / M_s, D = y_pred - y_true.

    Level s = 0, 1, ... is every 2^s-th row and column. Pairs are vertical and horizontal neighbours
    that are both valid; M_s is the number of valid pixels. It is one fused loss of all scales or,
    with a mask and normalizer "batch", one per scale.

    Args:
      y_true: Target depth or disparity [B, H, W, C] (channels_first: [B, C, H, W]), C = 1 in MiDaS.
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64.
      scales: The number of levels, 1 to 16; the smallest must have 2 rows and columns.
      normalizer: "image": M_s counts the pixels of each image, as in the paper. "batch": M_s is the
        mean of that over the batch, so that the mean of the losses is a sum over the batch divided
        by a count over the batch, as in MiDaS' batch-based reduction.
      align: Whether y_pred is first aligned by align_scale_and_shift, as MiDaS does.
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
      >>> depth = tf.reshape(tf.range(256.0), [1, 16, 16, 1])
      >>> gradops.presets.midas_gradient_matching(depth, 1.5 * depth, scales=1).numpy()
      array([7.96875], dtype=float32)
      >>> gradops.presets.midas_gradient_matching(depth, 2 * depth + 3, align=True).numpy()
      array([0.], dtype=float32)

    Source: Ranftl et al., Towards Robust Monocular Depth Estimation, TPAMI 2022, and the loss that
    its authors published, whose default is the batch-based reduction.
    """
    _scales.check(scales, "stride", None)
    checks.choice("normalizer", normalizer, _images.NORMALIZERS)
    _images.check_flag("align", align)
    with tf.name_scope("midas_gradient_matching"):
        given = _images.pair(y_true, y_pred, mask, data_format)
        if align:
            given = given.widened()._replace(y_pred=aligned(given)[0])
        options: dict[str, Any] = dict(
            stencil="forward", border="valid", normalizer="pixels", data_format=given.data_format
        )
        if normalizer == "image" or given.mask is None:
            return given.losses(
                functional.gradient_loss(*given.images(), mask=given.mask, scales=scales, **options)
            )
        _images.check_levels(given, scales, 2)
        level_losses = []
        for *images, valid in _images.levels(given[:3], scales, given.data_format):
            losses = functional.gradient_loss(*images, mask=valid, **options)
            pixels = _images.total(tf.ones_like(images[1], losses.dtype), valid)
            level_losses.append(_images.by_example(losses * pixels, pixels, normalizer))
        return given.losses(tf.add_n(level_losses))


class MiDaSGradientLoss(PresetLoss):
    """loss_b = sum_s (sum over pairs (i, j) of |D_s(j) - D_s(i)|) / M_s, D = y_pred - y_true.

    The Keras form of gradops.presets.midas_gradient_matching.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: scales, normalizer, align and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> loss = gradops.presets.MiDaSGradientLoss(align=True, mask="finite")
      >>> depth = tf.random.uniform([2, 32, 32, 1])
      >>> loss(depth, 3 * depth - 1).numpy().round(3)
      np.float32(0.0)

    Source: gradops.presets.midas_gradient_matching.
    """

    function = staticmethod(midas_gradient_matching)


def megadepth_gradient_matching(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    scales: int = 5,
    prediction: str = "depth",
    normalizer: str = "image",
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = sum_s (sum over pairs (i, j) of |D_s(j) - D_s(i)|) / (n_s + 1e-6), D = log(p / t).

    p and t are y_pred and y_true. Level s = 0, 1, ... is every 2^s-th row and column. The n_s pairs
    are valid pixels two rows or two columns apart (the pixel between them may be invalid);
    differences are not halved. Each level is one fused pass over the logarithms.

    Args:
      y_true: Target depth [B, H, W, C] (channels_first: [B, C, H, W]), above 0, C = 1 in MegaDepth.
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64.
      scales: The number of levels, 1 to 16; the smallest must have 3 rows and columns.
      prediction: What y_pred is: "depth", above 0, or "log_depth", its logarithm, which is what
        MegaDepth's networks predict. y_true is depth.
      normalizer: "image": n_s counts the pairs of each image. "batch": n_s is the mean of that over
        the batch, so that the mean of the losses is a sum over the batch divided by a count over
        the batch, as in Mannequin Challenge.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read and may be 0 or NaN.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32; 0 for images without pairs.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or are too
        small.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them; if a valid depth is not above 0. (Under XLA, which drops assertions, the loss is
        NaN then.)

    Example:
      >>> target, ramp = tf.ones([1, 3, 3, 1]), tf.reshape(tf.range(9.0), [1, 3, 3, 1])
      >>> loss = gradops.presets.megadepth_gradient_matching
      >>> loss(target, ramp, scales=1, prediction="log_depth").numpy().round(3)
      array([4.], dtype=float32)

    Source: Li and Snavely, MegaDepth, CVPR 2018, as in google/mannequinchallenge,
    models/networks.py. MegaDepth's own code divides by the valid pixels of the image instead, and
    the paper by n. Both codes compare pixels two apart, which the paper does not say.
    """
    _scales.check(scales, "stride", None)
    checks.choice("prediction", prediction, PREDICTIONS)
    checks.choice("normalizer", normalizer, _images.NORMALIZERS)
    with tf.name_scope("megadepth_gradient_matching"):
        given = _images.pair(y_true, y_pred, mask, data_format).widened()
        _images.check_levels(given, scales, 3)
        target, predicted = given.hidden(1.0)
        target = _images.logarithm("y_true", target)
        if prediction == "depth":
            predicted = _images.logarithm("y_pred", predicted)
        level_losses = []
        options: dict[str, Any] = dict(
            stencil="central", border="valid", data_format=given.data_format
        )
        logarithms = given._replace(y_true=target, y_pred=predicted)
        for *images, valid in _images.levels(logarithms[:3], scales, given.data_format):
            of_axes = functional.gradient_sums(*images, mask=valid, **options)
            sums, counts = (tf.reduce_sum(values, axis=1) for values in of_axes)
            level_losses.append(_images.by_example(sums, counts, normalizer, _NO_PAIRS))
        return given.losses(tf.add_n(level_losses))


class MegaDepthGradientLoss(PresetLoss):
    """loss_b = sum_s (sum over pairs (i, j) of |D_s(j) - D_s(i)|) / (n_s + 1e-6), D = log(p / t).

    The Keras form of gradops.presets.megadepth_gradient_matching.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss; 0 is common.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: scales, prediction, normalizer and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> loss = gradops.presets.MegaDepthGradientLoss(mask_value=0.0, prediction="log_depth")
      >>> depth = tf.random.uniform([2, 48, 48, 1], 1.0, 10.0)
      >>> loss(depth, tf.math.log(depth)).numpy()
      np.float32(0.0)

    Source: gradops.presets.megadepth_gradient_matching.
    """

    function = staticmethod(megadepth_gradient_matching)
