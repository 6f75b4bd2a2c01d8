"""Trains a network that predicts depth and, for each pixel, a confidence that weighs its loss.

    python examples/learned_confidence.py --memory --picture confidence.png

With D = p - t and the confidence c the loss is c |D| - alpha log c (Kendall and Gal 2017, DUSt3R),
and c weighs the differences of D between neighbours at four scales too (VGGT). Targets have holes,
and are wrong where a surface is glossy, which c must learn. TensorFlow's ops find the loss of the
first steps too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import gradops
from gradops import _measure

BATCH, ALPHA = 4, 0.2
COMPARED = 20  # The first steps, in which TensorFlow's ops find the loss as well.
# The sum is divided by the number of valid pixels: divided by the sum of c, it would not pull at c.
OPTIONS = dict(normalizer="pixel_count", scales=4, scale_weights=[0.25] * 4)
OPTIONS |= dict(stencil="backward", border="valid", penalty="truncated", delta=2.0)


def scenes(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of depth with noise and of gloss; depths, NaN in holes and wrong on glossy boxes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    depth = np.stack([2 + a * x + b * y for a, b in rng.uniform(-1, 1, (count, 2))])
    gloss, holes = np.zeros((2, *depth.shape), bool)
    for scene, box in np.ndindex(count, 6):
        top, left = rng.integers(0, size - size // 4, 2)
        height, width = rng.integers(size // 6, size // 3, 2)
        here = scene, slice(top, top + height), slice(left, left + width)
        if box < 4:
            depth[here] -= rng.uniform(0.3, 1)
            gloss[here] = box >= 2
        else:
            holes[here] = True
    images = np.stack([depth + rng.normal(scale=0.05, size=depth.shape), gloss], axis=-1)
    wrong = np.where(gloss, rng.normal(scale=0.7, size=depth.shape), 0)
    depths = np.where(holes, np.nan, depth + wrong)[..., None]
    return images.astype(np.float32), depths.astype(np.float32)


def network() -> keras.Model:
    """Images -> depth, and confidence above 0."""
    images = x = keras.Input((None, None, 2))
    for _ in range(3):
        x = keras.layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    depth, logit = (keras.layers.Conv2D(1, 3, padding="same")(x) for _ in range(2))
    return keras.Model(images, [depth, keras.ops.exp(logit)])


def fused(t: tf.Tensor, p: tf.Tensor, c: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Both terms that c weighs, [B]: one pass, which finds the derivatives by p and c too."""
    return gradops.presets.pixel_and_gradient(t, p, weights=c, mask=valid, **OPTIONS)


def composed(t: tf.Tensor, p: tf.Tensor, c: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """The same of TensorFlow's ops."""
    pixels = mean_over(valid, c * tf.abs(p - tf.where(valid, t, p)))
    return pixels + gradops.composite.gradient_loss(t, p, weights=c, mask=valid, **OPTIONS)


LIBRARIES = {"gradops": fused, "TensorFlow": composed}


def mean_over(valid: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """The mean of each example over its valid pixels, [B]."""
    total = tf.reduce_sum(tf.where(valid, values, 0.0), axis=[1, 2, 3])
    return tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(valid, total.dtype), axis=[1, 2, 3]))


