"""Smoothness of a prediction: total variation, edge-aware smoothness, displacement fields."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops import functional, images
from gradops._inputs import checks, convert
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.leading import LeadingAxes
from gradops._inputs.same_shape import of_rank_4
from gradops._inputs.tensors import AXES, loss_dtype
from gradops.presets import _images
from gradops.presets._keras import PresetLoss

TOTALS = ("mean", "sum")
PENALTIES = ("l1", "l2")
_NOT_ZERO = 1e-7


def edge_aware_smoothness(
    image: TensorLike,
    disparity: TensorLike,
    *,
    normalize: bool = False,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = mean |D_y d| exp(-mean_c |D_y I|) + mean |D_x d| exp(-mean_c |D_x I|).

    D are differences of the next pixel and this one, where there is a next one; d is the disparity
    and I the image, at whose edges d may have edges. Each mean is over the differences along its
    axis. The derivatives are fused passes.

    Args:
      image: I, [B, H, W, C] (channels_first: [B, C, H, W]), in the place of y_true. Its range
        matters: 0 to 1 in monodepth2. Any real dtype.
      disparity: d, [B, H, W, 1] or with any other number of channels, in the place of y_pred;
        float16, bfloat16, float32 or float64.
      normalize: Whether d is first divided by its mean over H and W plus 1e-7, as in the training
        of monodepth2; else shrinking d is a way to smooth it.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 disparities, else float32. Differentiable by both.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, ranks, B, H or W do not fit or H
        or W is less than 2.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> image = tf.zeros([1, 4, 4, 3])
      >>> disparity = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.edge_aware_smoothness(image, disparity).numpy()
      array([5.], dtype=float32)

    Source: Godard et al., Digging Into Self-Supervised Monocular Depth Estimation, ICCV 2019;
    nianticlabs/monodepth2, get_smooth_loss in layers.py, normalize in trainer.py.
    """
    _images.check_flag("normalize", normalize)
    data_format = _images.layout(data_format)
    with tf.name_scope("edge_aware_smoothness"):
        disparity = convert.images("disparity", disparity)
        image = convert.tensor("image", image)
        dtype = loss_dtype(convert.common_dtype(disparity.dtype, image.dtype))
        leading = LeadingAxes("disparity", disparity)
        image = leading.fold("image", convert.real("image", image, dtype, leading.rank))
        image = of_rank_4("image", image, data_format)
        disparity = tf.cast(leading.fold("disparity", disparity), dtype)
        disparity = of_rank_4("disparity", disparity, data_format)
        height, width, channels = AXES[data_format]
        message = "image and disparity must have the same batch, height and width"
        image = _images.agree(message, image, disparity, (0, height, width))
        if normalize:
            disparity /= tf.reduce_mean(disparity, [height, width], keepdims=True) + _NOT_ZERO
        options: dict[str, Any] = dict(stencil="forward", border="valid", data_format=data_format)
        edges = tf.abs(images.image_gradients(image, **options))
        slopes = tf.abs(images.image_gradients(disparity, **options))
        terms = slopes * tf.exp(-tf.reduce_mean(edges, axis=channels, keepdims=True))
        # Where there is no next pixel, terms are 0.
        sums = tf.reduce_sum(terms, axis=[1, 2, 3])
        sizes = [tf.cast(tf.shape(disparity)[axis], dtype) for axis in (height, width, channels)]
        down = (sizes[0] - 1) * sizes[1] * sizes[2]
        along = sizes[0] * (sizes[1] - 1) * sizes[2]
        return leading.unfold_losses(tf.reduce_sum(sums / tf.stack([down, along]), axis=1))


class EdgeAwareSmoothnessLoss(PresetLoss):
    """loss_b = mean |D_y d| exp(-mean_c |D_y I|) + mean |D_x d| exp(-mean_c |D_x I|).

    The Keras form of gradops.presets.edge_aware_smoothness: the target y_true is the image I, the
    prediction y_pred the disparity d.

    Args:
      mask: None; the function takes no mask.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: normalize and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.presets.EdgeAwareSmoothnessLoss(normalize=True))
      >>> images = tf.random.uniform([2, 8, 8, 3])
      >>> _ = model.fit(images, images, verbose=0)

    Source: gradops.presets.edge_aware_smoothness.
    """

    function = staticmethod(edge_aware_smoothness)


