"""The images that are timed: shapes, dtypes, and buffers of the device that rotate."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from benchmarks import modes
from benchmarks.gpu.device import Device
from benchmarks.problems import Problem, Shape, make_problem

SHAPES: tuple[Shape, ...] = (
    (64, 512, 512, 3),
    (16, 1024, 1024, 3),
    (8, 2048, 2048, 4),
    (64, 512, 512, 1),
    (16, 256, 256, 64),
)
QUICK_SHAPES: tuple[Shape, ...] = ((2, 32, 32, 3), (1, 24, 20, 1))
SMALL_SHAPES: tuple[Shape, ...] = ((1, 32, 32, 1), (4, 64, 64, 3))
DTYPES = ("float32", "bfloat16", "float16")
# Bytes that are gone through before a buffer comes again, at least: many times an L2 of 60 MB.
WORKING_SET = 1 << 30
_STORED = {"float32": "float32", "bfloat16": "uint16", "float16": "float16"}
_CHECKED = (2, 37, 41)  # Batch, height and width that every number is checked at.


def itemsize(dtype: str) -> int:
    """Bytes of a number."""
    return 4 if dtype == "float32" else 2


def encode(images: np.ndarray, dtype: str) -> np.ndarray:
    """Float32 images that the dtype holds exactly, as it is stored; bfloat16 as uint16."""
    if dtype == "bfloat16":
        return (images.view("uint32") >> 16).astype("uint16")
    return np.ascontiguousarray(images, dtype)


def decode(array: np.ndarray, dtype: str) -> np.ndarray:
    """As float32."""
    if dtype == "bfloat16":
        return (array.astype("uint32") << 16).view("float32")
    return array.astype("float32")


@dataclasses.dataclass(frozen=True)
class Buffers:
    """Images of one shape and dtype on the device, several sets of them.

    `sets` has (y_true, y_pred, a buffer for the gradient); the images of the first are those of
    `problem`, those of the others are the same, shifted. `loss` and `upstream` are [B] float32.
    """

    device: Device
    problem: Problem
    dtype: str
    sets: list[tuple[Any, Any, Any]]
    loss: Any
    upstream: Any

    @property
    def shape(self) -> Shape:
        """[B, H, W, C]."""
        return self.problem.shape

    @property
    def nbytes(self) -> int:
        """The bytes of one image tensor."""
        return math.prod(self.shape) * itemsize(self.dtype)

    @property
    def scale(self) -> float:
        """What the loss is scaled by, as in mixed precision: else gradients of float16 vanish."""
        return modes.LOSS_SCALE if self.dtype == "float16" else 1.0

    @property
    def factors(self) -> np.ndarray:
        """The upstream gradient of each example, that of a scaled mean, [B]."""
        return modes.upstream(modes.LOSS_AND_GRADIENT, self.shape[0]) * self.scale


def make_buffers(device: Device, problem: Problem, dtype: str, working_set: int) -> Buffers:
    """Buffers of a float32 problem, in `dtype`, of `working_set` bytes at least, two sets or more.

    What they hold is on its way when this returns.
    """
    stored, shape = _STORED[dtype], problem.shape
    first = [device.put(encode(image, dtype)) for image in (problem.y_true, problem.y_pred)]
    sets = []
    for index in range(max(2, -(-working_set // (3 * first[0].nbytes)))):
        images = first
        if index:
            images = [_shifted(device, image, index) for image in first]
        sets.append((images[0], images[1], device.empty(shape, stored)))
        device.fill(sets[-1][2], 255)
    batch = shape[:1]
    buffers = Buffers(device, problem, dtype, sets, device.empty(batch, "float32"), None)
    upstream = device.put(buffers.factors.astype("float32"))
    return dataclasses.replace(buffers, upstream=upstream)


def _shifted(device: Device, image: Any, rows: int) -> Any:
    """The same numbers, some rows of an image further; the last ones first."""
    copy = device.empty(image.shape, str(image.dtype))
    row = math.prod(image.shape[2:]) * image.dtype.itemsize
    shift = rows * row % image.nbytes
    device.copy(image, copy, image.nbytes - shift, to=shift)
    device.copy(image, copy, shift, at=image.nbytes - shift)
    return copy


def checked_problem(channels: int) -> Problem:
    """A small one, of odd sizes, of which every number is checked."""
    return make_problem((*_CHECKED, channels))
