"""README's blocks that are made of results."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "README.md"
END = "<!-- end -->"


def begin(maker: str) -> str:
    """The line that a block begins with; `maker` is the file that makes it."""
    return f"<!-- made by {maker}: begin -->"


def write(maker: str, made: str) -> None:
    """Puts what was made into its block.

    Raises:
        SystemExit: There is no such block, or several.
    """
    text = PAGE.read_text(encoding="utf-8")
    block = f"{begin(maker)}\n{made}\n{END}"
    text, count = re.subn(f"{begin(maker)}.*?{END}", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{maker}: {PAGE.name} must have one block {begin(maker)}")
    PAGE.write_text(text, encoding="utf-8")
