"""Sobel gradients by slices, as one writes them with arrays of any library."""

from __future__ import annotations

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
