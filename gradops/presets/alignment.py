"""The scale and the shift that bring predictions closest to their targets."""

from __future__ import annotations

import tensorflow as tf

from gradops._inputs.convert import MaskLike, TensorLike
from gradops.presets import _images

#: Predictions whose standard deviation is below this fraction of their root mean square are
#: constant. It is above the rounding errors of float64, and below one float32 step of one pixel.
_CONSTANT = 1e-12


def align_scale_and_shift(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    mask: MaskLike | None = None,
    stop_gradient: bool = False,
    data_format: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """(scale y_pred + shift, scale, shift) with the least sum of (scale y_pred + shift - y_true)^2.

    The sum is over the valid pixels and channels of each example. Each example has its own scale
    and shift: cov(y_pred, y_true) / var(y_pred) and mean(y_true) - scale mean(y_pred).

    Args:
      y_true: Targets [B, H, W, C] (channels_first: [B, C, H, W]).
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others do
        not count and may be NaN.
      stop_gradient: Whether gradients treat scale and shift as constants. By default they are
        functions of both images, as in MiDaS.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      The aligned predictions, with the shape of y_pred, also of invalid pixels; scale and shift,
      both [B]. float64 for float64 images, else float32; the sums are always float64. Constant
      predictions have scale 0 and shift mean(y_true), which also has the least sum; examples
      without valid pixels have scale 0 and shift 0. (MiDaS sets both to 0 if the determinant is
      exactly 0.)

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> target = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
      >>> _, scale, shift = gradops.presets.align_scale_and_shift(target, 2 * target + 3)
      >>> scale.numpy(), shift.numpy()
      (array([0.5], dtype=float32), array([-1.5], dtype=float32))

    Source: Ranftl et al., Towards Robust Monocular Depth Estimation, TPAMI 2022; solved
    with centred sums: the determinant of the normal equations cancels where depths vary little.
    """
    _images.check_flag("stop_gradient", stop_gradient)
    with tf.name_scope("align_scale_and_shift"):
        given = _images.pair(y_true, y_pred, mask, data_format)
        return tuple(given.losses(found) for found in aligned(given, stop_gradient))


def aligned(
    given: _images.Pair, stop_gradient: bool = False
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """align_scale_and_shift for checked images, in the dtype of losses."""
    given = given.widened()
    dtype = given.y_pred.dtype
    true, predicted = (tf.cast(x, tf.float64) for x in given.images())
    scale, shift = _solve(given._replace(y_true=true, y_pred=predicted))
    if stop_gradient:
        scale, shift = tf.stop_gradient(scale), tf.stop_gradient(shift)
    scale, shift = tf.cast(scale, dtype), tf.cast(shift, dtype)
    by_pixel = [tf.reshape(x, [-1, 1, 1, 1]) for x in (scale, shift)]
    if given.mask is None:
        return by_pixel[0] * given.y_pred + by_pixel[1], scale, shift
    # Values that are not finite would make the gradient by the scale NaN, even of unused pixels.
    usable = given.mask | tf.math.is_finite(given.y_pred)
    finite = tf.where(usable, given.y_pred, tf.zeros([], dtype))
    return tf.where(usable, by_pixel[0] * finite + by_pixel[1], given.y_pred), scale, shift


def _solve(images: _images.Pair) -> tuple[tf.Tensor, tf.Tensor]:
    true, predicted = images.hidden(0.0)
    weights = images.counted()
    counts = _images.total(weights)
    mean_true = tf.math.divide_no_nan(_images.total(true), counts)
    mean_predicted = tf.math.divide_no_nan(_images.total(predicted), counts)
    from_true = weights * (true - tf.reshape(mean_true, [-1, 1, 1, 1]))
    from_predicted = weights * (predicted - tf.reshape(mean_predicted, [-1, 1, 1, 1]))
    variance = _images.total(tf.square(from_predicted))
    is_constant = variance <= _CONSTANT**2 * _images.total(tf.square(predicted))
    divisor = tf.where(is_constant, tf.ones_like(variance), variance)
    scale = _images.total(from_predicted * from_true) / divisor
    scale = tf.where(is_constant, tf.zeros_like(scale), scale)
    return scale, mean_true - scale * mean_predicted
