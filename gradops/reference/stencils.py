"""gy = S_y x, gx = S_x x: S_y differentiates along H and smooths along W, S_x the other way round.

Along one axis a stencil and a border make one matrix: row i has the weights of the inputs in output
i, where taps that the border maps to the same pixel are added. S_y and S_x are products of two such
matrices, and their adjoints are products of the transposes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from gradops.reference.arguments import Array, check_option
from gradops.reference.axis import Row, Terms, apply, terms, transposed


class Stencil(NamedTuple):
    """Three taps along each axis (offsets -1, 0, +1), applied as a correlation (no flip)."""

    derivative: tuple[int, int, int]
    smoothing: tuple[float, float, float]
    # Scale "unit" divides by this, so that i has gradient 1, or i^2 / 2 for second differences.
    divisor: int
    mapped: bool = True  # False: no border, and the output is 0 where a tap leaves the image.


class Border(NamedTuple):
    """Where an index in [-1, size] reads from (None: a zero), and the smallest allowed size."""

    source: Callable[[int, int], int | None]
    minimum_size: int


def _reflect(index: int, size: int) -> int:
    """... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...: the edge itself is not repeated."""
    if index < 0:
        return -index
    return 2 * (size - 1) - index if index >= size else index


def _replicate(index: int, size: int) -> int:
    """... 0 0 | 0 1 2 ... n-1 | n-1 n-1 ..."""
    return min(max(index, 0), size - 1)


def _zero(index: int, size: int) -> int | None:
    """... . . | 0 1 2 ... n-1 | . . ...: ghosts are zeros and not pixels."""
    return index if 0 <= index < size else None


def _circular(index: int, size: int) -> int:
    """... n-2 n-1 | 0 1 2 ... n-1 | 0 1 ..."""
    return index % size


STENCILS = {
    "sobel": Stencil((-1, 0, 1), (1, 2, 1), divisor=8),
    "scharr": Stencil((-1, 0, 1), (3, 10, 3), divisor=32),
    "prewitt": Stencil((-1, 0, 1), (1, 1, 1), divisor=6),
    "central": Stencil((-1, 0, 1), (0, 1, 0), divisor=2),
    "forward": Stencil((0, -1, 1), (0, 1, 0), divisor=1, mapped=False),
    "backward": Stencil((-1, 1, 0), (0, 1, 0), divisor=1, mapped=False),
    "laplace": Stencil((1, -2, 1), (0, 1, 0), divisor=1),
    "laplace8": Stencil((1, -2, 1), (0.5, 2, 0.5), divisor=3),
}
BORDERS = {
    "reflect": Border(_reflect, minimum_size=2),
    "replicate": Border(_replicate, minimum_size=1),
    "zero": Border(_zero, minimum_size=1),
    "circular": Border(_circular, minimum_size=1),
    "valid": Border(_zero, minimum_size=3),  # What leaves the image is dropped before it is read.
}
SCALES = ("raw", "unit")

Kind = Literal["derivative", "smoothing"]


def taps_at(stencil: str, kind: Kind, position: int) -> dict[int, float]:
    """{index: weight}: the non-zero taps of the output at this position, before the border."""
    weights = getattr(STENCILS[stencil], kind)
    return {position + o: w for o, w in zip((-1, 0, 1), weights, strict=True) if w}


def leaves(stencil: str, kind: Kind, position: int, size: int) -> bool:
    """Whether a non-zero tap falls outside the image, before the border."""
    return any(not 0 <= index < size for index in taps_at(stencil, kind, position))


@lru_cache(maxsize=1024)
def axis_rows(stencil: str, kind: Kind, border: str, size: int) -> list[Row]:
    """The matrix of the derivative or of the smoothing along one axis; see `axis`."""
    rows: list[Row] = [{} for _ in range(size)]
    for i, row in enumerate(rows):
        if leaves(stencil, kind, i, size) and (border == "valid" or not STENCILS[stencil].mapped):
            continue
        for index, weight in taps_at(stencil, kind, i).items():
            source = BORDERS[border].source(index, size)
            if source is not None:
                row[source] = row.get(source, 0) + weight
    return [{source: weight for source, weight in row.items() if weight} for row in rows]


@lru_cache(maxsize=1024)
def _axis_terms(stencil: str, kind: Kind, border: str, size: int) -> Terms:
    return terms(axis_rows(stencil, kind, border, size))


@lru_cache(maxsize=1024)
def _axis_terms_transposed(stencil: str, kind: Kind, border: str, size: int) -> Terms:
    return terms(transposed(axis_rows(stencil, kind, border, size), size))


class Operator:
    """S_y and S_x of one stencil, border and scale, on [B, H, W, C]."""

    def __init__(self, stencil: str, border: str, scale: str):
        check_option("stencil", stencil, STENCILS)
        check_option("border", border, BORDERS)
        check_option("scale", scale, SCALES)
        self.stencil = stencil
        self.border = border
        self.divisor = STENCILS[stencil].divisor if scale == "unit" else 1
        self.minimum_size = BORDERS[border].minimum_size
        if not STENCILS[stencil].mapped:
            self.minimum_size = 2 if border == "valid" else 1

    def gradients(self, x: Array) -> Array:
        """[B, H, W, C] -> [B, H, W, C, 2]: (S_y x, S_x x)."""
        d_h, m_h, d_w, m_w = self._matrices(_axis_terms, *x.shape[1:3])
        gy = apply(m_w, apply(d_h, x, 1), 2)
        gx = apply(d_w, apply(m_h, x, 1), 2)
        return np.stack([gy, gx], axis=-1) / self.divisor

    def adjoint(self, u: Array) -> Array:
        """[B, H, W, C, 2] -> [B, H, W, C]: S_y^T u_y + S_x^T u_x."""
        d_h, m_h, d_w, m_w = self._matrices(_axis_terms_transposed, *u.shape[1:3])
        from_gy = apply(d_h, apply(m_w, u[..., 0], 2), 1)
        from_gx = apply(m_h, apply(d_w, u[..., 1], 2), 1)
        return (from_gy + from_gx) / self.divisor

    def _matrices(self, table: Callable[..., Terms], height: int, width: int) -> list[Terms]:
        kinds: tuple[Kind, Kind] = ("derivative", "smoothing")
        return [
            table(self.stencil, kind, self.border, size)
            for size in (height, width)
            for kind in kinds
        ]
