"""GradL1, the gradient loss of ZoeDepth and Depth Anything, and a stable form of it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops import functional, images
from gradops._inputs import checks
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.tensors import AXES
from gradops.presets import _images
from gradops.presets._keras import PresetLoss

DIRECTIONS = ("atan", "stable", "none")
_NOT_ZERO = 1e-10
_FIRST, _NEXT = slice(None, -1), slice(1, None)


def zoedepth_grad_l1(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    direction: str = "atan",
    normalizer: str = "image",
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = mean ||g(p)|^2 - |g(t)|^2| + mean |a(p) - a(t)|, a = atan(g_y / (g_x + 1e-10)).

    g = (g_y, g_x) are the differences of a pixel and its neighbours above and to the left; p and t
    are y_pred and y_true. Means are over all pixels except the first row and column for which these
    three pixels are valid. The angle is unstable: where the image is flat its derivative is up to
    1e10, it jumps by pi where g_x changes its sign, and it is the same for g and -g.

    Args:
      y_true: Target depth [B, H, W, C] (channels_first: [B, C, H, W]), C = 1 in the original.
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64.
      direction: "atan": the formula above. "stable": the second mean is that of 1 - cos of the
        angle between g(p) and g(t), 0 where either is shorter than 1e-6: it is bounded, has no
        jumps and tells g from -g. "none": the first mean alone.
      normalizer: "image": means over each image. "batch": sums over each image, divided by the mean
        number of pixels in the batch, so that the mean of the losses is that of the original, which
        is a mean over all valid pixels of the batch.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read and may be NaN.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32; 0 for images without valid pixels.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or H or W is
        less than 2.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> depth = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> gradops.presets.zoedepth_grad_l1(depth, 2 * depth).numpy().round(3)
      array([51.], dtype=float32)
      >>> gradops.presets.zoedepth_grad_l1(depth, -depth, direction="stable").numpy().round(3)
      array([2.], dtype=float32)

    Source: GradL1Loss in isl-org/ZoeDepth, zoedepth/trainers/loss.py, and the copy of it in
    LiheYoung/Depth-Anything. Its weight, w_grad, is 0 in their configurations.
    """
    checks.choice("direction", direction, DIRECTIONS)
    checks.choice("normalizer", normalizer, _images.NORMALIZERS)
    with tf.name_scope("zoedepth_grad_l1"):
        given = _images.pair(y_true, y_pred, mask, data_format).widened()
        _images.check_size(given, 2, "differences")
        # Rotated by 180 degrees, so that the neighbours above and to the left are the next ones.
        given = _rotated(given)
        losses = _composed(given, direction == "atan", normalizer)
        if direction == "stable":
            losses += functional.gradient_loss(
                *given.images(),
                stencil="forward",
                border="valid",
                response="direction",
                mask=given.mask,
                normalizer="residuals" if normalizer == "image" else "batch",
                data_format=given.data_format,
            )
        return given.losses(losses)


def _composed(given: _images.Pair, with_angle: bool, normalizer: str) -> tf.Tensor:
    """The terms for which there is no fused op: those of the squared magnitude and of the angle."""

    def inner(values: tf.Tensor, row: slice = _FIRST, column: slice = _FIRST) -> tf.Tensor:
        """All rows and columns but the last, or with _NEXT all but the first."""
        return values[_images.along(given.data_format, row, column)]

    options: dict[str, Any] = dict(stencil="forward", border="valid", data_format=given.data_format)
    # The rotation changed the sign of the differences, which the 1e-10 of the angle depends on.
    true, predicted = (inner(-images.image_gradients(x, **options)) for x in given.hidden(0.0))
    terms = tf.abs(_squared_magnitude(predicted) - _squared_magnitude(true))
    if with_angle:
        terms += tf.abs(_angle(predicted) - _angle(true))
    valid = given.mask
    if valid is not None:
        valid = inner(valid) & inner(valid, row=_NEXT) & inner(valid, column=_NEXT)
    return _images.mean(terms, valid, normalizer)


def _rotated(given: _images.Pair) -> _images.Pair:
    axes = AXES[given.data_format][:2]
    true, predicted = (tf.reverse(x, axes) for x in given.images())
    mask = None if given.mask is None else tf.reverse(given.mask, axes)
    return given._replace(y_true=true, y_pred=predicted, mask=mask)


def _squared_magnitude(gradients: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(gradients), axis=-1)


def _angle(gradients: tf.Tensor) -> tf.Tensor:
    """atan(g_y / (g_x + 1e-10)) by atan2, because the quotient could overflow."""
    down, along = gradients[..., 0], gradients[..., 1] + _NOT_ZERO
    sign = tf.where(along < 0, -tf.ones([], along.dtype), tf.ones([], along.dtype))
    # atan2 has no derivative at (0, 0).
    is_zero = tf.equal(along, 0) & tf.equal(down, 0)
    return tf.atan2(sign * down, tf.where(is_zero, tf.ones([], along.dtype), sign * along))


class ZoeDepthGradL1Loss(PresetLoss):
    """loss_b = mean ||g(p)|^2 - |g(t)|^2| + mean |a(p) - a(t)|, a = atan(g_y / (g_x + 1e-10)).

    The Keras form of gradops.presets.zoedepth_grad_l1.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: direction, normalizer and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")])
      >>> loss = gradops.presets.ZoeDepthGradL1Loss(direction="stable", mask="finite")
      >>> model.compile("adam", loss=loss)

    Source: gradops.presets.zoedepth_grad_l1.
    """

    function = staticmethod(zoedepth_grad_l1)
