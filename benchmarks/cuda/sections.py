"""What is measured on the GPU: each section is a function from settings to rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from benchmarks.cases import Settings, Target, Timed
from benchmarks.cuda import small
from benchmarks.cuda.buffers import problem_of
from benchmarks.cuda.providers import COPY, FLOORS, OURS, READ, TRIAD
from benchmarks.device import Section
from benchmarks.measure import LAST, measure
from benchmarks.modes import FORWARD, LOSS_AND_GRADIENT
from benchmarks.report import Row

# The share of the bandwidth that the baseline with the same traffic reaches.
_SHARES = {"float32": 0.90, "bfloat16": 0.85, "float16": 0.85}
_AIM = 0.95
_PEER_ROUNDS = 20


def bandwidth(settings: Settings) -> Iterator[list[Row]]:
    """The fused kernels against the card's memory, every shape in every dtype."""
    for shape in settings.shapes:
        for dtype in settings.dtypes:
            problem = problem_of(shape, dtype)
            floors = 1 / _SHARES[dtype], 1 / _AIM
            group = [
                Timed(OURS, LOSS_AND_GRADIENT, problem, [Target([TRIAD], *floors)]),
                Timed(OURS, FORWARD, problem, [Target([READ], *floors)]),
            ]
            yield measure("bandwidth", group, settings, LAST, also=[COPY])


def peers(settings: Settings) -> Iterator[list[Row]]:
    """Other libraries, time and memory: every shape in float32, the first in the other dtypes."""
    few = dataclasses.replace(settings, rounds=min(settings.rounds, _PEER_ROUNDS))
    for dtype in settings.dtypes:
        is_first = dtype == settings.dtypes[0]
        # Floors are of float32, which other libraries are made for.
        floors = {n: 1 / floor for n, floor in FLOORS.items()} if dtype == "float32" else {}
        for shape in settings.shapes if is_first else settings.shapes[:1]:
            problem = problem_of(shape, dtype)
            others = [Timed(name, LOSS_AND_GRADIENT, problem) for name in settings.providers]
            targets = [Target([other.name], floors.get(other.provider)) for other in others]
            group = [Timed(OURS, LOSS_AND_GRADIENT, problem, targets), *others]
            yield measure("peers", group, few, LAST, with_memory=True)


#: The sections by name, in the order in which they run: what is ours first.
SECTIONS: dict[str, Section] = {"bandwidth": bandwidth, "small": small.small, "peers": peers}
