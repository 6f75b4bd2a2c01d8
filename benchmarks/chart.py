"""Times, memory and shares of the bandwidth, as a chart of the CPU or of the GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.modes import FORWARD, LOSS_AND_GRADIENT, TRAINING_STEP
from benchmarks.problems import format_shape
from benchmarks.report import BASELINE, Row

BLACK, GREY, HIGHLIGHT = "#222222", "#888888", "#c1121f"
_SUBTRACT, _TRIAD = "tf.function(p - t)", "triad a - b"
_NAMES = {
    "op-function": "gradops",
    "tf-function": "composition, tf.function",
    "tf-eager": "composition, eager",
    "tf-xla": "composition, XLA",
    "opencv": "opencv, forward only",
}
_OTHERS = (
    "op-eager",
    "op-xla",
    "kernel",
)  # Other ways to call gradops: not in the chart.
_COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#b8a800", "#7f3c8d")
_DTYPE_COLOURS = {"float32": HIGHLIGHT, "bfloat16": "#0072b2", "float16": "#e69f00"}
_MARKS = {LOSS_AND_GRADIENT: ("o", "loss and gradient"), FORWARD: ("v", "loss alone")}


def draw(rows: Sequence[Row], about: Mapping[str, str], path: Path) -> None:
    """Writes a PNG of what there is.

    Args:
        rows: Of a run.
        about: Metadata, which says of what device they are.
        path: Where the image goes.

    Raises:
        LookupError: There are no times.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = _draw_gpu(rows, pyplot) if "gpu" in about else _draw_cpu(rows, pyplot)
    machine = about.get("gpu") or f"{about['cpu']}, {about['threads']} threads"
    figure.text(0.988, 0.965, machine, ha="right", va="top", fontsize=9, color=GREY)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_cpu(rows: Sequence[Row], pyplot: Any) -> Any:
    """Time against image size, and memory at the first shape if its rows are there."""
    lines = _lines(rows)
    bars = [row for row in _memory(rows, TRAINING_STEP) if row.provider not in _OTHERS]
    if bars:
        panels = {"width_ratios": [1.75, 1], "wspace": 0.42}
        figure, (axes, right) = pyplot.subplots(1, 2, figsize=(12, 4.9), gridspec_kw=panels)
    else:
        figure, axes = pyplot.subplots(figsize=(9, 5.2))
    colours = _draw_lines(axes, lines)
    if bars:
        _draw_memory(right, bars, colours)
        image = 4 * math.prod(bars[0].shape) / 2**20
        right.axvline(image, color=BLACK, linewidth=1, linestyle=":", zorder=0)
        right.set_xlabel(f"images {format_shape(bars[0].shape)}; dotted: one of them", loc="left")
    _title(figure, "A training step: Sobel l1 loss and its gradient, float32, 3 channels")
    right_edge = 0.985 if bars else 0.82
    figure.subplots_adjust(left=0.055, right=right_edge, top=0.85, bottom=0.115)
    return figure


def _draw_gpu(rows: Sequence[Row], pyplot: Any) -> Any:
    """Times and memory at the first shape, and the share of the bandwidth at every shape."""
    figure, panels = pyplot.subplots(1, 3, figsize=(14, 4.9), width_ratios=[1.2, 1, 1.1])
    shape = next((row.shape for row in rows if row.section == "peers"), ())
    here = [row for row in rows if (row.shape, row.dtype) == (shape, "float32")]
    _draw_times(panels[0], here)
    panels[0].set_xlabel(f"float32 {format_shape(shape)}; dotted: the triad a - b", loc="left")
    _draw_memory(panels[1], _memory(here, LOSS_AND_GRADIENT), {})
    panels[1].set_xlabel(f"float32 {format_shape(shape)}", loc="left")
    _draw_shares(panels[2], rows)
    _title(figure, "Sobel l1 loss and its gradient on a GPU")
    figure.subplots_adjust(left=0.02, right=0.985, top=0.85, bottom=0.13, wspace=0.2)
    return figure


def _title(figure: Any, title: str) -> None:
    figure.suptitle(title, x=0.012, y=0.985, ha="left", fontsize=13, weight="bold")


