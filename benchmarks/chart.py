"""Time against image size for every provider, as a chart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import cases, peers, report
from benchmarks.cases import Settings, Target, Timed
from benchmarks.problems import make_problem
from benchmarks.providers import TRAINING_STEP
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
_BLACK, _GREY = "#222222", "#888888"
_COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#b8a800")
_HIGHLIGHT = "#c1121f"


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
    """Writes a PNG of the rows of `sweep`.

    Args:
        rows: Others are ignored.
        about: Metadata, for the title.
        path: Where the image goes.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.section == SECTION and row.median_ms is not None:
            name = row.mode if row.provider == report.YARDSTICK else row.provider
            _, height, width, _ = row.shape
            lines.setdefault(name, []).append((height * width / 1e6, row.median_ms))
    figure, axes = pyplot.subplots(figsize=(9, 5.5), dpi=120)
    colours = iter(_COLOURS)
    ends = []
    for name, points in sorted(lines.items(), key=lambda item: -item[1][-1][1]):
        if name == _FUSED:
            style: dict[str, Any] = dict(color=_HIGHLIGHT, linewidth=2.6, zorder=3)
        elif name == SUBTRACT:
            style = dict(color=_BLACK, linewidth=1.6, linestyle="--")
        else:
            style = dict(color=next(colours, _GREY), linewidth=1.6)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3.5, **style)
        ends.append((points[-1], _NAMES.get(name, name), style["color"]))
    axes.set(xscale="log", yscale="log", xlabel="megapixels (3 channels, float32)")
    axes.set_ylabel("milliseconds per training step")
    axes.set_title(
        f"Sobel l1 loss and its gradient, {about['cpu']}, {about['threads']} threads", loc="left"
    )
    axes.grid(True, which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _label_ends(axes, ends)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)


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
