"""A training loop of one's own: a tf.function with a GradientTape, and weights of the pixels.

python examples/custom_training_loop.py
"""

from __future__ import annotations

import argparse

import keras
import tensorflow as tf

import gradops


def train(steps: int, size: int) -> list[float]:
    """The loss of each step of learning to blur."""
    keras.utils.set_random_seed(2)
    x = tf.random.uniform([4, size, size, 3])
    y = tf.nn.avg_pool2d(x, 3, 1, "SAME")
    # Twice the weight in the middle half of each image.
    rows = tf.abs(tf.linspace(-1.0, 1.0, size)) < 0.5
    weights = tf.cast(rows[:, None] & rows[None, :], tf.float32) + 1.0
    weights = tf.broadcast_to(weights[None, :, :, None], [4, size, size, 1])
    model = keras.Sequential(
        [keras.Input((size, size, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            prediction = model(x, training=True)
            pixels = tf.reduce_mean(tf.square(prediction - y))
            edges = tf.reduce_mean(gradops.gradient_loss(y, prediction, weights=weights))
            loss = pixels + 0.1 * edges
        slopes = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        return loss

    return [float(step()) for _ in range(steps)]


def main(argv: list[str] | None = None) -> list[float]:
    """Prints the first and the last loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=128, help="height and width")
    options = parser.parse_args(argv)
    losses = train(options.steps, options.size)
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f} after {len(losses)} steps")
    return losses


if __name__ == "__main__":
    main()
