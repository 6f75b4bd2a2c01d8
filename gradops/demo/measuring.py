"""Measures times of functions in turns, and memory in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradops import _measure

_WARM_UP = 5  # untimed: the first calls trace, plan the graph and fault memory in


class WorkerError(Exception):
    """A worker did not finish."""


def memory_in_subprocess(*arguments: str) -> Any:
    """The JSON that `python -m gradops` with these arguments prints in its last line.

    In a process of its own, because exact peaks make allocations slow.

    Raises:
        WorkerError: The process failed; it has said why on standard error.
    """
    # On the CPU: resident memory does not include a GPU's. The log level hides what TensorFlow says
    # about the processor at every start.
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        **_measure.EXACT_PEAKS,
    }
    command = [sys.executable, "-m", "gradops", *arguments]
    worker = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if worker.returncode != 0:
        raise WorkerError(f"measuring memory: the process ended with status {worker.returncode}")
    return json.loads(worker.stdout.splitlines()[-1])


def time_in_turns(
    functions: Mapping[str, Callable[[], tuple]], calls: int
) -> dict[str, tuple[float, float, float]]:
    """(median, 20th, 80th percentile) of the milliseconds of calls that return (loss, ...)."""
    milliseconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(_WARM_UP + calls):
        for name, function in functions.items():
            begin = time.perf_counter()
            results = function()
            float(results[0])  # waits for it
            milliseconds[name].append(1e3 * (time.perf_counter() - begin))
            del results  # otherwise the next call's gradient needs memory in addition to this one's
    return {name: after_warm_up(each) for name, each in milliseconds.items()}


def after_warm_up(milliseconds: Sequence[float]) -> tuple[float, float, float]:
    """(median, 20th, 80th percentile) without the warm-up, or of the last one if there are few."""
    return _measure.median_and_percentiles(milliseconds[min(_WARM_UP, len(milliseconds) - 1) :])
