"""The default loss and its gradient with slices of CuPy's arrays, the gradient by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks import modes, slices
from benchmarks.gpu.problems import Buffers
from benchmarks.gpu.providers import Provider, Result

NAME = "cupy slices"


def cupy_slices(buffers: Buffers) -> list[Provider]:
    """One array operation after another.

    Raises:
        ValueError: Of bfloat16 images, which CuPy does not have.
    """
    if buffers.dtype == "bfloat16":
        raise ValueError("CuPy has no arrays of bfloat16")
    device, sets = buffers.device, buffers.sets
    cupy = device.cupy
    residuals = 2 * math.prod(buffers.shape[1:])
    factors = buffers.upstream.reshape(-1, 1, 1, 1) / np.float32(residuals)

    def call(n: int) -> Result:
        t, p = sets[n % len(sets)][:2]
        d = p.astype("float32") - t.astype("float32")
        gy, gx = slices.sobel(d, cupy.concatenate)
        axes = (1, 2, 3)
        losses = (cupy.abs(gy).sum(axes) + cupy.abs(gx).sum(axes)) / np.float32(residuals)
        gradient = _adjoint(cupy, cupy.sign(gx), axis=2, other=1)
        gradient += _adjoint(cupy, cupy.sign(gy), axis=1, other=2)
        gradient *= factors
        return losses, gradient.astype(p.dtype)

    def read(array: Any) -> np.ndarray:
        return device.get(array).astype("float32")

    return [Provider(NAME, modes.LOSS_AND_GRADIENT, call, read, device.cupy_peak)]


def _adjoint(cupy: Any, signs: Any, axis: int, other: int) -> Any:
    """The transpose of what `slices.sobel` does: the derivative along `axis`, smoothing `other`."""
    shape = list(signs.shape)
    shape[axis] += 2
    derivative = cupy.zeros(shape, signs.dtype)
    part = _along(derivative, axis, 2, None)
    part += signs
    part = _along(derivative, axis, 0, -2)
    part -= signs
    smooth = 2 * derivative
    for to, of in (
        ((1, None), (0, -1)),
        ((0, -1), (1, None)),
        ((1, 2), (0, 1)),  # The mirrored pixels.
        ((-2, -1), (-1, None)),
    ):
        part = _along(smooth, other, *to)
        part += _along(derivative, other, *of)
    return smooth


def _along(array: Any, axis: int, start: int, stop: int | None) -> Any:
    """A slice of one axis."""
    return array[(slice(None),) * axis + (slice(start, stop),)]
