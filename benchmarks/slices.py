"""The loss of the default options by slices, as one writes it with arrays of any library."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def sobel(d: Any, concatenate: Callable[..., Any]) -> tuple[Any, Any]:
    """(gy, gx) of [B, H, W, C] images with the border reflect, where they are not 0.

    Reflected, both taps of a derivative are the same pixel at the border: it is 0 there, and only
    the smoothing needs the mirrored pixels. So gy has two rows less than d, gx two columns.
    """
    rows = concatenate([d[:, 1:2], d, d[:, -2:-1]], 1)
    smooth_y = rows[:, :-2] + 2 * d + rows[:, 2:]
    columns = concatenate([d[:, :, 1:2], d, d[:, :, -2:-1]], 2)
    smooth_x = columns[:, :, :-2] + 2 * d + columns[:, :, 2:]
    gx = smooth_y[:, :, 2:] - smooth_y[:, :, :-2]
    gy = smooth_x[:, 2:] - smooth_x[:, :-2]
    return gy, gx


def sum_of_example(values: Any) -> Any:
    """[B] sums of [B, H, W, C] values."""
    return values.sum((1, 2, 3))


def sobel_l1(
    d: Any,
    concatenate: Callable[..., Any],
    absolute: Callable[[Any], Any] = abs,
    total: Callable[[Any], Any] = sum_of_example,
) -> Any:
    """The losses [B] of sobel/component/l1 of the differences d, [B, H, W, C]."""
    gy, gx = sobel(d, concatenate)
    return (total(absolute(gy)) + total(absolute(gx))) / (2 * math.prod(d.shape[1:]))
