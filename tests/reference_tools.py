"""Definitions typed independently of the NumPy reference, and images, for its tests."""

import itertools

import numpy as np

PENALTIES = ["l1", "l2"]
SHAPES = [(2, 2), (2, 5), (3, 2), (2, 3), (3, 3), (4, 5), (7, 11)]
SLOPES = {"l1": np.sign, "l2": lambda r: 2.0 * r}

KERNEL_Y = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
KERNEL_X = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def reflected(index, size):
    return {-1: 1, size: size - 2}.get(index, index)


def supports(height, width):
    """{(i, j, k): {(row, column): weight}}: the non-zero taps of every component, brute force."""
    result = {}
    for i, j, (k, kernel) in itertools.product(
        range(height), range(width), enumerate((KERNEL_Y, KERNEL_X))
    ):
        taps = {}
        for di, dj in itertools.product(range(3), range(3)):
            pixel = reflected(i + di - 1, height), reflected(j + dj - 1, width)
            taps[pixel] = taps.get(pixel, 0) + kernel[di][dj]
        result[i, j, k] = {pixel: weight for pixel, weight in taps.items() if weight}
    return result


def brute_gradients(images):
    result = np.zeros((*images.shape, 2))
    for (i, j, k), taps in supports(*images.shape[1:3]).items():
        for (row, column), weight in taps.items():
            result[:, i, j, :, k] += weight * images[:, row, column]
    return result


def brute_adjoint(upstream):
    result = np.zeros(upstream.shape[:-1])
    for (i, j, k), taps in supports(*upstream.shape[1:3]).items():
        for (row, column), weight in taps.items():
            result[:, row, column] += weight * upstream[:, i, j, :, k]
    return result


def pair(seed, *shape):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.normal(size=shape)
