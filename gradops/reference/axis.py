"""y_i = sum over j of M[i, j] x_j along one axis, with sparse matrices.

A matrix is a list of rows; row i is a dictionary {j: M[i, j]} of its non-zero entries. Only these
are multiplied, so that a NaN reaches exactly the outputs whose row has an entry for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradops.reference.arguments import Array

Row = dict[int, float]


class Terms(NamedTuple):
    """y_i is the sum over k of weights[k, i] * x[sources[k, i]], without terms of weight 0."""

    sources: NDArray[np.intp]
    weights: Array


def terms(rows: Sequence[Row]) -> Terms:
    """The rows as Terms: the k-th term of y_i is the k-th entry of row i."""
    depth = max(map(len, rows), default=0)
    sources, weights = np.zeros((depth, len(rows)), np.intp), np.zeros((depth, len(rows)))
    for i, row in enumerate(rows):
        for k, (source, weight) in enumerate(sorted(row.items())):
            sources[k, i], weights[k, i] = source, weight
    return Terms(sources, weights)


def transposed(rows: Sequence[Row], size: int) -> list[Row]:
    """The rows of the transposed matrix; `size`: how many elements x has."""
    result: list[Row] = [{} for _ in range(size)]
    for i, row in enumerate(rows):
        for source, weight in row.items():
            result[source][i] = weight
    return result


def apply(matrix: Terms, images: np.ndarray, axis: int) -> Array:
    """The matrix times [B, H, W, C] along one axis."""
    x = np.moveaxis(images, axis, 0)
    y = np.zeros((matrix.weights.shape[1], *x.shape[1:]))
    for sources, weights in zip(matrix.sources, matrix.weights, strict=True):
        used = np.flatnonzero(weights)
        y[used] += weights[used, None, None, None] * x[sources[used]]
    return np.moveaxis(y, 0, axis)
