"""Time against image size and memory of a training step for every provider, as a chart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import cases, peers, report
from benchmarks.bars import BLACK, GREY, HIGHLIGHT, Bar
from benchmarks.bars import draw as draw_bars
from benchmarks.cases import Settings, Target, Timed
from benchmarks.modes import TRAINING_STEP
from benchmarks.problems import make_problem
from benchmarks.yardsticks import SUBTRACT

SECTION = "chart"
_CHANNELS = 3
_SIDES = (64, 128, 256, 512, 1024, 2048, 3600)  # 0.004 to 13 megapixels.
_QUICK_SIDES = (16, 32)
_ROUNDS = 3
# Beyond, what other sections check at such sizes is checked at a small one alone.
_CHECKED_SIDE = 1024
_FUSED = "op-function"
_PROVIDERS = (_FUSED, "tf-function", "tf-eager", "tf-xla")
_NAMES = {
    _FUSED: "gradops",
    "tf-function": "composition, tf.function",
    "tf-eager": "composition, eager",
    "tf-xla": "composition, XLA",
    SUBTRACT: "tf.function(p - t)",
    peers.OPENCV: "opencv, forward only",
}
_COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#b8a800")


def sweep(settings: Settings) -> list[report.Row]:
    """Training steps at single images of many sizes: every provider and every installed peer."""
    rows = []
    few = dataclasses.replace(settings, rounds=min(settings.rounds, _ROUNDS), slow_rounds=1)
    for side in _QUICK_SIDES if settings.quick else _SIDES:
        problem = make_problem((1, side, side, _CHANNELS), threads=settings.threads)
        fused = Timed(_FUSED, TRAINING_STEP, problem)
        group = []
        for name in _PROVIDERS:
            against = SUBTRACT if name == _FUSED else fused.name
            group.append(Timed(name, TRAINING_STEP, problem, [Target([against])]))
        for name in [] if settings.quick else peers.available():
            own = problem.with_options(**peers.options_of(name))
            for mode in peers.PEERS[name]:
                group.append(Timed(name, mode, own, [Target([fused.name])]))
        checked = cases.WHOLE if side <= _CHECKED_SIDE else cases.SMALL
        rows += cases.measure(SECTION, group, few, checked)
    return rows


def draw(rows: Sequence[report.Row], about: dict[str, str], path: Path) -> None:
    """Writes a PNG: the times of `sweep`, and memory at the first shape if its rows are there.

    Args:
        rows: Those of other sections are ignored.
        about: Metadata, for the title.
        path: Where the image goes.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    bars = _memory(rows)
    if bars:
        panels = {"width_ratios": [1.75, 1], "wspace": 0.42}
        figure, (axes, right) = pyplot.subplots(1, 2, figsize=(12, 4.9), gridspec_kw=panels)
    else:
        figure, axes = pyplot.subplots(figsize=(9, 5.2))
    colours = _draw_times(axes, _times(rows))
    axes.set_title("milliseconds", loc="left", fontsize=10.5)
    if bars:
        _draw_memory(right, bars, colours)
    title = "A training step: Sobel l1 loss and its gradient, float32, 3 channels"
    figure.suptitle(title, x=0.012, y=0.985, ha="left", fontsize=13, weight="bold")
    machine = f"{about['cpu']}, {about['threads']} threads"
    figure.text(0.988, 0.965, machine, ha="right", va="top", fontsize=9, color=GREY)
    right_edge = 0.985 if bars else 0.82
    figure.subplots_adjust(left=0.055, right=right_edge, top=0.85, bottom=0.115)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _times(rows: Sequence[report.Row]) -> dict[str, list[tuple[float, float]]]:
    """(megapixels, ms) by provider, the slowest at the largest size first."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.section == SECTION and row.median_ms is not None:
            name = row.mode if row.provider == report.YARDSTICK else row.provider
            _, height, width, _ = row.shape
            lines.setdefault(name, []).append((height * width / 1e6, row.median_ms))
    return dict(sorted(lines.items(), key=lambda item: -item[1][-1][1]))


def _memory(rows: Sequence[report.Row]) -> list[report.Row]:
    """Training steps of the first shape of the section memory, where the system said something."""
    steps = [
        row
        for row in rows
        if (row.section, row.mode) == ("memory", TRAINING_STEP)
        and row.provider in (*_PROVIDERS, *peers.PEERS)
        if isinstance(row.peak_extra_mib, float)
    ]
    return [row for row in steps if row.shape == steps[0].shape]


def _draw_times(axes: Any, lines: dict[str, list[tuple[float, float]]]) -> dict[str, str]:
    """Draws the lines; returns the colours by provider."""
    unused = iter(_COLOURS)
    colours: dict[str, str] = {}
    ends = []
    for name, points in lines.items():
        if name == _FUSED:
            style: dict[str, Any] = dict(color=HIGHLIGHT, linewidth=2.8, zorder=3)
        elif name == SUBTRACT:
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
    _label_ends(axes, ends)
    return colours


def _draw_memory(axes: Any, bars: Sequence[report.Row], colours: dict[str, str]) -> None:
    """A bar of MiB for each provider, in the colours of the lines."""
    drawn = []
    for row in bars:
        is_fused = row.provider == _FUSED
        colour = colours.get(row.provider, HIGHLIGHT if is_fused else GREY)
        name = _NAMES.get(row.provider, row.provider)
        drawn.append(Bar(name, float(row.peak_extra_mib or 0), colour, is_fused))
    draw_bars(axes, drawn)
    image = 4 * math.prod(bars[0].shape) / 2**20
    axes.axvline(image, color=BLACK, linewidth=1, linestyle=":", zorder=0)
    axes.set_title("MiB of memory beyond the two images", loc="left", fontsize=10.5)
    shape = report.format_shape(bars[0].shape)
    axes.set_xlabel(f"images {shape}; dotted: one of them", loc="left")


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
