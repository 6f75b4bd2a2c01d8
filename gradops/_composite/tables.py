"""The tables of the composition, with the functions that the pybind11 module of the kernels has."""

from __future__ import annotations

from collections.abc import Iterable

from gradops._composite.penalties import PENALTIES
from gradops._composite.problem import NORMALIZERS
from gradops._composite.responses import RESPONSES
from gradops._composite.stencils import BORDERS, DATA_FORMATS, SCALES, STENCILS
from gradops._inputs.levels import DOWNSAMPLES


def options() -> dict[str, list[str]]:
    """Option -> its allowed values, the default first."""
    tables: dict[str, Iterable[str]] = {
        "stencil": STENCILS,
        "border": BORDERS,
        "scale": SCALES,
        "response": RESPONSES,
        "penalty": PENALTIES,
        "normalizer": NORMALIZERS,
        "data_format": DATA_FORMATS,
        "downsample": DOWNSAMPLES,
    }
    return {option: list(table) for option, table in tables.items()}


def penalty_parameters() -> dict[str, tuple[str, float]]:
    """Penalty -> (its parameter, the default), for those that have one."""
    return {
        name: parameter
        for name, penalty in PENALTIES.items()
        for parameter in penalty.parameters.items()
    }


def response_parameters() -> dict[str, tuple[str, float]]:
    """Response -> (its parameter, the default), for those that have one."""
    return {
        name: ("response_epsilon", response.epsilon)
        for name, response in RESPONSES.items()
        if response.epsilon is not None
    }
