"""Smoothness of displacement fields, as VoxelMorph regularises its registrations."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops import functional
from gradops._inputs import checks
from gradops._inputs.convert import MaskLike, TensorLike
from gradops.presets._keras import PresetLoss

PENALTIES = ("l1", "l2")


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
