"""Horizontal bars with their names above them, for the charts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

BLACK, GREY, HIGHLIGHT = "#222222", "#888888", "#c1121f"


@dataclasses.dataclass(frozen=True)
class Bar:
    """One bar; that of gradops is set in bold."""

    name: str
    value: float
    colour: str = GREY
    is_fused: bool = False


def draw(axes: Any, bars: Sequence[Bar], form: str = "{:.0f}") -> None:
    """Draws the bars, the smallest on top, with their values beside them."""
    for place, bar in enumerate(sorted(bars, key=lambda bar: bar.value)):
        axes.barh(place, bar.value, color=bar.colour, height=0.46)
        weight = "bold" if bar.is_fused else "normal"
        text = dict(color=bar.colour, weight=weight, fontsize=9)
        box = dict(facecolor="white", edgecolor="none", pad=1)
        axes.text(0, place - 0.29, bar.name, va="bottom", bbox=box, **text)
        beside = dict(xytext=(5, 0), textcoords="offset points")
        axes.annotate(form.format(bar.value), (bar.value, place), va="center", **beside, **text)
    axes.set_ylim(len(bars) - 0.6, -0.75)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(x=0.12)
