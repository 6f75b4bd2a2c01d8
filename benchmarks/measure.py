"""Verifying and timing a group of calls, in the same rounds, on any device."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from benchmarks import report, verify
from benchmarks.attempts import Guarded, attempt
from benchmarks.device import Device
from benchmarks.modes import Baseline, has_gradient, image_traffic
from benchmarks.problems import NAMED, Problem, Shape, make_problem
from gradops import _measure

WHOLE, LAST, SMALL = "every example", "the last example", "a small shape"
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
        """Of the default options but for the penalty."""
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
        """Unique in a group."""
        return f"{self.provider} {self.mode}, {self.problem.dtype} {self.problem.label}"


@dataclasses.dataclass(frozen=True)
class Ready:
    """A call that was made once, in `first_s` seconds with making it, and found right."""

    call: Callable[[], Any]
    first_s: float


def measure(
    section: str,
    group: Sequence[Timed],
    settings: Settings,
    checked: str = WHOLE,
    also: Sequence[str] = (),
    with_memory: bool = False,
) -> list[report.Row]:
    """Check every call against the oracle, then time them and the baselines in the same rounds.

    Args:
        section: Of the rows.
        group: What to time.
        settings: Device and rounds.
        checked: What is checked at this shape, besides everything at a small one: `WHOLE`, `LAST`
            or, nothing, `SMALL`.
        also: Baselines to time besides those that are targets.
        with_memory: Whether rows of peak memory follow, where the device can say.

    Returns:
        A row for each call and target, then the baselines' own. What failed has a note.

    Raises:
        VerificationError: A loss or a gradient is wrong, and the device's runs do not go on.
    """
    problem, device = group[0].problem, settings.device
    with progress(f"{section} {list(problem.shape)} {problem.dtype}"):
        inputs: dict[Problem, Any] = {}
        ready, notes = prepare(group, settings, checked, inputs)
        baselines = _baselines(group, also, settings, inputs)
        calls = {name: one.call for name, one in [*ready.items(), *baselines.items()]}
        if device.goes_on:
            calls = {name: Guarded(call) for name, call in calls.items()}
        samples, note = settings.attempt(
            f"{section}: timing",
            lambda: device.interleave(calls, settings.rounds, settings.slow_rounds),
        )
        notes |= {n: note or getattr(call, "note", "") for n, call in calls.items()}
        notes = {name: note for name, note in notes.items() if note}
        samples = {name: times for name, times in (samples or {}).items() if name not in notes}
        rows = _rows(section, group, ready, notes, baselines, samples)
        if with_memory:
            done = [timed for timed in group if timed.name in samples]
            rows += [row for timed in done for row in _memory(timed, ready[timed.name], device)]
    return rows


def prepare(
    group: Sequence[Timed], settings: Settings, checked: str, inputs: dict[Problem, Any]
) -> tuple[dict[str, Ready], dict[str, str]]:
    """The calls by `Timed.name`, found right, and notes why others are not there; see `measure`.

    Args:
        group: What to prepare.
        settings: The device.
        checked: What is checked.
        inputs: What the device made of problems; those of the group are added.

    Raises:
        VerificationError: A loss or a gradient is wrong, and the device's runs do not go on.
    """
    device = settings.device
    oracles: dict[Problem, verify.Oracle] = {}

    def make(timed: Timed) -> Ready:
        provider, mode, problem = timed.provider, timed.mode, timed.problem
        if timed.is_checked:
            device.check_small(provider, mode, problem)
        if problem not in inputs:
            inputs[problem] = device.prepare(problem)
        start = time.perf_counter()
        call = device.providers[provider][mode](inputs[problem])
        device.expect(inputs[problem])
        result = call()
        first_s = time.perf_counter() - start
        if timed.is_checked and checked != SMALL:
            if problem not in oracles:
                oracles[problem] = verify.Oracle(problem, whole=checked == WHOLE)
            oracles[problem].check(provider, mode, result, device.read)
        return Ready(call, first_s)

    ready: dict[str, Ready] = {}
    notes: dict[str, str] = {}
    for timed in group:
        made, note = settings.attempt(timed.name, lambda: make(timed), in_time=True)  # noqa: B023
        if made is None:
            notes[timed.name] = note
        else:
            ready[timed.name] = made
    return ready, notes


def _baselines(
    group: Sequence[Timed], also: Sequence[str], settings: Settings, inputs: Mapping[Problem, Any]
) -> dict[str, Baseline]:
    """Those of the group by name, each called once."""
    device = settings.device
    baselines: dict[str, Baseline] = {}
    named = [(name, t.problem) for t in group for target in t.targets for name in target.names]
    for name, problem in [*((name, group[0].problem) for name in also), *named]:
        if name in device.baselines and name not in baselines and problem in inputs:
            made, _ = settings.attempt(
                name,
                lambda: _called(device.baselines[name](inputs[problem])),  # noqa: B023
            )
            if made:
                baselines[name] = made
    return baselines


def _called(baseline: Baseline) -> Baseline:
    baseline.call()
    return baseline


def timed_row(
    section: str,
    provider: str,
    mode: str,
    problem: Problem,
    samples: Sequence[float],
    size: float | None = None,
    first_s: float | None = None,
) -> report.Row:
    """A row of samples in seconds and of the bytes that a call moves."""
    median, p20, p80 = _measure.median_and_percentiles(samples)
    return dataclasses.replace(
        empty_row(section, provider, mode, problem),
        median_ms=1e3 * median,
        p20_ms=1e3 * p20,
        p80_ms=1e3 * p80,
        first_s=first_s,
        gb_per_s=None if size is None else size / median / 1e9,
    )


def empty_row(section: str, provider: str, mode: str, problem: Problem) -> report.Row:
    """A row without figures."""
    return report.Row(section, provider, mode, problem.shape, problem.dtype, problem.label)


def _rows(
    section: str,
    group: Sequence[Timed],
    ready: Mapping[str, Ready],
    notes: Mapping[str, str],
    baselines: Mapping[str, Baseline],
    samples: Mapping[str, list[float]],
) -> list[report.Row]:
    medians = {name: _measure.median_and_percentiles(times)[0] for name, times in samples.items()}
    rows = []
    for timed in group:
        name, provider, mode, problem = timed.name, timed.provider, timed.mode, timed.problem
        if name in notes:
            floor = timed.targets[0].floor if timed.targets else None
            row = empty_row(section, provider, mode, problem)
            rows.append(dataclasses.replace(row, floor=floor, note=notes[name]))
            continue
        size = image_traffic(mode) * problem.nbytes
        first_s = ready[name].first_s
        alone = timed_row(section, provider, mode, problem, samples[name], size, first_s)
        compared = []
        for target in timed.targets:
            against = min(filter(medians.get, target.names), key=medians.__getitem__, default=None)
            if against is not None:
                ratio = medians[name] / medians[against]
                compared.append(alone.against(against, ratio, target.floor, target.aim))
        rows += compared or [alone]
    for name, baseline in baselines.items():
        if name in samples:
            problem, times = group[0].problem, samples[name]
            size = baseline.bytes or None
            rows.append(timed_row(section, report.BASELINE, name, problem, times, size))
    return rows


def _memory(timed: Timed, ready: Ready, device: Device) -> list[report.Row]:
    """Bytes at the peak of a call: beyond the images, and beyond the results too."""
    row = empty_row("memory", timed.provider, timed.mode, timed.problem)
    peak, note = attempt(f"memory of {timed.name}", lambda: device.peak(ready.call))
    if note:
        return [report.with_memory(dataclasses.replace(row, note=note), None, 0)]
    if peak is None:
        return []
    outputs = 4 * timed.problem.shape[0] + has_gradient(timed.mode) * timed.problem.nbytes
    given = outputs if device.gives_results(timed.provider) else 0
    return [report.with_memory(row, peak + given, outputs)]


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """Says on standard error what is being done, and how long it took."""
    print(f"{what} ...", end=" ", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
