"""Trains a depth network on ground truth with holes: NaN where the sensor saw nothing.

    python examples/depth_masks.py

`mask="finite"` leaves out every residual that stands on a hole: no false edges at its rim, no NaN.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
import tensorflow as tf

import gradops


def scenes(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of tilted planes with a box in front, and their depths, a tenth of them missing."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    depth = np.stack([2 + a * x + b * y for a, b in rng.uniform(-1, 1, (count, 2))])
    for scene, (top, left) in zip(depth, rng.integers(0, size // 2, (count, 2)), strict=True):
        scene[top : top + size // 3, left : left + size // 3] -= 1
    images = (depth + rng.normal(scale=0.05, size=depth.shape))[..., None]
    depth = np.where(rng.random(depth.shape) < 0.1, np.nan, depth)[..., None]
    return images.astype(np.float32), depth.astype(np.float32)


def pixel_loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Mean absolute error where there is a depth; holes are filled before anything is computed."""
    valid = tf.math.is_finite(y_true)
    error = tf.abs(tf.where(valid, y_true, y_pred) - y_pred)
    return tf.reduce_sum(error) / tf.reduce_sum(tf.cast(valid, error.dtype))


def train(epochs: int, size: int) -> list[float]:
    """The loss of each epoch."""
    keras.utils.set_random_seed(1)
    edges = gradops.GradientLoss(
        stencil="forward", border="valid", scales=3, mask="finite", weight=0.5
    )
    model = keras.Sequential(
        [
            keras.Input((size, size, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(1, 3, padding="same"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss=lambda t, p: pixel_loss(t, p) + edges(t, p))
    return model.fit(*scenes(16, size), batch_size=8, epochs=epochs, verbose=0).history["loss"]


def main(argv: list[str] | None = None) -> list[float]:
    """Prints the first and the last loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=96, help="height and width")
    options = parser.parse_args(argv)
    losses = train(options.epochs, options.size)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} after {len(losses)} epochs")
    return losses


if __name__ == "__main__":
    main()
