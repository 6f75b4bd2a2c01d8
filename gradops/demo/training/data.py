"""Patches to train on, and photographs that no network has seen."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from gradops.demo import photographs
from gradops.demo.training.model import UPSCALING

_TRAINING = ("chelsea", "rocket", "coffee", "hubble_deep_field", "immunohistochemistry", "retina")
TEST = ("astronaut",)
_AT_ONCE = 20


def patches(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(small [N, size / UPSCALING, ..., 3], large [N, size, size, 3]), uint8."""
    rng = np.random.default_rng(seed)
    images = [photographs.shipped(name) for name in _TRAINING]
    large = []
    for number in range(count):
        image = images[number % len(images)]
        top, left = (rng.integers(0, side - size + 1) for side in image.shape[:2])
        patch = image[top : top + size, left : left + size]
        large.append(patch[:, ::-1] if rng.random() < 0.5 else patch)
    stacked = np.stack(large)
    parts = [reduced(stacked[i : i + _AT_ONCE]) for i in range(0, count, _AT_ONCE)]
    return np.concatenate(parts), stacked


def largest_patch() -> int:
    """That all photographs have room for."""
    return min(min(photographs.shipped(name).shape[:2]) for name in _TRAINING)


def test_pair(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(small, large) of one photograph, [1, H, W, 3], float32 in [0, 1]."""
    image = photographs.shipped(name)
    height, width = (side // UPSCALING * UPSCALING for side in image.shape[:2])
    large = image[np.newaxis, :height, :width]
    return as_floats(reduced(large)).numpy(), as_floats(large).numpy()


def reduced(images: np.ndarray) -> np.ndarray:
    """Photographs as a camera with fewer pixels would have taken them, uint8."""
    shape = [side // UPSCALING for side in images.shape[1:3]]
    small = tf.image.resize(images, shape, method="bicubic", antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(small, 0, 255)), tf.uint8).numpy()


def as_floats(images: tf.Tensor) -> tf.Tensor:
    """uint8 to [0, 1]."""
    return tf.cast(images, tf.float32) / 255


def dataset(small: np.ndarray, large: np.ndarray, batch: int, seed: int) -> tf.data.Dataset:
    """Batches of (small, large) for ever, in an order that the seed decides."""
    return (
        tf.data.Dataset.from_tensor_slices((small, large))
        .repeat()
        .shuffle(len(large), seed=seed)
        .batch(batch)
        .map(lambda small, large: (as_floats(small), as_floats(large)))
        .prefetch(2)
    )
