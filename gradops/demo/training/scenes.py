"""Depth maps of overlapping tilted planes, and measures of how well they are restored."""

from __future__ import annotations

import dataclasses

import numpy as np
import skimage.filters

import gradops

_BLUR = 2.0  # standard deviation in pixels
_NOISE = 0.05  # standard deviation in metres
_NEAREST, _FARTHEST = 1.0, 5.0  # metres
#: A depth in the middle of the range.
MIDDLE = 4.0
_HOLE = 4  # pixels
_HOLES = 0.15  # of the area
#: Metres of Sobel magnitude from which a pixel is on an edge: the first of Hu et al. 2019.
EDGE = 0.25


@dataclasses.dataclass
class Scenes:
    """Depth maps in metres, [N, size, size, 1], float32."""

    measured: np.ndarray  # what the network sees: blurred and noisy
    targets: np.ndarray  # what it is trained with: NaN in holes
    depths: np.ndarray  # the truth


def make(count: int, seed: int, size: int) -> Scenes:
    """Draws `count` scenes."""
    rng = np.random.default_rng(seed)
    depths = np.stack([_depth(size, rng) for _ in range(count)])[..., np.newaxis]
    blurred = skimage.filters.gaussian(depths, sigma=(0, _BLUR, _BLUR, 0), mode="nearest")
    measured = blurred + rng.normal(scale=_NOISE, size=depths.shape)
    coarse = -(-size // _HOLE)
    holes = rng.random((count, coarse, coarse, 1)) < _HOLES
    holes = holes.repeat(_HOLE, axis=1).repeat(_HOLE, axis=2)[:, :size, :size]
    targets = np.where(holes, np.nan, depths)
    return Scenes(*(maps.astype(np.float32) for maps in (measured, targets, depths)))


def _depth(size: int, rng: np.random.Generator) -> np.ndarray:
    """A wall with boxes and ellipses in front of it, all of them tilted planes: [size, size]."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    a, b = rng.uniform(-1, 1, 2)
    depth = _FARTHEST + a * x + b * y
    for distance in sorted(
        rng.uniform(_NEAREST, 0.85 * _FARTHEST, rng.integers(4, 8)), reverse=True
    ):
        top, left = rng.uniform(-0.5, 0.5, 2)
        angle = rng.uniform(0, np.pi)
        u = (x - left) * np.cos(angle) + (y - top) * np.sin(angle)
        v = (y - top) * np.cos(angle) - (x - left) * np.sin(angle)
        u, v = u / rng.uniform(0.08, 0.28), v / rng.uniform(0.08, 0.28)
        is_box = rng.random() < 0.6
        inside = np.maximum(np.abs(u), np.abs(v)) < 1 if is_box else u**2 + v**2 < 1
        a, b = rng.uniform(-0.5, 0.5, 2)
        depth = np.where(inside, distance + a * x + b * y, depth)
    return depth


def magnitudes(depths: np.ndarray) -> np.ndarray:
    """Sobel magnitudes in metres, [N, H, W, 1]."""
    return np.asarray(gradops.gradient_magnitude(depths))


def quality(restored: np.ndarray, depths: np.ndarray) -> dict[str, float]:
    """Measures of how close restored depths are to the truth, over all pixels.

    Returns:
        "f_score": of the pixels on edges, as Hu et al. 2019 find them: the harmonic mean of
        precision and recall. "gradient_error": the mean difference of the Sobel magnitudes in
        metres. "rmse": of the depths, in metres.
    """
    found, wanted = magnitudes(restored), magnitudes(depths)
    hits = np.sum((found > EDGE) & (wanted > EDGE))
    return {
        "f_score": float(2 * hits / (np.sum(found > EDGE) + np.sum(wanted > EDGE))),
        "gradient_error": float(np.mean(np.abs(found - wanted))),
        "rmse": float(np.sqrt(np.mean(np.square(restored - depths)))),
    }
