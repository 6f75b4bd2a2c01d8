"""Verifying and timing everything on one problem."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import report, timing, verify, yardsticks
from benchmarks.providers import PROVIDERS, TRAFFIC, Problem
from gradops import _measure

Job = tuple[str, str]  # (provider, mode)


def measure(
    problem: Problem, jobs: Sequence[Job], rounds: int, slow_rounds: int
) -> list[report.Row]:
    """Check every job against the oracle, then time them and the yardsticks in the same rounds.

    Args:
        problem: What to compute.
        jobs: What is to compute it.
        rounds: Samples of each.
        slow_rounds: Samples of slow ones; see `timing.interleave`.

    Returns:
        A row for each job and each yardstick that it is compared with, then the yardsticks' own.

    Raises:
        VerificationError: A loss or a gradient is wrong; nothing was timed.
    """
    shape, dtype = problem.y_pred.shape, problem.y_pred.dtype.name
    for job in jobs:
        verify.check_small(*job, shape[-1], dtype, problem.penalty)
    oracle = verify.Oracle(problem)
    calls = {}
    for provider, mode in jobs:
        call = PROVIDERS[provider][mode](problem)
        oracle.check(provider, mode, call())
        calls[_name(provider, mode)] = call
    sticks = yardsticks.build(problem)
    for name, stick in sticks.items():
        stick.call()
        calls[name] = stick.call
    samples = timing.interleave(calls, rounds, slow_rounds)

    times = {name: _measure.median_and_percentiles(values) for name, values in samples.items()}
    medians = {name: median for name, (median, _, _) in times.items()}

    def row(provider: str, mode: str, name: str, size: int, stick: str = "") -> report.Row:
        milliseconds = [1e3 * seconds for seconds in times[name]]
        ratio = medians[name] / medians[stick] if stick else None
        gb_per_s = size / medians[name] / 1e9
        case = (shape, dtype, problem.penalty)
        return report.Row(provider, mode, *case, *milliseconds, gb_per_s, ratio, stick)

    rows = []
    for provider, mode in jobs:
        size = TRAFFIC[mode] * problem.y_pred.nbytes
        for stick in yardsticks.compared_with(provider, mode, medians):
            rows.append(row(provider, mode, _name(provider, mode), size, stick))
    return rows + [row(report.YARDSTICK, name, name, stick.bytes) for name, stick in sticks.items()]


def _name(provider: str, mode: str) -> str:
    return f"{provider}, {mode}"
