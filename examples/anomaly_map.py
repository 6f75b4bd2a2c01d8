"""Finds what does not belong into an image: where gradients differ from a normal image's.

Normal images are combinations of a few. optimize_image finds the combination that is nearest to an
image, by a penalty that a small defect hardly pulls at; residual_map shows where it fails.

python examples/anomaly_map.py
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
import tensorflow as tf

import gradops

NORMALS = 8


def normal_images(count: int, size: int) -> np.ndarray:
    """Waves of the same lengths and different strengths, [count, size, size, 1]."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(2 * np.pi * (k * x + (5 - k) * y) + k) for k in range(1, 5)]
    images = np.tensordot(rng.uniform(0.05, 0.25, (count, len(waves))), waves, axes=1)
    return (0.5 + images[..., None]).astype(np.float32)


def with_defect(image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The image with a scratch, and where it is."""
    where = np.zeros(image.shape, bool)
    where[size // 2 : size // 2 + 2, size // 4 : size // 2] = True
    return np.where(where, image + np.float32(0.4), image), where


def find(steps: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The heat map [H, W] of an image with a scratch, and where the scratch is."""
    normals = normal_images(NORMALS + 1, size)
    known, unseen = tf.constant(normals[:-1]), normals[-1]
    image, defect = with_defect(unseen, size)
    options = dict(stencil="scharr", scale="unit")
    robust = gradops.GradientLoss(penalty="charbonnier", epsilon=0.01, **options)

    def reconstructed(strengths: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(strengths, known, axes=1)[None]

    def loss(strengths: tf.Tensor) -> tf.Tensor:
        pixels = tf.reduce_mean(tf.abs(reconstructed(strengths) - image[None]))
        return pixels + robust(image[None], reconstructed(strengths))

    start = tf.fill([NORMALS], 1 / NORMALS)
    found = gradops.optimize_image(start, loss, optimizer=keras.optimizers.Adam(0.05), steps=steps)
    heat = gradops.residual_map(image[None], reconstructed(found.image), **options)
    return heat[0].numpy(), defect[..., 0]


def main(argv: list[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Prints how hot the scratch is, beside everything else."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--size", type=int, default=128, help="height and width")
    parser.add_argument("--output", help="PNG file of the heat map")
    options = parser.parse_args(argv)
    heat, defect = find(options.steps, options.size)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    print(
        f"the scratch is {heat[defect].mean() / heat[~defect].mean():.0f} times as hot as the rest;"
    )
    print(f"the hottest pixel is in row {row}, column {column}")
    if options.output:
        keras.utils.save_img(options.output, heat[..., None])
    return heat, defect


if __name__ == "__main__":
    main()