def total_variation(
    y_pred: TensorLike,
    *,
    total: str = "mean",
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = mean |D_y y_pred| + mean |D_x y_pred|, or with sums in place of means.

    D are differences of the next pixel and this one, where there is a next one. Means are over the
    differences along their axis. One fused pass.

    Args:
      y_pred: Images [B, H, W, C] (channels_first: [B, C, H, W]), float16, bfloat16, float32 or
        float64, H and W at least 2.
      total: "mean", as kornia's reduction "mean", or "sum", as tf.image.total_variation.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel;
        differences of others are left out.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or H or W is
        less than 2.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> ramp = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.total_variation(ramp).numpy()
      array([5.], dtype=float32)
      >>> gradops.presets.total_variation(ramp, total="sum").numpy()
      array([60.], dtype=float32)

    Source: Rudin, Osher and Fatemi, 1992, in its anisotropic form; tf.image.total_variation.
    """
    checks.choice("total", total, TOTALS)
    options: dict[str, Any] = dict(
        stencil="forward", border="valid", mask=mask, data_format=data_format
    )
    with tf.name_scope("total_variation"):
        sums, counts = functional.gradient_sums(None, y_pred, **options)
        if total == "mean":
            sums = tf.math.divide_no_nan(sums, counts)
        return tf.reduce_sum(sums, axis=-1)


class TotalVariationLoss(PresetLoss):
    """loss_b = mean |D_y y_pred| + mean |D_x y_pred|, or with sums in place of means.

    The Keras form of gradops.presets.total_variation; the target y_true is not used.

    Args:
      mask: None, because the target is not used.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: total and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> loss = gradops.presets.TotalVariationLoss(total="sum")
      >>> images = tf.random.uniform([2, 8, 8, 3])
      >>> loss(images, tf.zeros([2, 8, 8, 3])).numpy()
      np.float32(0.0)

    Source: gradops.presets.total_variation.
    """

    function = staticmethod(total_variation)
    _uses_target = False


def voxelmorph_grad(
    y_pred: TensorLike,
    *,
    penalty: str = "l1",
    loss_mult: float = 1.0,
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = loss_mult (mean |D_y u| + mean |D_x u|) / 2, or with squares in place of |.|.

    D are differences of the next pixel and this one, where there is a next one; u is the field. The
    mean of each axis is over its own differences of all channels. One fused pass.

    Args:
      y_pred: Displacement or velocity fields u, [B, H, W, 2] (channels_first: [B, 2, H, W]) or with
        any other number of channels, float16, bfloat16, float32 or float64, H and W at least 2.
      penalty: "l1" or "l2", the square. VoxelMorph's class has the first by default, and its
        training scripts take the second.
      loss_mult: A factor of at least 0. VoxelMorph's scripts take by how much the field is smaller
        than the image; None is 1 there.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel;
        differences of others are left out. (VoxelMorph multiplies by weights instead, and divides
        by all pixels.)
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 fields, else float32.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or H or W is
        less than 2.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> field = tf.reshape(tf.range(16.0), [1, 4, 4, 1]) * [1.0, 2.0]
      >>> gradops.presets.voxelmorph_grad(field).numpy()
      array([3.75], dtype=float32)
      >>> gradops.presets.voxelmorph_grad(field, penalty="l2", loss_mult=2.0).numpy()
      array([42.5], dtype=float32)

    Source: Balakrishnan et al., VoxelMorph, IEEE TMI 2019; voxelmorph/voxelmorph, tf/losses.py,
    Grad, in 2-D.
    """
    checks.choice("penalty", penalty, PENALTIES)
    loss_mult = checks.bounded("loss_mult", loss_mult, 0)
    options: dict[str, Any] = dict(
        stencil="forward", border="valid", penalty=penalty, mask=mask, data_format=data_format
    )
    with tf.name_scope("voxelmorph_grad"):
        sums, counts = functional.gradient_sums(None, y_pred, **options)
        means = tf.math.divide_no_nan(sums, counts)
        return loss_mult / 2 * tf.reduce_sum(means, axis=-1)


class VoxelMorphGradLoss(PresetLoss):
    """loss_b = loss_mult (mean |D_y u| + mean |D_x u|) / 2, or with squares in place of |.|.

    The Keras form of gradops.presets.voxelmorph_grad; the target y_true is not used.

    Args:
      mask: None, because the target is not used.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: penalty, loss_mult and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> loss = gradops.presets.VoxelMorphGradLoss(penalty="l2")
      >>> field = tf.ones([2, 8, 8, 2])
      >>> loss(field, field).numpy()
      np.float32(0.0)

    Source: gradops.presets.voxelmorph_grad.
    """

    function = staticmethod(voxelmorph_grad)
    _uses_target = False
