"""The gradient variance loss of super-resolution."""

from __future__ import annotations

import tensorflow as tf

from gradops._inputs import checks
from gradops._inputs.convert import TensorLike
from gradops.images import image_gradients
from gradops.presets import _images
from gradops.presets._filters import sizes
from gradops.presets._keras import PresetLoss
from gradops.presets._luma import RGB2GRAY, large_enough, lumas_of


def gradient_variance(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    patch_size: int = 8,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = sum over k in {y, x} of mean over patches of (var(S_k y_pred) - var(S_k y_true))^2.

    S_k are the Sobel derivatives of the luma, with zeros outside of the image. Variances are those
    of the derivatives in each patch, and divide by the number of pixels less one. Patches do not
    overlap.

    Args:
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]), C 1 or 3 (red, green,
        blue: luma 0.2989 R + 0.587 G + 0.114 B), of any real dtype.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64.
      patch_size: Height and width of a patch, at least 2. Pixels at the end of rows and columns
        that fill no patch are left out.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32.

    Raises:
      ValueError: If patch_size is not an integer of at least 2, or, in a graph, shapes do not fit,
        the number of channels is not 1 or 3, or the images are smaller than a patch.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them. (XLA drops the check of the size; the loss is NaN then.)

    Example:
      >>> rows = tf.reshape(tf.range(16.0) ** 2 / 16, [1, 16, 1, 1]) * tf.ones([1, 16, 16, 1])
      >>> gradops.presets.gradient_variance(rows, 0.5 * rows).numpy().round()
      array([45863.], dtype=float32)

    Source: Abrahamyan et al., Gradient Variance Loss for Structure-Enhanced Image Super-Resolution,
    ICASSP 2022; lusinlu/gradient-variance-loss, which trains with patches of 8.
    """
    patch_size = checks.integer("patch_size", patch_size, least=2)
    with tf.name_scope("gradient_variance"):
        pair = _images.pair(y_true, y_pred, None, data_format).widened()
        lumas = lumas_of(pair, RGB2GRAY)
        lumas = [large_enough(x, patch_size, f"patches of {patch_size}") for x in lumas]
        of_true, of_pred = (_patch_variances(x, patch_size) for x in lumas)
        errors = tf.reduce_mean(tf.math.squared_difference(of_pred, of_true), axis=[1, 2])
        return pair.losses(tf.reduce_sum(errors, axis=-1))


class GradientVarianceLoss(PresetLoss):
    """loss_b = sum over k in {y, x} of mean over patches of (var(S_k y_pred) - var(S_k y_true))^2.

    The Keras form of gradops.presets.gradient_variance.

    Args:
      mask: None; the function takes no mask.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: patch_size and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.presets.GradientVarianceLoss(patch_size=16))

    Source: gradops.presets.gradient_variance.
    """

    function = staticmethod(gradient_variance)


def _patch_variances(lumas: tf.Tensor, size: int) -> tf.Tensor:
    """The variances of the derivatives of lumas, [B, rows of patches, columns of patches, 2]."""
    gradients = image_gradients(lumas, border="zero", data_format="channels_last")
    batch, height, width, _ = sizes(lumas)
    rows, columns = height // size, width // size
    whole = gradients[:, : rows * size, : columns * size]
    patches = tf.reshape(whole, [batch, rows, size, columns, size, 2])
    return tf.math.reduce_variance(patches, axis=[2, 4]) * (size**2 / (size**2 - 1))
