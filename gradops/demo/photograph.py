"""The photograph that the demo restores."""

from __future__ import annotations

import numpy as np
import skimage.data
import skimage.filters
import skimage.transform

_BLUR = 2.5  # Standard deviation in pixels.
_NOISE = 0.08  # Standard deviation; the image spans [0, 1].


def load_target(size: int) -> np.ndarray:
    """The astronaut of scikit-image's wheel, [size, size, 3], float32 in [0, 1]."""
    image = skimage.data.astronaut() / 255.0
    if image.shape[:2] != (size, size):
        image = skimage.transform.resize(image, (size, size), anti_aliasing=True)
    return image.astype(np.float32)


def degrade(target: np.ndarray, seed: int) -> np.ndarray:
    """The target, blurred and noisy, [H, W, C], float32 in [0, 1]."""
    noise = np.random.default_rng(seed).normal(scale=_NOISE, size=target.shape)
    blurred = skimage.filters.gaussian(target, sigma=_BLUR, channel_axis=-1)
    return np.clip(blurred + noise, 0.0, 1.0).astype(np.float32)


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, of what a display shows of the image."""
    error = np.mean(np.square(np.clip(image, 0.0, 1.0) - target, dtype=np.float64))
    return float("inf") if error == 0 else float(-10.0 * np.log10(error))
