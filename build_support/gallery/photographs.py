"""The photograph of the gallery, and what is made of it: NASA's portrait of Eileen Collins."""

from __future__ import annotations

import numpy as np
import skimage.data
import skimage.filters

_SEED = 7


def portrait() -> np.ndarray:
    """The head of the astronaut, [200, 200, 3], float32 in [0, 1]."""
    return (skimage.data.astronaut()[5:205, 125:325] / 255).astype(np.float32)


def grey(image: np.ndarray) -> np.ndarray:
    """Its luma, [H, W, 1], with the weights of ITU-R BT.601."""
    return (image @ np.float32([[0.299], [0.587], [0.114]])).astype(np.float32)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """The image [H, W, C] under a Gaussian of `sigma` pixels."""
    return skimage.filters.gaussian(image, sigma=sigma, channel_axis=-1).astype(np.float32)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    """The image with Gaussian noise of that standard deviation, the same in every run."""
    noise = np.random.default_rng(_SEED).normal(scale=sigma, size=image.shape)
    return (image + noise).astype(np.float32)
