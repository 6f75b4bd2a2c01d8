"""Draws the documentation's pictures: `make gallery`, `python -m build_support.gallery NAME`.

Everything shown comes from the library itself; the same versions draw the same pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from build_support.gallery import choices, flow, levels, penalties, residuals, stencils, style

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images" / "gallery"
PICTURES: dict[str, Callable[[], Figure]] = {
    "stencils": stencils.draw_on_photograph,
    "stencil-accuracy": stencils.draw_accuracy,
    "scale": stencils.draw_scale,
    "borders": residuals.draw_borders,
    "responses": residuals.draw_responses,
    "penalties": penalties.draw_curves,
    "penalties-on-photograph": penalties.draw_on_photograph,
    "choices": choices.draw,
    "scales": levels.draw_scales,
    "masks": levels.draw_masks,
    "memory": flow.draw_memory,
    "sweep": flow.draw_sweep,
}


def main(names: list[str], folder: Path = FOLDER) -> int:
    """Draws those of `names`, or all, into the folder; returns the exit status."""
    unknown = sorted(set(names) - set(PICTURES))
    if unknown:
        print(f"no picture {', '.join(unknown)}; there are {', '.join(PICTURES)}", file=sys.stderr)
        return 2
    style.begin()
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        path = folder / f"{name}.png"
        style.write(PICTURES[name](), path)
        print(f"{path.stat().st_size / 1024:6.0f} KiB  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
