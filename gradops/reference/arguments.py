"""Checks of arguments: known options, finite parameters, real arrays of the right shape.

Everything else is a ValueError that begins with the name of the argument. Inside the package images
are [B, H, W, C]; `to_last` and `from_last` convert those of "channels_first".
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

DATA_FORMATS = ("channels_last", "channels_first")
_IMAGES = {"channels_last": "[B, H, W, C]", "channels_first": "[B, C, H, W]"}
_GRADIENTS = {"channels_last": "[B, H, W, C, 2]", "channels_first": "[B, C, H, W, 2]"}


def check_option(argument: str, value: object, allowed: Iterable[str]) -> None:
    """Raises ValueError unless the value is one of the allowed names."""
    names = tuple(allowed)
    if value not in names:
        raise ValueError(
            f"{argument}: got {value!r}, expected one of {', '.join(map(repr, names))}"
        )


def parameter(argument: str, value: Any, minimum: float, *, exclusive: bool) -> float:
    """The value as a float, checked to be finite and at least (exclusive: above) the minimum."""
    limit = f"above {minimum:g}" if exclusive else f"of at least {minimum:g}"
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if np.isfinite(number) and (number > minimum if exclusive else number >= minimum):
            return number
    raise ValueError(f"{argument}: got {value!r}, expected a finite number {limit}")


def real_array(argument: str, values: ArrayLike) -> Array:
    """The values as float64; integers, booleans and floats of any width are accepted."""
    array = np.asarray(values)
    if not np.can_cast(array.dtype, np.float64, "same_kind"):
        raise ValueError(f"{argument}: expected real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def with_shape(argument: str, values: ArrayLike, shape: tuple[int, ...], what: str) -> Array:
    """The values as float64, checked to have the shape; `what` names it in the error."""
    array = real_array(argument, values)
    if array.shape != shape:
        raise ValueError(f"{argument}: expected {what} {shape}, got shape {array.shape}")
    return array


def to_last(array: np.ndarray, data_format: str) -> np.ndarray:
    """[B, C, H, W, ...] -> [B, H, W, C, ...] if the format is channels_first."""
    return np.moveaxis(array, 1, 3) if data_format == "channels_first" else array


def from_last(array: np.ndarray, data_format: str) -> np.ndarray:
    """[B, H, W, C, ...] -> [B, C, H, W, ...] if the format is channels_first."""
    return np.moveaxis(array, 3, 1) if data_format == "channels_first" else array


def images(
    argument: str,
    values: ArrayLike,
    border: str,
    minimum_size: int,
    data_format: str,
    trailing: bool = False,
) -> Array:
    """Images as [B, H, W, C] float64, checked to be large enough for the border.

    With `trailing` they are gradients, [B, H, W, C, 2].
    """
    check_option("data_format", data_format, DATA_FORMATS)
    array = real_array(argument, values)
    shape = array.shape
    if trailing and (array.ndim != 5 or shape[-1] != 2):
        raise ValueError(f"{argument}: expected shape {_GRADIENTS[data_format]}, got shape {shape}")
    if not trailing and array.ndim != 4:
        raise ValueError(f"{argument}: expected rank 4 {_IMAGES[data_format]}, got shape {shape}")
    array = to_last(array, data_format)
    if min(array.shape[1:3]) < minimum_size:
        raise ValueError(
            f"{argument}: border {border!r} needs H and W of at least {minimum_size}, "
            f"got shape {shape if not trailing else shape[:-1]}"
        )
    return array


def pixel_weights(weights: ArrayLike | None, shape: tuple[int, ...], data_format: str) -> Array:
    """One weight for every element of images of this [B, H, W, C] shape; ones if None."""
    if weights is None:
        return np.ones(shape)
    array = real_array("weights", weights)
    spread = _one_per_element("weights", array, shape, data_format)
    wrong = array[~(array >= 0)]  # NaN is wrong too.
    if wrong.size:
        raise ValueError(f"weights must be non-negative, got {wrong[0]}")
    return spread


def pixel_mask(mask: ArrayLike | None, shape: tuple[int, ...], data_format: str) -> Mask | None:
    """Whether each element of images of this [B, H, W, C] shape is valid; None if all are."""
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise ValueError(f"mask: expected bool, got dtype {array.dtype}")
    return _one_per_element("mask", array, shape, data_format)


def _one_per_element(
    argument: str, array: np.ndarray, shape: tuple[int, ...], data_format: str
) -> np.ndarray:
    batch, height, width, channels = shape
    if data_format == "channels_first":
        allowed = [(batch, c, height, width) for c in (1, channels)]
    else:
        allowed = [(batch, height, width, c) for c in (1, channels)]
    if array.shape not in allowed:
        expected = " or ".join(dict.fromkeys(map(str, allowed)))
        raise ValueError(f"{argument}: expected shape {expected}, got shape {array.shape}")
    return np.broadcast_to(to_last(array, data_format), shape)
