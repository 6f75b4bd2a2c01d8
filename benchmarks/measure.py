"""Verifying and timing a group of calls, in the same rounds, on any device."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import report, verify
from benchmarks.attempts import attempt
from benchmarks.cases import Entry, Settings, Timed
from benchmarks.device import Device
from benchmarks.modes import has_gradient, image_traffic
from benchmarks.problems import Problem

WHOLE, LAST, SMALL = "every example", "the last example", "a small shape"


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
    problem = group[0].problem
    with progress(f"{section} {list(problem.shape)} {problem.dtype}"):
        inputs: dict[Problem, Any] = {}
        entries = prepare(section, group, settings, checked, inputs)
        entries += _baselines(section, group, also, settings, inputs)
        take_samples(entries, settings)
        rows = _rows(entries)
        if with_memory:
            timed = [e for e in entries if e.samples and e.timed.provider != report.BASELINE]
            rows += [row for entry in timed for row in _memory(entry, settings.device)]
    return rows


def prepare(
    section: str,
    group: Sequence[Timed],
    settings: Settings,
    checked: str,
    inputs: dict[Problem, Any],
) -> list[Entry]:
    """Makes every call of a group once, and checks what it returns; see `measure`.

    What the device makes of the group's problems is added to `inputs`.
    """
    device = settings.device
    oracles: dict[Problem, verify.Oracle] = {}

    def make(entry: Entry) -> None:
        timed = entry.timed
        provider, mode, problem = timed.provider, timed.mode, timed.problem
        if timed.is_checked:
            device.check_small(provider, mode, problem)
        if problem not in inputs:
            inputs[problem] = device.prepare(problem)
        start = time.perf_counter()
        entry.call = device.providers[provider][mode](inputs[problem])
        device.expect(inputs[problem])
        result = entry.call()
        entry.first_s = time.perf_counter() - start
        if timed.is_checked and checked != SMALL:
            if problem not in oracles:
                oracles[problem] = verify.Oracle(problem, whole=checked == WHOLE)
            oracles[problem].check(provider, mode, result, device.read)

    entries = []
    for timed in group:
        entry = Entry(section, timed, image_traffic(timed.mode) * timed.problem.nbytes)
        _, entry.note = settings.attempt(timed.name, lambda: make(entry), in_time=True)  # noqa: B023
        entries.append(entry)
    return entries


def _baselines(
    section: str,
    group: Sequence[Timed],
    also: Sequence[str],
    settings: Settings,
    inputs: Mapping[Problem, Any],
) -> list[Entry]:
    """The baselines of a group, each called once; those that fail are left out."""
    makers = settings.device.baselines
    problems = dict.fromkeys(also, group[0].problem)
    for timed in group:
        for name in (name for target in timed.targets for name in target.names):
            problems.setdefault(name, timed.problem)

    def make(name: str, problem: Problem) -> Entry:
        baseline = makers[name](inputs[problem])
        baseline.call()
        timed = Timed(report.BASELINE, name, group[0].problem)
        return Entry(section, timed, baseline.bytes, baseline.call)

    made = [
        settings.attempt(name, lambda: make(name, problem))[0]  # noqa: B023
        for name, problem in problems.items()
        if name in makers and problem in inputs
    ]
    return [entry for entry in made if entry is not None]


def take_samples(entries: Sequence[Entry], settings: Settings) -> None:
    """Times those that are ready, in the same rounds."""
    device = settings.device
    ready = [entry for entry in entries if not entry.note]
    calls = {e.timed.name: e.make_call if device.goes_on else e.call for e in ready}
    samples, note = settings.attempt(
        "timing", lambda: device.interleave(calls, settings.rounds, settings.slow_rounds)
    )
    for entry in ready:
        entry.note = entry.note or note
        entry.samples = () if samples is None or entry.note else samples[entry.timed.name]


def _rows(entries: Sequence[Entry]) -> list[report.Row]:
    """A row for each entry and what it is compared with; one for an entry that has nothing."""
    medians = {entry.timed.name: entry.median for entry in entries if entry.samples}
    rows = []
    for entry in entries:
        compared = []
        for target in entry.timed.targets if entry.samples else ():
            names = [name for name in target.names if name in medians]
            if names:
                against = min(names, key=medians.__getitem__)
                ratio = entry.median / medians[against]
                compared.append(entry.row().against(against, ratio, target.floor, target.aim))
        if entry.samples or entry.timed.provider != report.BASELINE:
            rows += compared or [entry.row()]
    return rows


def _memory(entry: Entry, device: Device) -> list[report.Row]:
    """Bytes at the peak of a call: beyond the images, and beyond the results too."""
    timed = entry.timed
    peak, note = attempt(f"memory of {timed.name}", lambda: device.peak(entry.call))
    if peak is None and not note:
        return []
    outputs = 4 * timed.problem.shape[0] + has_gradient(timed.mode) * timed.problem.nbytes
    if peak is not None and device.gives_results(timed.provider):
        peak += outputs
    row = dataclasses.replace(entry.empty_row(), section="memory", note=note)
    return [report.with_memory(row, peak, outputs)]


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """Says on standard error what is being done, and how long it took."""
    print(f"{what} ...", end=" ", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
