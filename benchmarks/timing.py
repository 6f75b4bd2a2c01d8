"""Timing several calls in the same minutes, so that load from elsewhere hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

SLOW_SECONDS = 0.5
# Shorter calls are repeated until a sample takes this long, and the sample is their mean.
SAMPLE_SECONDS = 2e-3
_MAXIMUM_REPEATS = 1000

Call = Callable[[], object]


def interleave(calls: Mapping[str, Call], rounds: int, slow_rounds: int) -> dict[str, list[float]]:
    """Time every call once a round, in order, over many rounds.

    What a call returns is dropped within the time measured, as a training step drops its gradient.
    An untimed call comes before each sample of a call that is not slow: otherwise what ran before
    it in the round (other threads, a heap that just shrank) would show.

    Args:
        calls: By name; each has been called once already, so that tracing is over.
        rounds: Samples of each call, after a round that finds out how long each takes.
        slow_rounds: Samples of a call of at least `SLOW_SECONDS`, all in the first rounds.

    Returns:
        Seconds per call, by name.
    """
    first = {name: _seconds_per_call(call, 1) for name, call in calls.items()}
    samples = {name: [first[name]] if first[name] >= SLOW_SECONDS else [] for name in calls}
    for index in range(rounds):
        for name, call in calls.items():
            if first[name] < SLOW_SECONDS:
                call()
                samples[name].append(_seconds_per_call(call, _repeats(first[name])))
            elif index + 1 < slow_rounds:
                samples[name].append(_seconds_per_call(call, 1))
    return samples


def _repeats(seconds: float) -> int:
    return min(max(int(SAMPLE_SECONDS / max(seconds, 1e-9)), 1), _MAXIMUM_REPEATS)


def _seconds_per_call(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
