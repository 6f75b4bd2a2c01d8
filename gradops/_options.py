"""The options of the family: their allowed values come from the table in csrc/core/registry.h."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from gradops import _library

#: Layouts that the kernels read; Keras names.
DATA_FORMATS = ("channels_last",)


@functools.cache
def allowed_names() -> Mapping[str, tuple[str, ...]]:
    """The allowed values of each option; the first is the default."""
    table = _library.kernels().options()
    return MappingProxyType({option: tuple(names) for option, names in table.items()})


def check(**names: str) -> Mapping[str, str]:
    """Checks options by name.

    Args:
      **names: option=value, such as stencil="sobel".

    Returns:
      The options as op attributes, not to be changed.

    Raises:
      ValueError: If a value is not one of those built; the message lists them.
    """
    try:
        return _checked(**names)
    except TypeError:  # an unhashable value
        return _checked.__wrapped__(**names)


@functools.lru_cache(maxsize=256)
def _checked(**names: str) -> Mapping[str, str]:
    for option, name in names.items():
        check_choice(option, name, allowed_names()[option])
    return MappingProxyType(names)


def check_choice(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raises ValueError, naming the argument, unless value is one of the allowed ones."""
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ValueError(f"{argument} must be one of {choices}, got {value!r}")


def check_data_format(data_format: str | None) -> str:
    """The layout of images; None means keras.config.image_data_format().

    Raises:
      ValueError: If the kernels do not read that layout.
    """
    if data_format is None:
        import keras

        data_format = keras.config.image_data_format()
    check_choice("data_format", data_format, DATA_FORMATS)
    return data_format
