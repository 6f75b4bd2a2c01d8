"""y_i = sum over j of M[i, j] x_j along one axis: matrices by their non-zero entries.

A matrix is a list of rows, row i a dictionary {j: M[i, j]} of its non-zero entries. Only these are
ever multiplied, so that a NaN reaches exactly the outputs whose row holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradops.reference.arguments import Array

Row = dict[int, float]


class Terms(NamedTuple):
    """y_i is the sum over k of weights[k, i] * x[sources[k, i]]; a weight of 0 is no term."""

    sources: NDArray[np.intp]
    weights: Array


def terms(rows: Sequence[Row]) -> Terms:
    """The first entry of every row, the second of every row, and so on."""
    depth = max(map(len, rows), default=0)
    sources, weights = np.zeros((depth, len(rows)), np.intp), np.zeros((depth, len(rows)))
    for i, row in enumerate(rows):
        for k, (source, weight) in enumerate(sorted(row.items())):
            sources[k, i], weights[k, i] = source, weight
    return Terms(sources, weights)


def transposed(rows: Sequence[Row], size: int) -> list[Row]:
    """The rows of the transposed matrix, of which there are as many as x has numbers."""
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
        there = np.flatnonzero(weights)
        y[there] += weights[there, None, None, None] * x[sources[there]]
    return np.moveaxis(y, 0, axis)
