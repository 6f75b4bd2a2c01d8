"""What is to be measured, and what became of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from benchmarks import report
from benchmarks.attempts import NotedError, attempt, note_of
from benchmarks.device import Device
from benchmarks.problems import NAMED, Problem, Shape, make_problem
from gradops import _measure

T = TypeVar("T")
_PATIENCE = 90  # Seconds that a provider may take to be made ready and checked.


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a section is to do, and on what."""

    device: Device
    shapes: Sequence[Shape]
    providers: Sequence[str]
    dtypes: Sequence[str]
    penalties: Sequence[str]
    rounds: int
    slow_rounds: int
    threads: int = 0
    sparing: bool = True  # The slowest providers at the first shape alone.
    quick: bool = False
    ends: float | None = None  # By time.monotonic(); what has not begun by then is left out.

    def problem(self, shape: Shape, dtype: str = "float32", penalty: str = "l1") -> Problem:
        """Images and the default options, except for the penalty."""
        return make_problem(shape, dtype, {**NAMED, "penalty": penalty}, threads=self.threads)

    def attempt(
        self, what: str, make: Callable[[], T], in_time: bool = False
    ) -> tuple[T | None, str]:
        """What `make` returns, or None and why not; but what fails ends a run that does not go on.

        Args:
            what: For standard error.
            make: Anything.
            in_time: Whether it is not begun after `ends`, and interrupted if it takes long.
        """
        if not self.device.goes_on:
            return make(), ""
        return attempt(what, make, self._patience if in_time else None)

    def _patience(self) -> int:
        if self.ends is None:
            return 0
        left = self.ends - time.monotonic()
        if left < 0:
            raise TimeoutError("no time was left (--seconds)")
        return max(1, min(_PATIENCE, int(left)))


@dataclasses.dataclass(frozen=True)
class Target:
    """What a time is compared with: the fastest of these, each a baseline or a `Timed.name`."""

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
    is_checked: bool = True  # Here, and not by the section.

    @property
    def name(self) -> str:
        """Unique in a group, where it is what targets name; that of a baseline is its mode."""
        if self.provider == report.BASELINE:
            return self.mode
        return f"{self.provider} {self.mode}, {self.problem.dtype} {self.problem.label}"


def _not_made() -> None:
    raise NotedError("the call was not made")


@dataclasses.dataclass
class Entry:
    """What became of a call of a group: it has samples, or a note why it has none."""

    section: str
    timed: Timed
    size: int  # Bytes that it reads and writes, at least.
    call: Callable[[], Any] = _not_made
    first_s: float | None = None  # Building the call and making it once.
    note: str = ""
    samples: Sequence[float] = ()  # Seconds.

    def make_call(self) -> None:
        """Makes the call, unless it has failed before."""
        if self.note:
            return
        try:
            self.call()
        except Exception as error:
            self.note = note_of(error)

    @property
    def median(self) -> float:
        """The median of the samples."""
        return _measure.median_and_percentiles(self.samples)[0]

    def empty_row(self) -> report.Row:
        """The row without figures."""
        timed, problem = self.timed, self.timed.problem
        what = problem.shape, problem.dtype, problem.label
        return report.Row(self.section, timed.provider, timed.mode, *what, note=self.note)

    def row(self) -> report.Row:
        """The row, complete but for what it is compared with."""
        if not self.samples:
            targets = self.timed.targets
            return dataclasses.replace(
                self.empty_row(), floor=targets[0].floor if targets else None
            )
        median, p20, p80 = _measure.median_and_percentiles(self.samples)
        return dataclasses.replace(
            self.empty_row(),
            median_ms=1e3 * median,
            p20_ms=1e3 * p20,
            p80_ms=1e3 * p80,
            first_s=self.first_s,
            gb_per_s=self.size / median / 1e9 if self.size else None,
        )
