"""Single-scale losses of depth: DenseDepth's edges and the loss of Hu et al."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from gradops import functional
from gradops._inputs import checks
from gradops._inputs.convert import MaskLike, TensorLike
from gradops.presets import _images
from gradops.presets._keras import PresetLoss


def dense_depth_edges(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = mean over h, w, c of |D_y p - D_y t| + |D_x p - D_x t|.

    D are differences of the next pixel and this one, 0 in the last row or column; these zeros count
    in the mean. p and t are y_pred and y_true. It is one fused pass.

    Args:
      y_true: Target depth [B, H, W, C] (channels_first: [B, C, H, W]).
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read, may be NaN and do not count in the mean. (DenseDepth has no mask.)
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32. Their mean is DenseDepth's l_edges.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> depth = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.dense_depth_edges(depth, 2 * depth).numpy()
      array([3.75], dtype=float32)

    Source: Alhashim and Wonka, High Quality Monocular Depth Estimation via Transfer Learning, 2018;
    ialhashim/DenseDepth, loss.py (tf.image.image_gradients). The paper divides by n alike.
    """
    _images.check_target(y_true)
    return functional.gradient_loss(
        y_true,
        y_pred,
        stencil="forward",
        border="replicate",
        mask=mask,
        normalizer="pixels",
        data_format=data_format,
        name="dense_depth_edges",
    )


class DenseDepthEdgesLoss(PresetLoss):
    """loss_b = mean over h, w, c of |D_y p - D_y t| + |D_x p - D_x t|.

    The Keras form of gradops.presets.dense_depth_edges.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.presets.DenseDepthEdgesLoss(mask_value=0.0))

    Source: gradops.presets.dense_depth_edges.
    """

    function = staticmethod(dense_depth_edges)


def hu_loss(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    depth_weight: float = 1.0,
    gradient_weight: float = 1.0,
    normal_weight: float = 1.0,
    epsilon: float = 0.5,
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = a mean F(p - t) + b (mean F(S_y (p - t)) + mean F(S_x (p - t))) + c mean |1 - cos|.

    F(r) = log(|r| + epsilon). cos is that of the angle between the surface normals (-S_x, -S_y, 1)
    of p and t, which are y_pred and y_true; S are unscaled Sobel derivatives with zeros outside of
    the image. a, b and c are depth_weight, gradient_weight and normal_weight. Gradients and normals
    take one fused pass each. For equal images the loss is (a + 2 b) log(epsilon), which is negative
    for epsilon < 1.

    Args:
      y_true: Target depth [B, H, W, C] (channels_first: [B, C, H, W]), C = 1 in the original.
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64.
      depth_weight: a, at least 0.
      gradient_weight: b, at least 0.
      normal_weight: c, at least 0.
      epsilon: The epsilon of F, above 0.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read and may be NaN: means are over valid pixels, and over derivatives that depend
        on no invalid one. (The original has no mask.)
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32. Terms without any pixel are 0.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> depth = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.hu_loss(depth, depth + 1, gradient_weight=0, normal_weight=0).numpy()
      array([0.4054651], dtype=float32)

    Source: Hu et al., Revisiting Single Image Depth Estimation, WACV 2019, with epsilon = 0.5;
    JunjH/Revisiting_Single_Depth_Estimation, train.py and sobel.py, all weights 1. The zero border
    makes the rim of the image an edge, as it does there.
    """
    depth_weight = checks.bounded("depth_weight", depth_weight, 0)
    gradient_weight = checks.bounded("gradient_weight", gradient_weight, 0)
    normal_weight = checks.bounded("normal_weight", normal_weight, 0)
    if depth_weight == gradient_weight == normal_weight == 0:
        raise ValueError(
            "one of depth_weight, gradient_weight and normal_weight must be above 0, got 0 for all"
        )
    epsilon = _images.check_epsilon(epsilon)
    with tf.name_scope("hu_loss"):
        given = _images.pair(y_true, y_pred, mask, data_format).widened()
        terms = []
        if depth_weight:
            terms.append(depth_weight * _log_depths(given, epsilon))
        if gradient_weight:
            terms.append(gradient_weight * _log_gradients(given, epsilon))
        if normal_weight:
            terms.append(normal_weight * _normals(given))
        return given.losses(tf.add_n(terms))


def _log_depths(given: _images.Pair, epsilon: float) -> tf.Tensor:
    """The mean of log(|p - t| + epsilon) over the valid pixels."""
    true, predicted = given.hidden(0.0)
    return _images.mean(tf.math.log(tf.abs(predicted - true) + epsilon), given.mask)


def _log_gradients(given: _images.Pair, epsilon: float) -> tf.Tensor:
    """The sum over both axes k of the mean of log(|S_k (p - t)| + epsilon).

    The penalty log(1 + |r| / epsilon) is less than that by log(epsilon).
    """
    options: dict[str, Any] = dict(
        penalty="log", epsilon=epsilon, border="zero", data_format=given.data_format
    )
    offset = math.log(epsilon)
    if given.mask is None:
        losses = functional.gradient_loss(*given.images(), normalizer="pixels", **options)
        has_pixels = tf.cast(tf.size(given.y_pred) > 0, losses.dtype)
        return losses + 2 * offset * has_pixels
    sums, counts = functional.gradient_sums(*given.images(), mask=given.mask, **options)
    return tf.reduce_sum(tf.math.divide_no_nan(sums + offset * counts, counts), axis=1)


def _normals(given: _images.Pair) -> tf.Tensor:
    """The mean of 1 - cos of the angle between both normals."""
    options: dict[str, Any] = dict(response="normal", border="zero", data_format=given.data_format)
    return functional.gradient_loss(*given.images(), mask=given.mask, **options)


class HuLoss(PresetLoss):
    """loss_b = a mean F(p - t) + b (mean F(S_y (p - t)) + mean F(S_x (p - t))) + c mean |1 - cos|.

    The Keras form of gradops.presets.hu_loss.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: depth_weight, gradient_weight, normal_weight, epsilon and data_format of the
        function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.presets.HuLoss(normal_weight=0.5))

    Source: gradops.presets.hu_loss.
    """

    function = staticmethod(hu_loss)
