"""Verifying and timing a group of calls, in the same rounds."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import peers, report, timing, verify
from benchmarks.modes import Builder, image_traffic
from benchmarks.problems import Problem, Shape
from benchmarks.providers import PROVIDERS
from benchmarks.yardsticks import YARDSTICKS, Yardstick
from gradops import _measure

WHOLE, LAST, SMALL = "every example", "the last example", "a small shape"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a section is to do."""

    shapes: Sequence[Shape]
    providers: Sequence[str]
    variants: Sequence[tuple[str, str]]  # (dtype, penalty) of the sections that have no own.
    rounds: int
    slow_rounds: int
    threads: int = 0
    sparing: bool = True  # The slowest providers at the first shape alone.
    quick: bool = False


@dataclasses.dataclass(frozen=True)
class Target:
    """What a time is compared with: the fastest of these, each a yardstick or a `Timed.name`."""

    names: Sequence[str]
    floor: float | None = None
    aim: float | None = None


@dataclasses.dataclass(frozen=True)
class Timed:
    """One call to time, and what it is compared with."""

    provider: str
    mode: str
    problem: Problem
    targets: Sequence[Target] = ()

    @property
    def name(self) -> str:
        """Unique in a group."""
        return f"{self.provider} {self.mode}, {self.problem.dtype} {self.problem.label}"

    @property
    def builder(self) -> Builder:
        """What makes the call."""
        return {**PROVIDERS, **peers.PEERS}[self.provider][self.mode]


def measure(
    section: str, group: Sequence[Timed], settings: Settings, checked: str = WHOLE
) -> list[report.Row]:
    """Check every call against the oracle, then time them and the yardsticks in the same rounds.

    Args:
        section: Of the rows.
        group: What to time.
        settings: Rounds.
        checked: What is checked at this shape, besides everything at a small one: `WHOLE`, `LAST`
            or, nothing, `SMALL`.

    Returns:
        A row for each call and target, then the yardsticks' own.

    Raises:
        VerificationError: A loss or a gradient is wrong; nothing was timed.
    """
    problem = group[0].problem
    with progress(f"{section} {list(problem.shape)}"):
        calls = checked_calls(group, checked)
        sticks = _yardsticks(group)
        for name, stick in sticks.items():
            stick.call()
            calls[name] = stick.call
        samples = timing.interleave(calls, settings.rounds, settings.slow_rounds)
    return _rows(section, group, sticks, samples)


def checked_calls(group: Sequence[Timed], checked: str) -> dict[str, timing.Call]:
    """The calls by `Timed.name`, each called once and found right; see `measure`.

    Raises:
        VerificationError: A loss or a gradient is wrong.
    """
    oracles: dict[Problem, verify.Oracle] = {}
    calls: dict[str, timing.Call] = {}
    for timed in group:
        provider, mode, problem = timed.provider, timed.mode, timed.problem
        verify.check_small(provider, mode, timed.builder, problem)
        call = timed.builder(problem)
        result = call()
        if checked != SMALL:
            if problem not in oracles:
                oracles[problem] = verify.Oracle(problem, whole=checked == WHOLE)
            oracles[problem].check(provider, mode, result)
        calls[timed.name] = call
    return calls


def _yardsticks(group: Sequence[Timed]) -> dict[str, Yardstick]:
    sticks: dict[str, Yardstick] = {}
    for timed in group:
        for target in timed.targets:
            for name in target.names:
                if name in YARDSTICKS and name not in sticks:
                    sticks[name] = YARDSTICKS[name](timed.problem)
    return sticks


def _rows(
    section: str,
    group: Sequence[Timed],
    sticks: Mapping[str, Yardstick],
    samples: Mapping[str, list[float]],
) -> list[report.Row]:
    times = {name: _measure.median_and_percentiles(values) for name, values in samples.items()}
    medians = {name: median for name, (median, _, _) in times.items()}

    def row(provider: str, mode: str, problem: Problem, name: str, size: int) -> report.Row:
        median, p20, p80 = (1e3 * seconds for seconds in times[name])
        return report.Row(
            section,
            provider,
            mode,
            problem.shape,
            problem.dtype,
            problem.label,
            median_ms=median,
            p20_ms=p20,
            p80_ms=p80,
            gb_per_s=size / medians[name] / 1e9,
        )

    rows = []
    for timed in group:
        size = image_traffic(timed.mode) * timed.problem.y_pred.nbytes
        alone = row(timed.provider, timed.mode, timed.problem, timed.name, size)
        for target in timed.targets:
            against = min(target.names, key=medians.__getitem__)
            compared = dataclasses.replace(
                alone,
                ratio_to_yardstick=medians[timed.name] / medians[against],
                yardstick=against,
                floor=target.floor,
                aim=target.aim,
            )
            rows.append(compared)
        if not timed.targets:
            rows.append(alone)
    for name, stick in sticks.items():
        rows.append(row(report.YARDSTICK, name, group[0].problem, name, stick.bytes))
    return rows


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """Says on standard error what is being done, and how long it took."""
    print(f"{what} ...", end=" ", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
