"""The edge loss of MPRNet: a difference of images minus its coarse level in a Laplacian pyramid."""

from __future__ import annotations

import tensorflow as tf

from gradops._inputs.convert import TensorLike
from gradops._inputs.tensors import AXES
from gradops.presets import _images
from gradops.presets._filters import filtered, part, sizes
from gradops.presets._keras import PresetLoss

_TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)


def mprnet_edge(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    epsilon: float = 1e-3,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = mean over h, w, c of sqrt((L y_pred - L y_true)^2 + epsilon^2).

    L(x) = x - G(4 U(G x)): G is a Gaussian of 5 x 5 taps, the outer product of (0.05, 0.25, 0.4,
    0.25, 0.05) with itself, with edge pixels repeated; U keeps every second row and column,
    beginning with the first, and sets the others to 0. L is linear and separable, so it is applied
    once, to the difference, one axis after the other.

    Args:
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]), of any real dtype; C = 3 in
        MPRNet.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64.
      epsilon: That of the penalty, above 0. The loss is at least this, even for equal images.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32.

    Raises:
      ValueError: If epsilon is not a finite number above 0, a dtype does not fit, or, in a graph,
        shapes do not fit.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> target = tf.reshape(tf.range(36.0) ** 2 / 36, [1, 6, 6, 1])
      >>> gradops.presets.mprnet_edge(target, 2 * target).numpy().round(3)
      array([5.785], dtype=float32)

    Source: Zamir et al., Multi-Stage Progressive Image Restoration, CVPR 2021; swz30/MPRNet,
    losses.py (EdgeLoss with CharbonnierLoss). The 4 makes up for the zeros, except at the border,
    where L of a constant is not 0, as in that program.
    """
    epsilon = _images.check_epsilon(epsilon)
    with tf.name_scope("mprnet_edge"):
        pair = _images.pair(y_true, y_pred, None, data_format).widened()
        difference = coarse = pair.y_pred - pair.y_true
        for axis in AXES[pair.data_format][:2]:
            coarse = _down_and_up(coarse, axis)
        penalties = tf.sqrt(tf.square(difference - coarse) + epsilon**2)
        return pair.losses(_images.mean(penalties, None))


class MPRNetEdgeLoss(PresetLoss):
    """loss_b = mean over h, w, c of sqrt((L y_pred - L y_true)^2 + epsilon^2).

    The Keras form of gradops.presets.mprnet_edge.

    Args:
      mask: None; the function takes no mask.
      mask_value: None.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: epsilon and data_format of the function.

    Raises:
      ValueError: As the function, or if an option is none of those.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.presets.MPRNetEdgeLoss())

    Source: gradops.presets.mprnet_edge.
    """

    function = staticmethod(mprnet_edge)


def _down_and_up(images: tf.Tensor, axis: int) -> tf.Tensor:
    """G 2 U G along one axis, with the size of the images."""
    coarse = filtered(images, axis, _TAPS, stride=2)
    spread = tf.stack([2 * coarse, tf.zeros_like(coarse)], axis=axis + 1)
    shape = sizes(coarse)
    shape[axis] *= 2
    spread = tf.reshape(spread, shape)
    size = sizes(images)[axis]
    return filtered(spread[part(axis, slice(0, size))], axis, _TAPS)
