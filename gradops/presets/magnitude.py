"""The difference of the mean gradients of two images."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops._inputs.convert import MaskLike, TensorLike
from gradops.presets import _images
from gradops.presets._keras import PresetLoss
from gradops.presets.smoothness import total_variation


def mean_magnitude(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = (m(y_pred) - m(y_true))^2, m(x) = mean |D_y x| + mean |D_x x|.

    D are differences of neighbours inside the image. The loss compares how much gradient there is
    and not where, so it should be added to one that does. Each image takes one fused pass.

    Args:
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]), H and W at least 2, of any
        real dtype.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read in either image and may be NaN.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32; 0 for images without valid pixels.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or are too
        small.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> target = tf.reshape(tf.range(16.0), [1, 4, 4, 1])  # m is 4 + 1
      >>> gradops.presets.mean_magnitude(target, 2 * target).numpy()
      array([25.], dtype=float32)

    Source: tutorials on image gradients as a loss, with mean(|dy|) + mean(|dx|) of
    tf.image.image_gradients. Those include a last row and column of zeros, which are left out here.
    Many take the mean over the batch before the square; here each example has its own.
    """
    with tf.name_scope("mean_magnitude"):
        given = _images.pair(y_true, y_pred, mask, data_format)
        options: dict[str, Any] = dict(mask=given.mask, data_format=given.data_format)
        of_true, of_pred = (total_variation(x, **options) for x in given.images())
        return given.losses(tf.math.squared_difference(of_pred, of_true))


class MeanMagnitudeLoss(PresetLoss):
    """loss_b = (m(y_pred) - m(y_true))^2, m(x) = mean |D_y x| + mean |D_x x|.

    The Keras form of gradops.presets.mean_magnitude.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: data_format of the function.

    Raises:
      ValueError: If an option is none of those.

    Example:
      >>> images = tf.random.uniform([2, 8, 8, 3])
      >>> gradops.presets.MeanMagnitudeLoss()(images, images).numpy()
      np.float32(0.0)

    Source: gradops.presets.mean_magnitude.
    """

    function = staticmethod(mean_magnitude)
