"""How data flows: what a composition keeps in memory, and the sweep of the fused kernels."""

from __future__ import annotations

from typing import Any

from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from build_support.gallery import style

_INPUT, _KEPT, _RESULT, _EMPTY = "#cfd5df", "#f4b183", "#c1121f", "#f6f7f9"
#: Tensors of a composition of tf.image.sobel_edges in the order in which they are made, with
#: their sizes in images: forward, then backward.
COMPOSITION: tuple[tuple[str, int], ...] = (
    ("padded\ny_pred", 1),
    ("edges\nof y_pred", 2),
    ("padded\ny_true", 1),
    ("edges\nof y_true", 2),
    ("difference", 2),
    ("absolute\nvalue", 2),
    ("sign, times\nupstream", 2),
    ("padded\ngradient", 1),
)


def draw_memory() -> Figure:
    """Blocks as wide as the tensors of a training step are large."""
    figure, axes = pyplot.subplots(figsize=(9.6, 2.7))
    for row, name, tensors in ((1, "composition", COMPOSITION), (0, "gradops", ())):
        at = 0.0
        for text, size, colour in (
            ("y_true", 1, _INPUT),
            ("y_pred", 1, _INPUT),
            *((text, size, _KEPT) for text, size in tensors),
            ("gradient", 1, _RESULT),
        ):
            _block(axes, at, 1.5 * row, size, 0.85, text, colour)
            at += size
        axes.text(-0.25, 1.5 * row + 0.42, name, ha="right", va="center", weight="bold")
    axes.text(3.2, 0.42, "and a few rows in the caches", va="center", color=style.QUIET)
    total = 3 + sum(size for _, size in COMPOSITION)
    _bare(axes, (-2.4, total + 0.1), (-0.1, 2.5))
    return figure


def draw_sweep() -> Figure:
    """The rows that lie between the images and row i of the gradient."""
    figure, axes = pyplot.subplots(figsize=(9.6, 4.3))
    rows = range(-3, 4)  # relative to i
    stages: tuple[tuple[str, str, dict[int, str]], ...] = (
        ("images", "read once", {row: _INPUT for row in range(-3, 3)}),
        ("p \N{MINUS SIGN} t, across", "3 rows, in a cache", {row: _KEPT for row in (0, 1, 2)}),
        ("residuals\nand slopes", "3 rows, in a cache", {row: _KEPT for row in (-1, 0, 1)}),
        ("gradient", "written once", {row: _RESULT for row in (-3, -2, -1, 0)}),
    )
    width, step = 2.0, 3.4
    for column, (title, note, filled) in enumerate(stages):
        left = column * step
        middle = left + width / 2
        axes.text(middle, 1.75, title, ha="center", va="bottom", weight="bold")
        axes.text(middle, 1.35, note, ha="center", va="bottom", color=style.QUIET, fontsize=8)
        for row in rows:
            _block(axes, left, -row - 2.6, width, 0.85, "", filled.get(row, _EMPTY))
    for row in rows:
        name = "i" if row == 0 else f"i {'+' if row > 0 else '-'} {abs(row)}"
        axes.text(-0.3, -row - 2.2, name.replace("-", "\N{MINUS SIGN}"), ha="right", va="center")
    # The newest row of each stage, made of the three rows around it in the one before.
    _arrow(axes, (width, -2 - 2.2), (step, -2 - 2.2), "horizontal\ntaps")
    for row in (0, 1, 2):
        _arrow(
            axes, (step + width, -row - 2.2), (2 * step, -1 - 2.2), "vertical\ntaps" * (row == 0)
        )
    for row in (-1, 0, 1):
        last = (2 * step + width, -row - 2.2), (3 * step, -0 - 2.2)
        _arrow(axes, *last, "both,\ntransposed" * (row == -1))
    _bare(axes, (-1.2, 3 * step + width + 0.1), (-5.8, 2.6))
    return figure


def _block(
    axes: Any, left: float, bottom: float, width: float, height: float, text: str, colour: str
) -> None:
    edge = style.GRID if colour == _EMPTY else "white"
    block = Rectangle(
        (left, bottom), width, height, facecolor=colour, edgecolor=edge, linewidth=1.5
    )
    axes.add_patch(block)
    ink = "white" if colour == _RESULT else style.INK
    middle = left + width / 2, bottom + height / 2
    axes.text(*middle, text, ha="center", va="center", fontsize=6.3, color=ink)


def _arrow(axes: Any, begin: tuple[float, float], end: tuple[float, float], text: str) -> None:
    look = dict(arrowstyle="-|>", mutation_scale=9, color=style.QUIET, linewidth=1, shrinkA=2)
    axes.add_patch(FancyArrowPatch(begin, end, shrinkB=2, **look))
    if text:
        middle = (begin[0] + end[0]) / 2
        top = max(begin[1], end[1]) + 0.25
        axes.text(middle, top, text, ha="center", va="bottom", color=style.QUIET, fontsize=8)


def _bare(axes: Any, across: tuple[float, float], down: tuple[float, float]) -> None:
    axes.set(xlim=across, ylim=down)
    axes.set_axis_off()
