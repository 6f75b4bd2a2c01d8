"""Checks that both command lines share."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable

#: Import name -> the distribution that has it.
EXTRAS = {
    "skimage": "scikit-image",
    "matplotlib": "matplotlib",
    "tqdm": "tqdm",
}


def integer_from(minimum: int, multiple_of: int = 1) -> Callable[[str], int]:
    """An argument type: an integer of at least `minimum`."""

    def parse(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f"expected at least {minimum}, got {value}")
        if value % multiple_of:
            raise argparse.ArgumentTypeError(f"expected a multiple of {multiple_of}, got {value}")
        return value

    parse.__name__ = "integer"  # What argparse calls it in "invalid integer value".
    return parse


def number_from(minimum: float, below: float = float("inf")) -> Callable[[str], float]:
    """An argument type: a finite number of at least `minimum` and below `below`."""

    def parse(text: str) -> float:
        value = float(text)
        if not minimum <= value < below:
            bound = "" if below == float("inf") else f" and below {below:g}"
            raise argparse.ArgumentTypeError(f"expected at least {minimum:g}{bound}, got {value}")
        return value

    parse.__name__ = "number"
    return parse


def are_extras_installed(command: str) -> bool:
    """Whether the packages of the extra "demo" are installed; prints an error if not."""
    missing = [name for module, name in EXTRAS.items() if not importlib.util.find_spec(module)]
    if missing:
        names = ", ".join(missing)
        fail(f'{command} needs {names}: pip install "gradops[demo]"')
    return not missing


def fail(message: str) -> int:
    """Prints an error; returns the exit status."""
    print(f"error: {message}", file=sys.stderr)
    return 1
