"""Reading lists from the command line."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.problems import Shape


def split(
    text: str | None, argument: str, allowed: Sequence[str], default: Sequence[str] | None = None
) -> list[str]:
    """Names separated by commas; of no text the default, or all that are allowed.

    Raises:
        SystemExit: One of them is not allowed.
    """
    if text is None:
        return list(allowed if default is None else default)
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
