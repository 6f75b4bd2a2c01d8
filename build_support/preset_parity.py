"""The parity table of the presets, in Markdown: how far each is from its definition.

    python build_support/preset_parity.py            prints it
    python build_support/preset_parity.py --write    puts it into docs/presets.md

The definitions are in tests/preset_references_*.py, whose dictionaries PRESETS this collects: for
each preset the largest difference from its definition in float64, over random and awkward inputs,
relative to the largest entry, of the losses and of their gradient by y_pred.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "presets.md"
BEGIN = "<!-- made by build_support/preset_parity.py: begin -->"
END = "<!-- end -->"
DTYPES = ("float32", "float64")
HEAD = (
    "| preset | source | how | loss, float32 | gradient, float32 | loss, float64 | "
    "gradient, float64 |\n| --- | --- | --- | --- | --- | --- | --- |"
)


def cases() -> dict[str, Any]:
    """All cases by the name of the preset, as the modules of references have them."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    found: dict[str, Any] = {}
    for path in sorted((ROOT / "tests").glob("preset_references_*.py")):
        for name, case in importlib.import_module(path.stem).PRESETS.items():
            if name in found:
                raise ValueError(f"{path.name}: there is a case of {name!r} already")
            found[name] = case
    return found


def table() -> str:
    """The table; raises if an error is not finite."""
    every = cases()
    from preset_tools import worst

    rows = [HEAD]
    for name, case in every.items():
        errors = [error for dtype in DTYPES for error in worst(case, dtype)]
        if not all(error < 1 for error in errors):  # nor is NaN
            raise ValueError(f"{name} is far from its definition: {errors}")
        preset, *options = name.split(", ")
        shown = f"`{preset}`" + "".join(f", `{option}`" for option in options)
        numbers = " | ".join(f"{error:.0e}" for error in errors)
        rows.append(f"| {shown} | {case.source} | {case.how} | {numbers} |")
    return "\n".join(rows)


def with_table(page: str, new: str) -> str:
    """The page with the table between its markers."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{new}\n{END}{rest.split(END, 1)[1]}"


def main() -> None:
    """Prints the table or writes it into the page."""
    parser = argparse.ArgumentParser(description="The parity table of the presets.")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    new = table()
    print(new)
    if arguments.write:
        PAGE.write_text(with_table(PAGE.read_text(), new))


if __name__ == "__main__":
    main()
