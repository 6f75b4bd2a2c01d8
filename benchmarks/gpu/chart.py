"""Times and memory of a loss with gradient on the GPU, and the share of its bandwidth: a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import modes, report
from benchmarks.bars import BLACK, GREY, HIGHLIGHT, Bar
from benchmarks.bars import draw as draw_bars
from benchmarks.gpu import bandwidth, ceilings, comparison
from benchmarks.gpu.providers import OURS
from benchmarks.problems import Shape

_STEP = modes.LOSS_AND_GRADIENT
_COLOURS = {"float32": HIGHLIGHT, "bfloat16": "#0072b2", "float16": "#e69f00"}
_MARKS = {_STEP: ("o", "loss and gradient"), modes.FORWARD: ("v", "loss alone")}


def draw(rows: Sequence[report.Row], about: dict[str, str], path: Path) -> None:
    """Writes a PNG of what there is.

    Args:
        rows: Of a run.
        about: Metadata, for the title.
        path: Where the image goes.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(14, 4.9), width_ratios=[1.2, 1, 1.1])
    shape = _first_shape(rows)
    _draw_times(panels[0], rows, shape)
    _draw_memory(panels[1], rows, shape)
    _draw_shares(panels[2], rows)
    title = "Sobel l1 loss and its gradient on a GPU"
    figure.suptitle(title, x=0.012, y=0.985, ha="left", fontsize=13, weight="bold")
    figure.text(0.988, 0.965, about["gpu"], ha="right", va="top", fontsize=9, color=GREY)
    figure.subplots_adjust(left=0.02, right=0.985, top=0.85, bottom=0.13, wspace=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _first_shape(rows: Sequence[report.Row]) -> Shape:
    return next((row.shape for row in rows if row.section == comparison.SECTION), ())


def _draw_times(axes: Any, rows: Sequence[report.Row], shape: Shape) -> None:
    """Milliseconds of every provider; the triad as a line."""
    seen: dict[str, float] = {}
    for row in rows:
        here = (row.section, row.shape, row.dtype) == (comparison.SECTION, shape, "float32")
        if here and row.median_ms is not None:
            seen.setdefault(row.provider, row.median_ms)
    draw_bars(axes, [_bar(name, value) for name, value in seen.items()], "{:.3g}")
    for row in rows:
        here = (row.section, row.shape, row.dtype) == (bandwidth.SECTION, shape, "float32")
        if here and row.mode == ceilings.TRIAD and row.median_ms is not None:
            axes.axvline(row.median_ms, color=BLACK, linewidth=1, linestyle=":", zorder=0)
    axes.set_title("milliseconds", loc="left", fontsize=10.5)
    axes.set_xlabel(f"float32 {_text(shape)}; dotted: the triad a - b", loc="left")


def _draw_memory(axes: Any, rows: Sequence[report.Row], shape: Shape) -> None:
    """MiB beyond the images, where the library said something."""
    bars = [
        _bar(row.provider, row.peak_extra_mib)
        for row in rows
        if (row.section, row.shape, row.dtype) == (comparison.MEMORY, shape, "float32")
        if isinstance(row.peak_extra_mib, float)
    ]
    draw_bars(axes, bars)
    axes.set_title("MiB of memory beyond the two images", loc="left", fontsize=10.5)
    axes.set_xlabel(f"float32 {_text(shape)}", loc="left")


def _draw_shares(axes: Any, rows: Sequence[report.Row]) -> None:
    """Per cent of the bandwidth of a kernel with the same traffic that computes nothing."""
    ours = [
        row
        for row in rows
        if (row.section, row.provider) == (bandwidth.SECTION, OURS) and row.ratio_to_yardstick
    ]
    shapes = list(dict.fromkeys(row.shape for row in ours))
    for row in ours:
        mark, _ = _MARKS[row.mode]
        place = shapes.index(row.shape) + 0.14 * (list(_COLOURS).index(row.dtype) - 1)
        share = 100 / (row.ratio_to_yardstick or 1)
        axes.plot(place, share, mark, color=_COLOURS[row.dtype], markersize=6, alpha=0.85)
    for mark, name in _MARKS.values():
        axes.plot([], [], mark, color=GREY, label=name)
    for name, colour in _COLOURS.items():
        axes.plot([], [], "s", color=colour, label=name)
    axes.axhline(100, color=BLACK, linewidth=1, linestyle=":")
    names = ["{}x{}x\n{}x{}".format(*shape) for shape in shapes]
    axes.set_xticks(range(len(shapes)), names)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(0, max(105, axes.get_ylim()[1]))
    axes.legend(fontsize=8, frameon=False, loc="lower left", ncols=2)
    axes.set_title("% of the bandwidth of a - b, or of reading a and b", loc="left", fontsize=10.5)


def _bar(provider: str, value: float | str | None) -> Bar:
    is_fused = provider == OURS
    return Bar(provider, float(value or 0), HIGHLIGHT if is_fused else GREY, is_fused)


def _text(shape: Shape) -> str:
    return report.format_shape(shape)
