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
    """Taps of a stencil: derivative (-1, 0, 1) and smoothing (side, centre, side)."""

    side: float
    centre: float
    divisor: float  # What scale "unit" divides by.
    forward: bool = False  # Whether the derivative is x(i + 1) - x(i), 0 at the last position.


STENCILS = {
    "sobel": Taps(side=1, centre=2, divisor=8),
    "scharr": Taps(side=3, centre=10, divisor=32),
    "prewitt": Taps(side=1, centre=1, divisor=6),
    "central": Taps(side=0, centre=1, divisor=2),
    "forward": Taps(side=0, centre=1, divisor=1, forward=True),
}
# Border -> the smallest H and W of stencils with three taps.
BORDERS = {"reflect": 2, "replicate": 1, "zero": 1, "circular": 1, "valid": 3}
SCALES = ("raw", "unit")
DATA_FORMATS = tuple(AXES)

# Border -> the positions that are copied before the first and after the last one. With the other
# borders ghosts are 0; `Stencil.inside` says where "valid" reads one.
_GHOSTS = {"reflect": (1, -2), "replicate": (0, -1), "circular": (-1, 0)}
# In an axis of up to this size both derivative taps read the same pixel, or none, and cancel.
_CANCELLING_SIZES = {"replicate": 1, "zero": 1, "circular": 2}


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
        if self.taps.forward:
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
            if self.taps.forward:
                difference = _pad(_neighbours(smooth, along, 1, tf.subtract), along, 0, 1)
            else:
                difference = _central(smooth, along, self.border, tf.subtract)
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
            if self.taps.forward:
                sums = _pad(_neighbours(smooth, along, 1, tf.add), along, 0, 1)
            else:
                sums = _central(smooth, along, self.border, tf.add)
            result.append(tf.where(self._cancels(tf.shape(pixels), along), marks, sums) > 0)
        return result[0], result[1]

    def inside(self, shape: tf.Tensor) -> Pair | None:
        """Where the border lets (gy, gx) count, to be broadcast to the shape; None: everywhere."""
        if self.border != "valid":
            return None
        smoothed = self.taps.side != 0
        result = []
        for along, across in self._along_and_across():
            kept = _interior(shape, along, 0 if self.taps.forward else 1, 1)
            result.append(kept & _interior(shape, across, 1, 1) if smoothed else kept)
        return result[0], result[1]

    def _cancels(self, shape: tf.Tensor, axis: int) -> tf.Tensor:
        """Where no tap of the derivative along the axis is left, to be broadcast to the shape."""
        if self.taps.forward:
            return ~_interior(shape, axis, 0, 1)
        if self.border == "reflect":
            return ~_interior(shape, axis, 1, 1)
        return shape[axis] <= _CANCELLING_SIZES.get(self.border, 0)

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
    """combine(x(i + 1), x(i - 1)), 0 where the border maps both to the same pixel."""
    if border == "reflect":  # At the first and the last position.
        return _pad(_neighbours(x, axis, 2, combine), axis, 1, 1)
    result = _neighbours(_extend(x, axis, border), axis, 2, combine)
    largest = _CANCELLING_SIZES.get(border, 0)
    size = x.shape[axis]
    if size is not None and size > largest:
        return result
    size = tf.shape(x)[axis]  # tf.where rather than zeros: the result stays connected to x.
    return tf.where(size > largest, result, tf.zeros([], result.dtype)) if largest else result


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
