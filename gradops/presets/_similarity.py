"""The similarity of gradient magnitudes, for GMSD and MS-GMSD."""

from __future__ import annotations

import warnings

import tensorflow as tf

from gradops._inputs.tensors import loss_dtype
from gradops.images import gradient_magnitude
from gradops.presets import _images
from gradops.presets._luma import BT601, lumas_of

#: T of both papers, for squared magnitudes of images whose values reach 255.
_CONSTANT = 170.0
#: Values that span more than this times the declared range are taken for a mistake.
_MAX_RANGES = 2


def scaled_lumas(pair: _images.Pair, value_range: float) -> list[tf.Tensor]:
    """The lumas of both images, [B, H, W, 1], scaled to values from 0 to 1."""
    _check_range(pair, value_range)
    lumas = lumas_of(pair.widened(), BT601)
    return lumas if value_range == 1 else [x / value_range for x in lumas]


def _check_range(pair: _images.Pair, value_range: float) -> None:
    """Warns in eager mode if values cannot have that range."""
    if not tf.executing_eagerly():
        return
    for argument, images in zip(("y_true", "y_pred"), pair.images(), strict=True):
        images = tf.cast(images, loss_dtype(images.dtype))
        found = float(tf.reduce_max(images) - tf.reduce_min(images)) if tf.size(images) else 0.0
        if found > _MAX_RANGES * value_range:
            warnings.warn(
                f"value_range must be the largest value of the images less the smallest, such as 1 "
                f"or 255, got {value_range:g} for a {argument} whose values span {found:g}",
                RuntimeWarning,
                stacklevel=4,
            )


def halved(lumas: tf.Tensor) -> tf.Tensor:
    """Means of 2 x 2 pixels. The last row or column of an odd size is paired with zeros."""
    if any(size is None or size % 2 for size in lumas.shape[1:3]):
        height, width = (tf.shape(lumas)[axis] % 2 for axis in (1, 2))
        lumas = tf.pad(lumas, [[0, 0], [0, height], [0, width], [0, 0]])
    return tf.nn.avg_pool2d(lumas, 2, 2, "VALID")


def variance(lumas: list[tf.Tensor], masking: float) -> tf.Tensor:
    """The variance over pixels of the similarity S of both gradient magnitudes, [B].

    It is found as that of 1 - S = (m - n)^2 / (m^2 + n^2 - a m n + T), which is exact for equal
    images and keeps its digits for images that hardly differ.
    """
    m, n = (
        gradient_magnitude(x, stencil="prewitt", border="zero", data_format="channels_last")
        for x in lumas
    )
    # The taps are not divided by 3, so the constant is 9 times as large.
    constant = 9 * _CONSTANT / 255**2
    # m^2 + n^2 - a m n, written so that nothing cancels for a near 2.
    squares = tf.square(m - n)
    difference = squares / (squares + (2 - masking) * m * n + constant)
    return tf.math.reduce_variance(difference, axis=[1, 2, 3])
