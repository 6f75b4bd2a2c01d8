"""Reading lists from the command line."""

from __future__ import annotations

from benchmarks.problems import Shape


def split(text: str, argument: str, allowed: tuple[str, ...]) -> list[str]:
    """Names separated by commas.

    Raises:
        SystemExit: One of them is not allowed.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in allowed:
            raise SystemExit(f"{argument}: got {name!r}, expected some of {', '.join(allowed)}")
    return names


def shapes(text: str) -> list[Shape]:
    """Such as 16x512x512x3,1x64x64x3.

    Raises:
        SystemExit: It is none, or a height or width is below 2.
    """
    found: list[Shape]
    try:
        found = [tuple(map(int, shape.split("x"))) for shape in text.split(",")]
    except ValueError:
        found = [()]
    if any(len(shape) != 4 or min(shape) < 1 or min(shape[1:3]) < 2 for shape in found):
        raise SystemExit(f"--shapes: got {text!r}, expected such as 16x512x512x3,1x64x64x3")
    return found
