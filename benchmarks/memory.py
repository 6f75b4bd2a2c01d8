"""Peak memory of one call, each measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.providers import PROVIDERS, Problem
from gradops import _measure

_ROOT = Path(__file__).parents[1]
_PROCESSES = 2  # At a time; what they measure is no time.


def peak_of_call(provider: str, mode: str, problem: Problem) -> int | None:
    """Bytes beyond the inputs at the peak of one call, None where the system does not say."""
    call = PROVIDERS[provider][mode](problem)
    call()  # Tracing, compiling and thread pools are not the call's own.
    with _measure.peak_extra_memory() as memory:
        call()
    return memory.extra_bytes


def peaks_in_subprocesses(
    jobs: Iterable[tuple[str, str]], arguments: list[str]
) -> dict[tuple[str, str], int | None]:
    """`peak_of_call` of each (provider, mode) in a fresh process, so no heap hides another's need.

    Args:
        jobs: (provider, mode) pairs.
        arguments: Command line of the worker after the job: the problem.

    Raises:
        RuntimeError: A worker failed; its message is on standard error.
    """

    def peak(job: tuple[str, str]) -> int | None:
        command = [sys.executable, "-m", "benchmarks", "--memory-worker", *job, *arguments]
        worker = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        if worker.returncode != 0:
            raise RuntimeError(f"measuring the memory of {', '.join(job)} failed")
        answer = worker.stdout.split()[-1]
        return None if answer == "n/a" else int(answer)

    jobs = list(jobs)
    with ThreadPoolExecutor(_PROCESSES) as pool:
        return dict(zip(jobs, pool.map(peak, jobs), strict=True))