def loss(name: str, t: tf.Tensor, p: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
    """The mean over the batch. The logarithm keeps c from vanishing."""
    valid = tf.math.is_finite(t)
    losses = LIBRARIES[name](t, p, c, valid) - ALPHA * mean_over(valid, tf.math.log(c))
    return tf.reduce_mean(losses)


def slopes_of(name: str, predict: Callable, variables: list) -> Callable:
    """(images, depths) -> the loss of predict(images), and its gradients by variables."""

    @tf.function
    def slopes(images: tf.Tensor, depths: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            value = loss(name, depths, *predict(images))
        return value, tape.gradient(value, variables)

    return slopes


def train(steps: int, size: int) -> tuple[keras.Model, dict[str, list[float]], dict[str, float]]:
    """The network; the losses by library, found with the same weights; milliseconds of a step."""
    keras.utils.set_random_seed(5)
    images, depths = scenes(32, size)
    model, optimizer = network(), keras.optimizers.Adam(0.005)
    variables = model.trainable_variables
    slopes = {name: slopes_of(name, model, variables) for name in LIBRARIES}
    losses, times = ({name: [] for name in LIBRARIES} for _ in range(2))
    for step in range(steps):
        batch = np.arange(step * BATCH, (step + 1) * BATCH) % len(images)
        by_variables = {}
        for name in LIBRARIES if step < COMPARED else ["gradops"]:
            begin = time.perf_counter()
            value, by_variables[name] = slopes[name](images[batch], depths[batch])
            losses[name].append(float(value))
            times[name].append(1e3 * (time.perf_counter() - begin))
        optimizer.apply(by_variables["gradops"], variables)
    return model, losses, {name: np.median(each[1:COMPARED]) for name, each in times.items()}


def peak_mib(name: str, size: int) -> float:
    """Memory of the loss with its gradients by depth and confidence, beyond these."""
    images, depths = map(tf.constant, scenes(BATCH, size))
    predicted = [tf.Variable(1 + tf.random.uniform(depths.shape)) for _ in range(2)]
    slopes = slopes_of(name, lambda _: predicted, predicted)
    slopes(images, depths)  # traces
    with _measure.peak_extra_memory() as memory:
        slopes(images, depths)
    return (memory.extra_bytes or 0) / 2**20


def peak_in_a_process(name: str, size: int) -> float:
    """The same in a process of its own, so that memory which is kept for later hides nothing."""
    command = [sys.executable, __file__, "--size", str(size), "--peak-of", name]
    environment = {**os.environ, **_measure.EXACT_PEAKS}
    return float(subprocess.check_output(command, env=environment, text=True).split()[-1])


def draw(model: keras.Model, size: int, path: str) -> None:
    """A scene: the image, the target with its holes in blue, and what the network says of it."""
    images, depths = (part[:1] for part in scenes(32, size))
    depth, confidence = (np.asarray(x)[0, ..., 0] for x in model(images))
    target, (near, far) = depths[0, ..., 0], np.nanpercentile(depths, [5, 95])
    maps = [(x - near) / (far - near) for x in (images[0, ..., 0], target, depth)]
    least, most = np.percentile(confidence, [5, 95])
    maps.append(np.log(confidence / least) / np.log(most / least))
    panels = np.stack(maps).clip(0, 1)
    colours = np.where(np.isnan(panels)[..., None], (0.2, 0.4, 1), panels[..., None])
    framed = np.pad(colours, ((0, 0), (4, 4), (4, 4), (0, 0)), constant_values=1)
    pixels = tf.cast(255 * np.concatenate(framed, axis=1), tf.uint8)
    tf.io.write_file(path, tf.io.encode_png(pixels))


def main(argv: list[str] | None = None) -> dict[str, list[float]]:
    """Prints losses, times and, if asked to, memory; returns the losses by library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--size", type=int, default=128, help="height and width, at least 32")
    parser.add_argument("--picture", help="PNG file: image, target, depth, confidence")
    parser.add_argument("--memory", action="store_true", help="measure it, in other processes")
    parser.add_argument("--peak-of", choices=LIBRARIES, help="only print the memory of its loss")
    options = parser.parse_args(argv)
    if options.peak_of:
        print(peak_mib(options.peak_of, options.size))
        return {}
    model, losses, times = train(options.steps, options.size)
    ours, theirs = losses.values()
    print(f"loss {ours[0]:.3f} -> {ours[-1]:.3f} after {len(ours)} steps")
    differences = np.abs(np.subtract(ours[: len(theirs)], theirs))
    print(f"in {len(theirs)} steps TensorFlow's differ by {differences.max():.0e} at most")
    for name, milliseconds in times.items():
        print(f"{name}: {milliseconds:.1f} ms for a loss and the network's gradients")
        if options.memory:
            mib = peak_in_a_process(name, options.size)
            print(f"{name}: {mib:.1f} MiB for a loss and its gradients by depth and confidence")
    if options.picture:
        draw(model, options.size, options.picture)
    return losses


if __name__ == "__main__":
    main()
