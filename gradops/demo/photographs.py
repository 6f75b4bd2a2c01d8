"""Photographs, the user's or one from scikit-image, and how they are degraded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.color
import skimage.data
import skimage.filters
import skimage.io
import skimage.transform

#: The smallest height and width of a photograph.
MIN_SIZE = 16
_BLUR = 2.5  # Standard deviation in pixels.
_NOISE = 0.08  # Standard deviation; the image spans [0, 1].


def load_target(path: Path | None, size: int) -> np.ndarray:
    """A photograph whose longer side is at most `size`, [H, W, 3], float32 in [0, 1].

    Without a path, it is the astronaut in scikit-image's wheel.

    Raises:
        ValueError: There is no such image, or it is too small.
    """
    image = _as_rgb(skimage.data.astronaut() if path is None else _read(path))
    factor = size / max(image.shape[:2])
    if factor < 1:
        shape = [max(1, round(factor * side)) for side in image.shape[:2]]
        image = skimage.transform.resize(image, shape, anti_aliasing=True)
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIZE:
        raise ValueError(
            f"a photograph of at least {MIN_SIZE} x {MIN_SIZE} pixels is needed, got "
            f"{height} x {width} (height x width, the longer side {size} at most)"
        )
    return image.astype(np.float32)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise ValueError(f"no file {path}")
    try:
        return skimage.io.imread(path)
    except Exception as error:  # whatever its plugins raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} cannot be read as an image: {reason}") from error


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """[H, W, 3] in [0, 1] of whatever an image file holds."""
    if image.ndim == 2:
        image = skimage.color.gray2rgb(image)
    if image.ndim == 3 and image.shape[2] == 4:
        image = skimage.color.rgba2rgb(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"one image with 1, 3 or 4 channels is needed, got shape {image.shape}")
    return skimage.util.img_as_float(image)


def degrade(target: np.ndarray, seed: int) -> np.ndarray:
    """The target, blurred and noisy, [H, W, C], float32 in [0, 1]."""
    noise = np.random.default_rng(seed).normal(scale=_NOISE, size=target.shape)
    blurred = skimage.filters.gaussian(target, sigma=_BLUR, channel_axis=-1)
    return np.clip(blurred + noise, 0.0, 1.0).astype(np.float32)


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, with the image clipped as on a display."""
    error = np.mean(np.square(np.clip(image, 0.0, 1.0) - target, dtype=np.float64))
    return float("inf") if error == 0 else float(-10.0 * np.log10(error))
