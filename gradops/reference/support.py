"""counted_k[i, j] = inside_k[i, j] and not any(invalid[r, c] for (r, c) in support_k[i, j]).

The support of a residual is the set of its non-zero taps after the border mapping; ghosts of border
`zero` are not pixels. It is separable: the support of gy at (i, j) is

    {rows of the derivative at i} x {columns of the smoothing at j}

and that of gx the reverse. Border `valid` drops a residual with a non-zero tap outside the image.
Where no tap of the derivative is left (they cancel at the border, or a two-tap difference has no
second pixel) the residual is 0 for every image, and its support is its own pixel. The support of a
joint residual is the union of both.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gradops.reference.arguments import Mask
from gradops.reference.axis import Terms, apply, terms
from gradops.reference.stencils import Kind, axis_rows, leaves

# The kind along the height and the kind along the width, for gy and for gx.
_COMPONENTS: tuple[tuple[Kind, Kind], ...] = (
    ("derivative", "smoothing"),
    ("smoothing", "derivative"),
)


@lru_cache(maxsize=1024)
def axis_support(stencil: str, kind: Kind, border: str, size: int) -> Terms:
    """The matrix along one axis with a 1 for every position in the support of an output."""
    return terms([dict.fromkeys(row, 1.0) for row in axis_rows(stencil, kind, border, size)])


@lru_cache(maxsize=1024)
def axis_cancels(stencil: str, kind: Kind, border: str, size: int) -> Mask:
    """[size]: where an output along one axis has no taps."""
    cancels = np.array([not row for row in axis_rows(stencil, kind, border, size)], bool)
    cancels.flags.writeable = False
    return cancels


@lru_cache(maxsize=1024)
def axis_inside(stencil: str, kind: Kind, border: str, size: int) -> Mask:
    """[size]: False where the border is `valid` and a tap falls outside the image."""
    dropped = [border == "valid" and leaves(stencil, kind, i, size) for i in range(size)]
    inside = ~np.array(dropped, bool)
    inside.flags.writeable = False
    return inside


def counted(stencil: str, border: str, shape: tuple[int, ...], valid: Mask | None) -> Mask:
    """[B, H, W, C, 2]: whether the residuals of gy and gx at each position count.

    Args:
        stencil: A key of `STENCILS`.
        border: A key of `BORDERS`.
        shape: B, H, W, C.
        valid: The mask, of that shape, or None.
    """
    height, width = shape[1:3]
    result = np.empty((*shape, 2), bool)
    for k, (along_h, along_w) in enumerate(_COMPONENTS):
        inside_h = axis_inside(stencil, along_h, border, height)
        inside_w = axis_inside(stencil, along_w, border, width)
        result[..., k] = (inside_h[:, None] & inside_w)[None, :, :, None]
        if valid is not None:
            support_h = axis_support(stencil, along_h, border, height)
            support_w = axis_support(stencil, along_w, border, width)
            invalid = apply(support_w, apply(support_h, ~valid, 1), 2)  # how many in the support
            cancels_h = axis_cancels(stencil, along_h, border, height)
            cancels_w = axis_cancels(stencil, along_w, border, width)
            cancels = (cancels_h[:, None] | cancels_w)[None, :, :, None]
            result[..., k] &= np.where(cancels, valid, invalid == 0)
    return result


def jointly(both: Mask) -> Mask:
    """[..., 2] -> [..., 1]: a joint residual counts if both components do."""
    return both[..., :1] & both[..., 1:]
