"""gy and gx of images by slices along their axes.

    gy = D_h M_w x,  gx = D_w M_h x

D differentiates along one axis, M smooths along the other. Only non-zero taps are read, so a NaN
reaches only the outputs that have it in their support.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gradops._inputs.checks import Options
from gradops._inputs.tensors import AXES

Pair = tuple[tf.Tensor, tf.Tensor]  # gy and gx, always in this order.

# [3, 3, 1, 2]: down the rows, along the columns.
_SOBEL_FILTERS = [
    [[[-1, -1]], [[-2, 0]], [[-1, 1]]],
    [[[0, -2]], [[0, 0]], [[0, 2]]],
    [[[1, -1]], [[2, 0]], [[1, 1]]],
]


class Taps(NamedTuple):
    """Taps of a stencil: its derivative, and smoothing (side, centre, side)."""

    side: float
    centre: float
    divisor: float  # What scale "unit" divides by.
    derivative: str = "central"  # (-1, 0, 1); or "second" (1, -2, 1), or a key of _WITHOUT_A_PAIR


STENCILS = {
    "sobel": Taps(side=1, centre=2, divisor=8),
    "scharr": Taps(side=3, centre=10, divisor=32),
    "prewitt": Taps(side=1, centre=1, divisor=6),
    "central": Taps(side=0, centre=1, divisor=2),
    "forward": Taps(side=0, centre=1, divisor=1, derivative="forward"),
    "backward": Taps(side=0, centre=1, divisor=1, derivative="backward"),
    "laplace": Taps(side=0, centre=1, divisor=1, derivative="second"),
    "laplace8": Taps(side=0.5, centre=2, divisor=3, derivative="second"),
}
# Derivative of two neighbours, x(i + 1) - x(i) or x(i) - x(i - 1) -> how many of the first and of
# the last positions lack one. There it is 0, and no border is read.
_WITHOUT_A_PAIR = {"forward": (0, 1), "backward": (1, 0)}
# Border -> the smallest H and W of stencils with three taps.
BORDERS = {"reflect": 2, "replicate": 1, "zero": 1, "circular": 1, "valid": 3}
SCALES = ("raw", "unit")
DATA_FORMATS = tuple(AXES)

# Border -> the positions that are copied before the first and after the last one. With the other
# borders ghosts are 0; `Stencil.inside` says where "valid" reads one.
_GHOSTS = {"reflect": (1, -2), "replicate": (0, -1), "circular": (-1, 0)}
# Derivative -> border -> the largest size of an axis in which its taps cancel everywhere: those
# that are not ghosts of "zero" read the same pixel.
_CANCELLING_SIZES = {
    "central": {"replicate": 1, "zero": 1, "circular": 2},
    "second": {"replicate": 1, "circular": 1},
}


class Stencil(NamedTuple):
    """A stencil with its border, scale and data format."""

    name: str
    border: str
    scale: str
    data_format: str

    @property
    def taps(self) -> Taps:
        return STENCILS[self.name]

    @property
    def axes(self) -> tuple[int, int, int]:
        """The axes of height, width and channels."""
        return AXES[self.data_format]

    def minimum_size(self) -> int:
        """The smallest H and W for which it is defined."""
        if self.taps.derivative in _WITHOUT_A_PAIR:
            return 2 if self.border == "valid" else 1
        return BORDERS[self.border]

    def is_sobel_edges(self) -> bool:
        """Whether tf.image.sobel_edges computes it."""
        return self == ("sobel", "reflect", "raw", "channels_last")

    def gradients(self, images: tf.Tensor) -> Pair:
        """(gy, gx) = (D_h M_w x, D_w M_h x), with the shape of the images."""
        result = []
        for along, across in self._along_and_across():
            smooth = _smooth(images, across, self.border, self.taps.side, self.taps.centre)
            difference = self._derivative(smooth, along, tf.subtract)
            result.append(difference / self.taps.divisor if self.scale == "unit" else difference)
        return result[0], result[1]

    def touches(self, pixels: tf.Tensor) -> Pair:
        """Where the supports of (gy, gx) hold one of the pixels (bool, of any broadcast shape).

        Where no tap of the derivative is left, the support is the pixel itself.
        """
        marks = tf.cast(pixels, tf.float32)
        side = 1.0 if self.taps.side else 0.0
        result = []
        for along, across in self._along_and_across():
            smooth = _smooth(marks, across, self.border, side, 1.0)
            sums = self._derivative(smooth, along, tf.add)
            result.append(tf.where(self._cancels(tf.shape(pixels), along), marks, sums) > 0)
        return result[0], result[1]

    def inside(self, shape: tf.Tensor) -> Pair | None:
        """Where the border lets (gy, gx) count, to be broadcast to the shape; None: everywhere."""
        if self.border != "valid":
            return None
        smoothed = self.taps.side != 0
        result = []
        for along, across in self._along_and_across():
            kept = _interior(shape, along, *self._outer())
            result.append(kept & _interior(shape, across, 1, 1) if smoothed else kept)
        return result[0], result[1]

    def _derivative(self, x: tf.Tensor, axis: int, combine: Callable) -> tf.Tensor:
        """The derivative along an axis, 0 where no tap is left; `combine` subtracts.

        Or it adds: the result is then positive where a tap reads a positive number.
        """
        kind = self.taps.derivative
        if kind in _WITHOUT_A_PAIR:
            return _pad(_neighbours(x, axis, 1, combine), axis, *_WITHOUT_A_PAIR[kind])
        if kind == "second":
            result = _second(x, axis, self.border, combine)
        else:
            result = _central(x, axis, self.border, combine)
        largest = self._cancelling_size()
        size = x.shape[axis]
        if largest == 0 or (size is not None and size > largest):
            return result
        size = tf.shape(x)[axis]  # tf.where rather than zeros: the result stays connected to x.
        return tf.where(size > largest, result, tf.zeros([], result.dtype))

    def _cancels(self, shape: tf.Tensor, axis: int) -> tf.Tensor:
        """Where no tap of the derivative along the axis is left, to be broadcast to the shape."""
        kind = self.taps.derivative
        if kind in _WITHOUT_A_PAIR or (kind == "central" and self.border == "reflect"):
            return ~_interior(shape, axis, *self._outer())
        return shape[axis] <= self._cancelling_size()

    def _cancelling_size(self) -> int:
        return _CANCELLING_SIZES[self.taps.derivative].get(self.border, 0)

    def _outer(self) -> tuple[int, int]:
        """How many of the first and of the last positions have a tap outside of the axis."""
        return _WITHOUT_A_PAIR.get(self.taps.derivative, (1, 1))

    def _along_and_across(self) -> list[tuple[int, int]]:
        """The axes of the derivative and of the smoothing, for gy and for gx."""
        height, width, _ = self.axes
        return [(height, width), (width, height)]


def stencil_of(options: Options) -> Stencil:
    """The stencil of these options."""
    names = ("stencil", "border", "scale", "data_format")
    return Stencil(*(options[name] for name in names))


def sobel_edges(images: tf.Tensor) -> tf.Tensor:
    """tf.image.sobel_edges, but also for an unknown B that may be 0, which that rejects."""
    if images.shape[0] is not None:
        return tf.image.sobel_edges(images)
    padded = _extend(_extend(images, 1, "reflect"), 2, "reflect")
    shape = tf.shape(images)
    filters = tf.tile(tf.constant(_SOBEL_FILTERS, images.dtype), [1, 1, shape[3], 1])
    edges = tf.nn.depthwise_conv2d(padded, filters, [1, 1, 1, 1], "VALID")
    edges = tf.reshape(edges, tf.concat([shape, [2]], axis=0))
    return tf.ensure_shape(edges, images.shape.concatenate([2]))


def _smooth(x: tf.Tensor, axis: int, border: str, side: float, centre: float) -> tf.Tensor:
    if side == 0:
        return x if centre == 1 else centre * x
    outer = _neighbours(_extend(x, axis, border), axis, 2, tf.add)
    return (outer if side == 1 else side * outer) + (x if centre == 1 else centre * x)


def _central(x: tf.Tensor, axis: int, border: str, combine: Callable) -> tf.Tensor:
    """combine(x(i + 1), x(i - 1)), 0 where reflection maps both to the same pixel."""
    if border == "reflect":  # At the first and the last position.
        return _pad(_neighbours(x, axis, 2, combine), axis, 1, 1)
    return _neighbours(_extend(x, axis, border), axis, 2, combine)


def _second(x: tf.Tensor, axis: int, border: str, combine: Callable) -> tf.Tensor:
    """combine(combine(x(i + 1), x(i)), combine(x(i), x(i - 1)))."""
    if border == "replicate":  # A ghost and the pixel that it copies cancel, also if infinite.
        steps = _pad(_neighbours(x, axis, 1, combine), axis, 1, 1)
    else:
        steps = _neighbours(_extend(x, axis, border), axis, 1, combine)
    return _neighbours(steps, axis, 1, combine)


def _neighbours(x: tf.Tensor, axis: int, distance: int, combine: Callable) -> tf.Tensor:
    """combine(x(i + distance), x(i)), shorter than x by the distance."""
    return combine(_cut(x, axis, distance, None), _cut(x, axis, 0, -distance))


def _extend(x: tf.Tensor, axis: int, border: str) -> tf.Tensor:
    """Adds one ghost at each end of the axis."""
    if border not in _GHOSTS:
        return _pad(x, axis, 1, 1)
    before, after = (_cut(x, axis, i, i + 1 or None) for i in _GHOSTS[border])
    return tf.concat([before, x, after], axis)  # tf.pad's mirror modes reject B = 0.


def _pad(x: tf.Tensor, axis: int, before: int, after: int) -> tf.Tensor:
    return tf.pad(x, [[before, after] if a == axis else [0, 0] for a in range(4)])


def _cut(x: tf.Tensor, axis: int, start: int, stop: int | None) -> tf.Tensor:
    return x[(slice(None),) * axis + (slice(start, stop),)]


def _interior(shape: tf.Tensor, axis: int, before: int, after: int) -> tf.Tensor:
    """False for the first `before` and last `after` positions of the axis; size 1 along others."""
    position = tf.range(shape[axis])
    kept = (position >= before) & (position < shape[axis] - after)
    return tf.reshape(kept, [-1 if a == axis else 1 for a in range(4)])
