"""How the pictures look: sizes, colours, labels, and small files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
from matplotlib import pyplot

#: Numbers with a sign: blue below 0, white, red above. Numbers without: black, then warm.
SIGNED, UNSIGNED = "RdBu_r", "magma"
INK, QUIET, GRID, RED = "#1f2430", "#6b7280", "#e3e5ea", "#c1121f"
#: In the order of the options; Okabe and Ito's, which the colour-blind tell apart.
COLOURS = ("#c1121f", "#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9")
_PIXELS_PER_INCH = 130
_COLOURS_OF_A_FILE = 256


def begin() -> None:
    """Sets what all figures share."""
    pyplot.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 9,
            "text.color": INK,
            "axes.edgecolor": QUIET,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.labelcolor": INK,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 10,
            "grid.color": GRID,
            "xtick.color": QUIET,
            "ytick.color": QUIET,
            "lines.linewidth": 1.8,
            "legend.frameon": False,
        }
    )


def grid(rows: int, columns: int, side: float = 1.7, **options: Any) -> tuple[Any, np.ndarray]:
    """A figure of rows x columns square panels of `side` inches, without axes."""
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(columns * side, rows * side), squeeze=False, **options
    )
    for panel in axes.flat:
        panel.set_axis_off()
    return figure, axes


def show(panel: Any, image: np.ndarray, limit: float | None = None, **options: Any) -> None:
    """An image in a panel: colours as they are, else [H, W] signed (to +-limit) or unsigned.

    Args:
      panel: Axes of matplotlib.
      image: [H, W, 3] in [0, 1], or [H, W].
      limit: The value of the strongest colour; None takes the 99.5th percentile of |image|.
      **options: signed=False for numbers that have no sign; others are those of imshow.
    """
    signed = options.pop("signed", True)
    if image.ndim == 2:
        limit = strongest([image]) if limit is None else limit
        colours = dict(cmap=SIGNED if signed else UNSIGNED, vmin=-limit if signed else 0)
        options = {**colours, "vmax": limit, **options}
    panel.imshow(np.clip(image, 0, 1) if image.ndim == 3 else image, **options)


def strongest(images: Sequence[np.ndarray]) -> float:
    """The largest 99.5th percentile of |image|."""
    return max(float(np.percentile(np.abs(image), 99.5)) for image in images) or 1.0


def label_row(panel: Any, text: str, note: str = "") -> None:
    """Names a row, left of its first panel."""
    place = dict(xycoords="axes fraction", textcoords="offset points", ha="right")
    panel.annotate(text, (0, 0.5), (-8, 2 if note else 0), va="center", weight="bold", **place)
    if note:
        panel.annotate(note, (0, 0.5), (-8, -10), va="center", color=QUIET, fontsize=8, **place)


def label_column(panel: Any, text: str, note: str = "") -> None:
    """Names a column, above its first panel."""
    place = dict(xycoords="axes fraction", textcoords="offset points", ha="center", va="bottom")
    panel.annotate(text, (0.5, 1), (0, 16 if note else 5), weight="bold", **place)
    if note:
        panel.annotate(note, (0.5, 1), (0, 4), color=QUIET, fontsize=8, **place)


def note_below(panel: Any, text: str) -> None:
    """A line below a panel."""
    panel.annotate(
        text,
        (0.5, 0),
        (0, -3),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="top",
        color=QUIET,
        fontsize=8,
    )


def write(figure: Any, path: Path) -> None:
    """Writes a PNG of few colours, so that it is small; closes the figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_PIXELS_PER_INCH, bbox_inches="tight", pad_inches=0.12)
    pyplot.close(figure)
    image = Image.open(buffer).convert("RGB")
    few = image.quantize(_COLOURS_OF_A_FILE, method=Image.Quantize.MEDIANCUT)
    few.save(path, optimize=True)