def _lines(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """(megapixels, ms) by provider, the slowest at the largest size first."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.section == "chart" and row.median_ms is not None:
            name = row.mode if row.provider == BASELINE else row.provider
            _, height, width, _ = row.shape
            lines.setdefault(name, []).append((height * width / 1e6, row.median_ms))
    if not lines:
        raise LookupError("there are no times of the section chart")
    return dict(sorted(lines.items(), key=lambda item: -item[1][-1][1]))


def _memory(rows: Sequence[Row], mode: str) -> list[Row]:
    """Peaks at the first shape of the section memory, where the system said something."""
    peaks = [row for row in rows if (row.section, row.mode) == ("memory", mode)]
    peaks = [row for row in peaks if isinstance(row.peak_extra_mib, float)]
    return [row for row in peaks if row.shape == peaks[0].shape]


def _draw_lines(axes: Any, lines: dict[str, list[tuple[float, float]]]) -> dict[str, str]:
    """Draws the lines; returns the colours by provider."""
    unused = iter(_COLOURS)
    colours: dict[str, str] = {}
    ends = []
    for name, points in lines.items():
        if _is_fused(name):
            style: dict[str, Any] = dict(color=HIGHLIGHT, linewidth=2.8, zorder=3)
        elif name == _SUBTRACT:
            style = dict(color=BLACK, linewidth=1.6, linestyle="--")
        else:
            style = dict(color=next(unused, GREY), linewidth=1.6)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3.5, **style)
        colours[name] = style["color"]
        ends.append((points[-1], _NAMES.get(name, name), style["color"]))
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("megapixels of one image", loc="left")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.5g}")
    axes.minorticks_off()
    axes.grid(True, which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("milliseconds", loc="left", fontsize=10.5)
    _label_ends(axes, ends)
    return colours


def _draw_times(axes: Any, rows: Sequence[Row]) -> None:
    """Milliseconds of every provider; the triad as a line."""
    seen: dict[str, float] = {}
    for row in rows:
        if row.median_ms is not None and row.section == "peers":
            seen.setdefault(row.provider, row.median_ms)
        elif row.median_ms is not None and row.mode == _TRIAD:
            axes.axvline(row.median_ms, color=BLACK, linewidth=1, linestyle=":", zorder=0)
    _draw_bars(axes, seen, {}, "{:.3g}")
    axes.set_title("milliseconds", loc="left", fontsize=10.5)


def _draw_memory(axes: Any, rows: Sequence[Row], colours: Mapping[str, str]) -> None:
    """A bar of MiB for each provider."""
    peaks = {row.provider: float(row.peak_extra_mib or 0) for row in rows}
    _draw_bars(axes, peaks, colours)
    axes.set_title("MiB of memory beyond the two images", loc="left", fontsize=10.5)


def _draw_shares(axes: Any, rows: Sequence[Row]) -> None:
    """Per cent of the bandwidth of a kernel with the same traffic that computes nothing."""
    ours = [row for row in rows if row.section == "bandwidth" and row.ratio_to_baseline]
    shapes = list(dict.fromkeys(row.shape for row in ours))
    for row in ours:
        mark, _ = _MARKS[row.mode]
        place = shapes.index(row.shape) + 0.14 * (list(_DTYPE_COLOURS).index(row.dtype) - 1)
        share = 100 / (row.ratio_to_baseline or 1)
        axes.plot(place, share, mark, color=_DTYPE_COLOURS[row.dtype], markersize=6, alpha=0.85)
    for mark, name in _MARKS.values():
        axes.plot([], [], mark, color=GREY, label=name)
    for name, colour in _DTYPE_COLOURS.items():
        axes.plot([], [], "s", color=colour, label=name)
    axes.axhline(100, color=BLACK, linewidth=1, linestyle=":")
    names = ["{}x{}x\n{}x{}".format(*shape) for shape in shapes]
    axes.set_xticks(range(len(shapes)), names)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(0, max(105, axes.get_ylim()[1]))
    axes.legend(fontsize=8, frameon=False, loc="lower left", ncols=2)
    axes.set_title("% of the bandwidth of a - b, or of reading a and b", loc="left", fontsize=10.5)


def _is_fused(provider: str) -> bool:
    return provider in ("op-function", "gradops")


def _draw_bars(
    axes: Any, values: Mapping[str, float], colours: Mapping[str, str], form: str = "{:.0f}"
) -> None:
    """Horizontal bars by provider, the smallest on top, with names above and values beside them."""
    for place, (provider, value) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        fused = _is_fused(provider)
        colour = colours.get(provider, HIGHLIGHT if fused else GREY)
        axes.barh(place, value, color=colour, height=0.46)
        text = dict(color=colour, weight="bold" if fused else "normal", fontsize=9)
        box = dict(facecolor="white", edgecolor="none", pad=1)
        axes.text(0, place - 0.29, _NAMES.get(provider, provider), va="bottom", bbox=box, **text)
        beside = dict(xytext=(5, 0), textcoords="offset points")
        axes.annotate(form.format(value), (value, place), va="center", **beside, **text)
    axes.set_ylim(len(values) - 0.6, -0.75)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(x=0.12)


def _label_ends(axes: Any, ends: Sequence[tuple[tuple[float, float], str, str]]) -> None:
    """Names beside the lines' ends, the slowest first, moved down where they would touch."""
    height = axes.get_window_extent().height * 72 / axes.figure.dpi  # Points.
    apart = 12
    lowest = float("inf")
    for (x, y), text, colour in ends:
        at = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[1] * height
        lowest = min(at, lowest - apart)
        axes.annotate(
            text,
            (x, y),
            xytext=(8, lowest - at),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=9,
            annotation_clip=False,
        )
