"""Trains a small super-resolution network with pixels and Sobel gradients, in one fused pass.

python examples/train_super_resolution.py
"""

from __future__ import annotations

import argparse

import keras
import tensorflow as tf

import gradops

UPSCALING = 2


def pictures(count: int, size: int) -> tf.Tensor:
    """Rectangles of one colour each, [count, size, size, 3], in [0, 1]: all edges."""
    numbers = tf.random.stateless_uniform([count, 5, 7], seed=[6, 1])
    at = tf.linspace(0.0, 1.0, size)
    image = tf.zeros([count, size, size, 3])
    for top, left, height, width, *colour in tf.unstack(tf.transpose(numbers, [1, 2, 0])):
        rows = tf.abs(at - top[:, None]) < 0.4 * height[:, None]
        columns = tf.abs(at - left[:, None]) < 0.4 * width[:, None]
        inside = (rows[:, :, None] & columns[:, None, :])[..., None]
        image = tf.where(inside, tf.stack(colour, axis=-1)[:, None, None], image)
    return image


@keras.saving.register_keras_serializable(package="examples")
class PixelShuffle(keras.layers.Layer):
    """[B, H, W, C * UPSCALING^2] -> [B, UPSCALING * H, UPSCALING * W, C]."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Channels become pixels."""
        return tf.nn.depth_to_space(x, UPSCALING)


def network() -> keras.Model:
    """ESPCN (Shi et al. 2016): all convolutions see the small image."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(32, 5, padding="same", activation="tanh"),
            keras.layers.Conv2D(16, 3, padding="same", activation="tanh"),
            keras.layers.Conv2D(3 * UPSCALING**2, 3, padding="same"),
            PixelShuffle(),
        ]
    )


def train(epochs: int, size: int) -> list[float]:
    """The loss of each epoch."""
    keras.utils.set_random_seed(4)
    large = pictures(64, size)
    small = tf.nn.avg_pool2d(large, UPSCALING, UPSCALING, "VALID")
    model = network()
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        # mean(|p - t|) + 0.1 * mean(|sobel(p) - sobel(t)|)
        loss=gradops.presets.PixelGradientLoss(gradient_weight=0.1),
        metrics=[gradops.presets.GMSDMetric()],
        # Keras would choose XLA, which is slower at convolutions on a CPU.
        jit_compile=False,
    )
    history = model.fit(small, large, batch_size=8, epochs=epochs, verbose=0).history
    gmsd = history["gmsd"]
    print(f"GMSD {gmsd[0]:.4f} -> {gmsd[-1]:.4f}")
    return history["loss"]


def main(argv: list[str] | None = None) -> list[float]:
    """Prints the first and the last loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--size", type=int, default=96, help="height and width of the large images")
    options = parser.parse_args(argv)
    losses = train(options.epochs, options.size)
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f} after {len(losses)} epochs")
    return losses


if __name__ == "__main__":
    main()
