"""A small super-resolution network, in the manner of ESPCN.

Source: Shi et al. 2016, Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network: all convolutions see the small image, and the last one's
channels become pixels. Here they are added to what bicubic interpolation gives.
"""

from __future__ import annotations

import keras
import tensorflow as tf

UPSCALING = 3
_FILTERS = 32


def bicubic(small: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] UPSCALING times as high and wide."""
    height, width = tf.shape(small)[1], tf.shape(small)[2]
    return tf.image.resize(small, [UPSCALING * height, UPSCALING * width], method="bicubic")


@keras.saving.register_keras_serializable(package="gradops.demo")
class SubPixels(keras.layers.Layer):
    """Channels as pixels, added to the interpolated image."""

    def call(self, detail: tf.Tensor, small: tf.Tensor) -> tf.Tensor:
        """Of detail [B, H, W, 3 * UPSCALING^2] and small [B, H, W, 3]."""
        return tf.nn.depth_to_space(detail, UPSCALING) + bicubic(small)

    def compute_output_shape(self, detail_shape, small_shape):
        """UPSCALING times as high and wide as small."""
        sides = [None if side is None else UPSCALING * side for side in small_shape[1:3]]
        return (small_shape[0], *sides, small_shape[3])


def build() -> keras.Model:
    """Images [B, H, W, 3] in [0, 1] -> images of UPSCALING times the height and width."""
    small = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(_FILTERS, 5, padding="same", activation="tanh")(small)
    x = keras.layers.Conv2D(_FILTERS, 3, padding="same", activation="tanh")(x)
    # Begins as the interpolation alone.
    detail = keras.layers.Conv2D(
        3 * UPSCALING**2,
        3,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
    )(x)
    return keras.Model(small, SubPixels()(detail, small))
