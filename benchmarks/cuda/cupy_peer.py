"""The default loss and its gradient with slices of CuPy's arrays, the gradient by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks import slices
from benchmarks.cuda.buffers import Buffers
from benchmarks.modes import Call, Result

NAME = "cupy slices"


def cupy_slices(buffers: Buffers) -> Call:
    """One array operation after another.

    Raises:
        ValueError: Of bfloat16 images, which CuPy does not have.
    """
    if buffers.problem.dtype == "bfloat16":
        raise ValueError("CuPy has no arrays of bfloat16")
    cupy, residuals = buffers.device.cupy, 2 * math.prod(buffers.problem.shape[1:])
    factors = buffers.upstream.reshape(-1, 1, 1, 1) / np.float32(residuals)

    def call() -> Result:
        t, p, _ = buffers.sets[buffers.turn()]
        d = p.astype("float32") - t.astype("float32")
        gy, gx = slices.sobel(d, cupy.concatenate)
        losses = slices.sum_of_example(abs(gy)) + slices.sum_of_example(abs(gx))
        losses /= np.float32(residuals)
        gradient = _adjoint(cupy, cupy.sign(gx), axis=2, other=1)
        gradient += _adjoint(cupy, cupy.sign(gy), axis=1, other=2)
        gradient *= factors
        return losses, gradient.astype(p.dtype)

    return call


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
