"""L_b = sum_s w_s L_b(D_s p, D_s t): the loss over several scales, and its derivatives.

Levels of weight 0 are left out, whatever they hold.

D_s halves height and width s times. It is linear, so the derivative by p is the sum of w_s D_s^T
(dL/dp)(level s). D_s is the product of a matrix for the rows of images and one for the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradops.reference import losses
from gradops.reference import weights as by_weights
from gradops.reference.arguments import Array, check_option, from_last, to_last
from gradops.reference.axis import Row, apply, terms, transposed

DOWNSAMPLES = ("stride", "average")


@np.errstate(all="ignore")
def multi_scale_loss(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    **options: Any,
) -> Array:
    """L_b = sum_s w_s L_b of level s.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        scales: The number of levels, at least 1.
        downsample: "stride" takes every second row and column, "average" the means of 2 x 2 pixels.
        scale_weights: w_s; None means 1 for each.
        **options: Those of `gradient_loss`.

    Returns:
        One loss per example, [B] float64.

    Raises:
        ValueError: As `gradient_loss`, or an unknown downsample.
    """
    found = np.zeros(np.shape(y_pred)[0])
    for w, _, t, p, given in _levels(y_true, y_pred, scales, downsample, scale_weights, options):
        found = found + w * losses.gradient_loss(t, p, **given)
    return found


@np.errstate(all="ignore")
def multi_scale_gradients(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    upstream: ArrayLike | None = None,
    *,
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    **options: Any,
) -> tuple[Array, Array]:
    """upstream_b * dL_b/dt and upstream_b * dL_b/dp.

    Args:
        y_true: Targets t, [B, H, W, C].
        y_pred: Predictions p, same shape.
        upstream: One factor per example, [B]; None means ones.
        scales: See `multi_scale_loss`.
        downsample: See `multi_scale_loss`.
        scale_weights: See `multi_scale_loss`.
        **options: Those of `gradient_loss`.

    Returns:
        (d_y_true, d_y_pred), both like y_pred in float64.

    Raises:
        ValueError: As `multi_scale_loss`.
    """
    data_format = options.get("data_format", "channels_last")
    found = [np.zeros(np.shape(y_pred)), np.zeros(np.shape(y_pred))]
    for w, back, t, p, given in _levels(y_true, y_pred, scales, downsample, scale_weights, options):
        for i, slopes in enumerate(losses.loss_gradients(t, p, upstream, **given)):
            assert slopes is not None
            found[i] = found[i] + w * _resampled(slopes, back, data_format)
    return found[0], found[1]


@np.errstate(all="ignore")
def multi_scale_weights_gradient(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    upstream: ArrayLike | None = None,
    *,
    weights: ArrayLike,
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    **options: Any,
) -> Array:
    """The derivative of sum over b of upstream_b * L_b by the weights, through those of each level.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        upstream: One factor per example, [B]; None means ones.
        weights: w, [B, H, W, 1] or [B, H, W, C].
        scales: See `multi_scale_loss`.
        downsample: See `multi_scale_loss`.
        scale_weights: See `multi_scale_loss`.
        **options: Those of `gradient_loss`.

    Returns:
        The shape of the weights, float64.

    Raises:
        ValueError: As `multi_scale_loss`.
    """
    data_format = options.get("data_format", "channels_last")
    found = np.zeros(np.shape(weights))
    options["weights"] = weights
    for w, back, t, p, given in _levels(y_true, y_pred, scales, downsample, scale_weights, options):
        slopes = by_weights.weights_gradient(t, p, upstream, **given)
        found = found + w * _resampled(slopes, back, data_format)
    return found


def _levels(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    scales: int,
    downsample: str,
    scale_weights: Sequence[float] | None,
    options: dict[str, Any],
) -> Iterator[tuple[float, tuple[list[Row], list[Row]], Any, Any, dict[str, Any]]]:
    """(weight, transposed matrices, targets, predictions, options) of each level with a weight.

    The matrices are those that make the level, of its rows and columns.
    """
    check_option("downsample", downsample, DOWNSAMPLES)
    data_format = options.get("data_format", "channels_last")
    height, width = to_last(np.asarray(y_pred), data_format).shape[1:3]
    weights = [1.0] * scales if scale_weights is None else scale_weights
    for level, w in zip(range(scales), weights, strict=True):
        if w == 0:
            continue
        matrices = _matrix(height, level, downsample), _matrix(width, level, downsample)
        given = dict(options)
        if level > 0 and options.get("weights") is not None:
            given["weights"] = _resampled(options["weights"], matrices, data_format)
        if level > 0 and options.get("mask") is not None:
            holes = _resampled(~np.asarray(options["mask"]), matrices, data_format)
            given["mask"] = holes == 0
        targets, predictions = y_true, y_pred
        if level > 0:
            targets = None if y_true is None else _resampled(y_true, matrices, data_format)
            predictions = _resampled(y_pred, matrices, data_format)
        rows, columns = matrices
        yield w, (transposed(rows, height), transposed(columns, width)), targets, predictions, given


def _matrix(size: int, level: int, downsample: str) -> list[Row]:
    """The matrix that makes the rows (or columns) of the level from those of the images."""
    step = 2**level
    if downsample == "stride":
        return [{j: 1.0} for j in range(0, size, step)]
    return [{i * step + k: 1 / step for k in range(step)} for i in range(size // step)]


def _resampled(images: ArrayLike, matrices: tuple[list[Row], list[Row]], data_format: str) -> Array:
    """Images multiplied with one matrix along rows and one along columns."""
    array = to_last(np.asarray(images, np.float64), data_format)
    for axis, matrix in enumerate(matrices, 1):
        array = apply(terms(matrix), array, axis)
    return from_last(array, data_format)
