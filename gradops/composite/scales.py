"""The loss over several scales, and coarser levels of images, weights and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from gradops.composite.checks import DATA_FORMATS, check_option, compute_dtype

DOWNSAMPLES = ("stride", "average")


def loss_over_scales(
    loss_of_level: Callable[..., tf.Tensor],
    y_true,
    y_pred,
    weights,
    mask,
    *,
    scales: int,
    downsample: str,
    scale_weights: Sequence[float] | None,
    data_format: str | None,
) -> tf.Tensor:
    """sum_s w_s loss_of_level(y_true, y_pred, weights, mask) of level s, [B]."""
    check_option("downsample", downsample, DOWNSAMPLES)
    if not isinstance(scales, int) or scales < 1:
        raise ValueError(f"scales: got {scales!r}, expected an integer of at least 1")
    factors = [1.0] * scales if scale_weights is None else list(scale_weights)
    if len(factors) != scales or not all(0 <= factor < float("inf") for factor in factors):
        raise ValueError(
            f"scale_weights: got {scale_weights!r}, expected {scales} finite numbers of at least 0"
        )
    levels = _levels(y_true, y_pred, weights, mask, data_format, downsample)
    terms = [
        loss_of_level(*level) if factor == 1 else factor * loss_of_level(*level)
        for factor, level in zip(factors, levels, strict=False)
    ]
    return tf.add_n(terms) if scales > 1 else terms[0]


def _levels(
    y_true, y_pred, weights, mask, data_format: str | None, downsample: str
) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Each level is made when it is asked for, after the one before was found to be right."""
    yield y_true, y_pred, weights, mask
    axes = DATA_FORMATS[data_format or tf.keras.backend.image_data_format()][:2]
    y_pred = tf.convert_to_tensor(y_pred)
    dtype = compute_dtype(y_pred.dtype)
    if y_true is not None:
        y_true = tf.cast(y_true, y_pred.dtype)
    while True:
        y_true, y_pred, weights = (
            None if x is None else coarser(tf.cast(x, dtype), axes, downsample)
            for x in (y_true, y_pred, weights)
        )
        mask = None if mask is None else coarser_mask(tf.convert_to_tensor(mask), axes, downsample)
        yield y_true, y_pred, weights, mask


def coarser(images: tf.Tensor, axes: Sequence[int], downsample: str) -> tf.Tensor:
    """The next level: every second row and column, or the means of 2 x 2 pixels.

    Axes are those of height and width. A last odd row or column is in no mean.
    """
    if downsample == "stride":
        return _every_second(images, axes, 0, 0)
    even = _even_part(images, axes)
    corners = [_every_second(even, axes, i, j) for i in (0, 1) for j in (0, 1)]
    return 0.25 * tf.add_n(corners)


def coarser_mask(mask: tf.Tensor, axes: Sequence[int], downsample: str) -> tf.Tensor:
    """Which pixels of the next level are valid: those of valid pixels alone."""
    if downsample == "stride":
        return _every_second(mask, axes, 0, 0)
    even = _even_part(mask, axes)
    corners = [_every_second(even, axes, i, j) for i in (0, 1) for j in (0, 1)]
    return tf.reduce_all(tf.stack(corners), axis=0)


def minimum_size(of_level: int, levels: int, downsample: str) -> int:
    """The smallest height and width of which the coarsest level has at least of_level."""
    step = 2 ** (levels - 1)
    return (of_level - 1) * step + 1 if downsample == "stride" else of_level * step


def _every_second(images: tf.Tensor, axes: Sequence[int], row: int, column: int) -> tf.Tensor:
    slices = [slice(None)] * 4
    slices[axes[0]], slices[axes[1]] = slice(row, None, 2), slice(column, None, 2)
    return images[tuple(slices)]


def _even_part(images: tf.Tensor, axes: Sequence[int]) -> tf.Tensor:
    slices = [slice(None)] * 4
    shape = tf.shape(images)
    for axis in axes:
        size = images.shape[axis]
        slices[axis] = slice(None, shape[axis] // 2 * 2 if size is None else size // 2 * 2)
    return images[tuple(slices)]
