"""The images that are timed: shapes, dtypes, and buffers of the device that rotate."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import modes
from benchmarks.problems import Problem, Shape, make_problem

if TYPE_CHECKING:
    from benchmarks.cuda.device import Cuda

SHAPES: tuple[Shape, ...] = (
    (64, 512, 512, 3),
    (16, 1024, 1024, 3),
    (8, 2048, 2048, 4),
    (64, 512, 512, 1),
    (16, 256, 256, 64),
)
QUICK_SHAPES: tuple[Shape, ...] = ((2, 32, 32, 3), (1, 24, 20, 1))
DTYPES = ("float32", "bfloat16", "float16")
# Bytes that are gone through before a buffer comes again, at least: many times an L2 of 60 MB.
WORKING_SET = 1 << 30
_STORED = {"float32": "float32", "bfloat16": "uint16", "float16": "float16"}


def encode(images: np.ndarray, dtype: str) -> np.ndarray:
    """Float32 images that the dtype holds exactly, as it is stored; bfloat16 as uint16."""
    if dtype == "bfloat16":
        return (images.view("uint32") >> 16).astype("uint16")
    return np.ascontiguousarray(images, dtype)


def decode(array: np.ndarray) -> np.ndarray:
    """What was stored, as float32."""
    if array.dtype == "uint16":
        return (array.astype("uint32") << 16).view("float32")
    return array.astype("float32")


def problem_of(shape: Shape, dtype: str) -> Problem:
    """Images that are float32 on the host."""
    return dataclasses.replace(_images(shape), narrowed_to="" if dtype == "float32" else dtype)


@functools.lru_cache(maxsize=len(SHAPES))
def _images(shape: Shape) -> Problem:
    return make_problem(shape)


@dataclasses.dataclass
class Buffers:
    """A problem on the device, in several sets, of which every call takes the next.

    `sets` has (y_true, y_pred, a buffer for the gradient); the images of the first are those of
    `problem`, those of the others are the same, shifted. `loss` and `upstream` are [B] float32.
    """

    device: Cuda
    problem: Problem
    sets: list[tuple[Any, Any, Any]]
    loss: Any
    upstream: Any

    def __post_init__(self) -> None:
        self.rewind()

    def rewind(self) -> None:
        """The next call takes the first set."""
        self._numbers = itertools.cycle(range(len(self.sets)))

    def turn(self) -> int:
        """The number of the set of this call."""
        return next(self._numbers)

    @property
    def outputs(self) -> tuple[Any, Any]:
        """Losses and gradient that a call of the first set writes, if it writes to buffers."""
        return self.loss, self.sets[0][2]


def make_buffers(device: Cuda, problem: Problem, working_set: int) -> Buffers:
    """Buffers of a problem, of `working_set` bytes at least, two sets or more.

    What they hold is on its way when this returns.
    """
    dtype, shape = problem.dtype, problem.shape
    first = [device.put(encode(image, dtype)) for image in (problem.y_true, problem.y_pred)]
    sets = []
    for index in range(max(2, -(-working_set // (3 * first[0].nbytes)))):
        images = [_shifted(device, image, index) for image in first] if index else first
        sets.append((*images, device.empty(shape, _STORED[dtype])))
        device.fill(sets[-1][2], 255)
    factors = modes.upstream(modes.LOSS_AND_GRADIENT, problem).astype("float32")
    return Buffers(device, problem, sets, device.empty(shape[:1], "float32"), device.put(factors))


def _shifted(device: Cuda, image: Any, rows: int) -> Any:
    """The same numbers, some rows of an image further; the last ones first."""
    copy = device.empty(image.shape, str(image.dtype))
    row = math.prod(image.shape[2:]) * image.dtype.itemsize
    shift = rows * row % image.nbytes
    device.copy(image, copy, image.nbytes - shift, to=shift)
    device.copy(image, copy, shift, at=image.nbytes - shift)
    return copy
