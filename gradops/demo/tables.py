"""Tables of text."""

from __future__ import annotations

from collections.abc import Sequence


def align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows as lines: first column left-aligned, others right-aligned, a rule under row 0."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def times(milliseconds: Sequence[float]) -> str:
    """A median with the 20th and the 80th percentile."""
    return "{:.2f} ({:.2f}-{:.2f})".format(*milliseconds)


def mebibytes(size: int | None) -> str:
    """The size in MiB, or "n/a"."""
    return "n/a" if size is None else f"{size / 2**20:.1f}"
