"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.problems import Shape


def names_of(text: str, argument: str, allowed: Sequence[str]) -> list[str]:
    """The names of a list with commas.

    Raises:
        SystemExit: One is not allowed.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in allowed:
            raise SystemExit(f"{argument}: got {name!r}, expected some of {', '.join(allowed)}")
    return names


def shapes_of(text: str) -> list[Shape]:
    """The shapes of --shapes, such as 16x512x512x3,1x64x64x3.

    Raises:
        SystemExit: That is none.
    """
    shapes: list[Shape]
    try:
        shapes = [tuple(map(int, shape.split("x"))) for shape in text.split(",")]
    except ValueError:
        shapes = [()]
    if any(len(shape) != 4 or min(shape) < 1 or min(shape[1:3]) < 2 for shape in shapes):
        raise SystemExit(f"--shapes: got {text!r}, expected such as 16x512x512x3,1x64x64x3")
    return shapes
