"""Restores an image by descending a loss of its pixels, and maps where gradients still differ.

python examples/optimize_image.py
"""

from __future__ import annotations

import argparse

import keras
import tensorflow as tf

import gradops


def picture(size: int) -> tf.Tensor:
    """Rings, [1, size, size, 3], in [0, 1]."""
    x = tf.linspace(-1.0, 1.0, size)
    radius = tf.sqrt(x[:, None] ** 2 + x[None, :] ** 2)
    return tf.stack([0.5 + 0.5 * tf.sin(k * radius) for k in (10.0, 14.0, 18.0)], axis=-1)[None]


def restore(steps: int, size: int) -> dict[str, float]:
    """How far the start and the result are from the target, by gradients."""
    target = picture(size)
    noise = tf.random.stateless_normal(target.shape, seed=[4, 2], stddev=0.2)
    start = tf.clip_by_value(target + noise, 0, 1)
    edges = gradops.SobelLoss("charbonnier", scales=2)

    def loss(image: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(image - target)) + 0.1 * edges(target, image)

    result = gradops.optimize_image(
        start, loss, optimizer=keras.optimizers.Adam(0.02), steps=steps, value_range=(0, 1)
    )
    heat = {"start": start, "result": result.image}
    return {name: float(tf.reduce_max(gradops.residual_map(target, x))) for name, x in heat.items()}


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Prints the hottest pixel of both residual maps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--size", type=int, default=256, help="height and width")
    options = parser.parse_args(argv)
    heat = restore(options.steps, options.size)
    print(f"largest gradient residual: {heat['start']:.3f} -> {heat['result']:.3f}")
    return heat


if __name__ == "__main__":
    main()
