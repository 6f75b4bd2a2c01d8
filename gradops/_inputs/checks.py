"""Checks of options. Allowed values come from the tables of the kernels (csrc/family/registry.h).

Where nothing is built they come from the tables of gradops.composite, which are the same.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any, TypeAlias

from gradops import _library

#: Options as op attributes, read-only.
Options: TypeAlias = Mapping[str, Any]

#: The parameters of penalties and of responses, by the keyword arguments that set them.
PENALTY_PARAMETERS = ("epsilon", "delta", "alpha")
RESPONSE_PARAMETERS = ("response_epsilon",)
#: The normalizer with which ops return sums, for gradient_sums. Callers cannot choose it.
SUMS = "none"


@functools.cache
def allowed_names() -> Mapping[str, tuple[str, ...]]:
    """The allowed values of each option; the first is the default."""
    table = {option: tuple(names) for option, names in _tables().options().items()}
    table["normalizer"] = tuple(name for name in table["normalizer"] if name != SUMS)
    return MappingProxyType(table)


def _tables() -> ModuleType:
    """A module with the functions options, penalty_parameters and response_parameters."""
    if _library.is_built():
        return _library.kernels()
    from gradops._composite import tables

    return tables


def options(**options: Any) -> Options:
    """Checks options by name.

    Args:
      **options: option=value, such as stencil="sobel"; epsilon, delta, alpha and response_epsilon
        are numbers or None for the default.

    Returns:
      The options as op attributes, read-only.

    Raises:
      ValueError: If a value is not one of those allowed (the message lists them), or a parameter is
        out of range or not one of the penalty's or the response's.
    """
    if options.get("data_format", "") is None:  # it may change from call to call
        import keras

        options["data_format"] = keras.config.image_data_format()
    try:
        return _checked(**options)
    except TypeError:  # an unhashable value
        return _checked.__wrapped__(**options)


@functools.lru_cache(maxsize=1024, typed=True)  # typed: True is not 1
def _checked(**options: Any) -> Options:
    attributes: dict[str, Any] = {}
    given = {
        name: options.pop(name)
        for name in (*PENALTY_PARAMETERS, *RESPONSE_PARAMETERS)
        if name in options
    }
    for option, name in options.items():
        choice(option, name, allowed_names()[option])
        attributes[option] = name
    tables = _tables()
    if "penalty" in attributes:
        attributes["penalty_parameter"] = _parameter(
            f"penalty {attributes['penalty']!r}",
            tables.penalty_parameters().get(attributes["penalty"]),
            {name: given.get(name) for name in PENALTY_PARAMETERS},
        )
    if "response_epsilon" in given:
        response = attributes.get("response", "magnitude")
        attributes["response_epsilon"] = _parameter(
            f"response {response!r}",
            tables.response_parameters().get(response),
            {"response_epsilon": given["response_epsilon"]},
        )
    return MappingProxyType(attributes)


def _parameter(owner: str, row: tuple[str, float] | None, given: Mapping[str, Any]) -> str:
    """The parameter of a penalty or response as text that reads back exactly; "" if it has none."""
    for name, value in given.items():
        if value is not None and (row is None or name != row[0]):
            raise ValueError(f"{name} is not a parameter of {owner}, got {name}={value!r}")
    if row is None:
        return ""
    name, default = row
    value = given[name] if given[name] is not None else default
    minimum, is_open = (1, False) if name == "alpha" else (0, name != "response_epsilon")
    return repr(bounded(name, value, minimum, is_open=is_open))


def as_finite(value: object) -> float | None:
    """The value as a float; None if it is not a finite number. True and "1" are not numbers."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the floats
        return None
    return number if math.isfinite(number) else None


def finite(argument: str, value: object) -> float:
    """The value as a float; raises ValueError unless it is a finite number."""
    number = as_finite(value)
    if number is None:
        raise ValueError(f"{argument} must be a finite number, got {value!r}")
    return number


def bounded(argument: str, value: object, minimum: float, *, is_open: bool = False) -> float:
    """The value as a float, checked to be finite and at least (is_open: above) the minimum."""
    number = as_finite(value)
    if number is None or number < minimum or (number == minimum and is_open):
        bound = f"above {minimum}" if is_open else f"of at least {minimum}"
        raise ValueError(f"{argument} must be a finite number {bound}, got {value!r}")
    return number


def rising(argument: str, value: Any) -> tuple[float, float]:
    """The value as (low, high), checked to be two finite numbers, low < high."""
    try:
        low, high = map(as_finite, value)
    except (TypeError, ValueError):  # not a sequence, or not of two
        low = high = None
    if low is None or high is None or low >= high:
        raise ValueError(
            f"{argument} must be two finite numbers (low, high), low < high, got {value!r}"
        )
    return low, high


def integer(argument: str, value: object, least: int = 1) -> int:
    """The value as an int; raises ValueError unless it is an integer of at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{argument} must be an integer of at least {least}, got {value!r}")
    return int(value)


def choice(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raises ValueError unless the value is one of the allowed ones."""
    if not isinstance(value, str) or value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ValueError(f"{argument} must be one of {choices}, got {value!r}")
