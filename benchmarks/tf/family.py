"""The other stencils, responses and penalties of the kernel against sobel/component/l1."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from benchmarks.cases import Settings, Target, Timed
from benchmarks.measure import LAST, SMALL, measure, prepare, progress, take_samples
from benchmarks.modes import FORWARD, LOSS_AND_GRADIENT
from benchmarks.problems import NAMED, Problem
from benchmarks.report import Row
from gradops._inputs import checks

_FLOOR = 2.5
_FLOOR_OF_COSTLY = 4.0
_COSTLY = {"direction", "normal", "log", "power"}
_POWER = {"penalty": "power", "alpha": 4.0}
# The slope jumps at |r| = delta; the default of 1 is the direction residual of a right angle.
_TRUNCATED = {"penalty": "truncated", "delta": 0.9}
_UNEVEN_POWER = {"penalty": "power", "alpha": 2.3}  # not a product
_PRODUCT_SHAPE, _QUICK_PRODUCT_SHAPE = (4, 512, 512, 3), (1, 16, 16, 3)
_SCREENING_ROUNDS = 3
_FINALISTS = 3
_MODES = (LOSS_AND_GRADIENT, FORWARD)


def _options_of(stencil: str, response: str, penalty: str) -> dict[str, Any]:
    options = {"stencil": stencil, "response": response, "penalty": penalty}
    return options | {"power": _POWER, "truncated": _TRUNCATED}.get(penalty, {})


def _one_at_a_time() -> list[dict[str, Any]]:
    names = checks.allowed_names()
    others = [
        _options_of(**{**NAMED, option: name})
        for option in NAMED
        for name in names[option]
        if name != NAMED[option]
    ]
    return [*others, NAMED | _UNEVEN_POWER]


def _everything() -> list[dict[str, Any]]:
    names = checks.allowed_names()
    choices = itertools.product(*(names[option] for option in NAMED))
    return [_options_of(*choice) for choice in choices if choice != tuple(NAMED.values())]


def _group(plain: Problem, mode: str, combinations: list[dict[str, Any]]) -> list[Timed]:
    """The plain kernel, then the others against it."""
    reference = Timed("kernel", mode, plain)
    group = [reference]
    for options in combinations:
        costly = _COSTLY & {options["response"], options["penalty"]}
        target = Target([reference.name], _FLOOR_OF_COSTLY if costly else _FLOOR)
        group.append(Timed("kernel", mode, plain.with_options(**options), [target]))
    return group


def family(settings: Settings) -> Iterator[list[Row]]:
    """Every other stencil, response and penalty, one at a time, at the first shape."""
    plain = settings.problem(settings.shapes[0])
    group = [timed for mode in _MODES for timed in _group(plain, mode, _one_at_a_time())]
    yield measure("family", group, settings, LAST)


def product(settings: Settings) -> Iterator[list[Row]]:
    """The slowest of all combinations: found in few rounds, and then timed again."""
    plain = settings.problem(_QUICK_PRODUCT_SHAPE if settings.quick else _PRODUCT_SHAPE)
    for mode in _MODES:
        group = _group(plain, mode, _everything())
        few = dataclasses.replace(settings, rounds=_SCREENING_ROUNDS)
        with progress(f"all combinations, {mode}"):
            entries = prepare("product", group, few, SMALL, {})
            take_samples(entries, few)
        median = {entry.timed.name: entry.median for entry in entries}
        slowest = sorted(group[1:], key=lambda timed: -median[timed.name])[:_FINALISTS]
        rows = measure("product", [group[0], *slowest], settings, LAST)
        yield [rows[0], max(rows[1:], key=lambda row: row.measured or 0)]
