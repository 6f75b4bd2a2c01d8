"""What a call of small images costs beside one empty kernel: section `small`.

By the host's clock over many calls in a row, and on the device alone, as a CUDA graph of many calls
that is replayed. That a replay gives the bits of a direct call is checked before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.cases import Settings, Target, Timed
from benchmarks.cuda.buffers import Buffers, problem_of
from benchmarks.cuda.device import Cuda
from benchmarks.cuda.providers import EMPTY, NOTHING, OURS
from benchmarks.device import AnyCall, Device
from benchmarks.measure import LAST, measure
from benchmarks.modes import FORWARD, LOSS_AND_GRADIENT
from benchmarks.problems import Problem, Shape
from benchmarks.report import Row
from benchmarks.verify import VerificationError

_SHAPES: tuple[Shape, ...] = ((1, 32, 32, 1), (4, 64, 64, 3))
_CALLS, _QUICK_CALLS = 200, 3  # Calls in a graph.
_ROUNDS = 20


class ByHost(Cuda):
    """A GPU whose calls are timed in a row by the host's clock."""

    sample_seconds = 5e-3
    interleave = Device.interleave


class ByGraph(Cuda):
    """A GPU whose calls are timed as graphs of many of them."""

    calls = _CALLS
    _buffers: Buffers

    def prepare(self, problem: Problem, rotate: bool = True) -> Buffers:
        """Keeps those of the calls that will be timed, not of small checks."""
        made = super().prepare(problem, rotate)
        if rotate:
            self._buffers = made
        return made

    def interleave(
        self, calls: Mapping[Any, AnyCall], rounds: int, slow_rounds: int
    ) -> dict[Any, list[float]]:
        """Seconds of the device for each call of a graph.

        Raises:
            VerificationError: The replay of a call differs from the call.
        """
        graphs = {}
        for name, call in calls.items():
            self.check_replay(call)
            graphs[name] = self.capture(lambda: [call() for _ in range(self.calls)])  # noqa: B023
        samples = super().interleave(graphs, rounds, slow_rounds)
        return {name: [s / self.calls for s in times] for name, times in samples.items()}

    def check_replay(self, call: AnyCall) -> None:
        """Compares what a captured call writes with what a direct one does, bit by bit."""

        def results(run: AnyCall) -> list[np.ndarray]:
            self.expect(self._buffers)
            run()
            self.wait()
            return [self.get(array).view("uint8") for array in self._buffers.outputs]

        direct = results(call)
        self._buffers.rewind()
        replay = self.capture(call)
        for got, wanted in zip(results(replay) + results(replay), 2 * direct, strict=True):
            if not np.array_equal(got, wanted):
                raise VerificationError("the replay of a CUDA graph differs from the direct call")


def small(settings: Settings) -> Iterator[list[Row]]:
    """Every small shape in the first dtype."""
    cuda: Cuda = settings.device  # type: ignore[assignment]
    _, no_cupy = settings.attempt("an empty kernel of CuPy", lambda: cuda.empty_kernel()())
    targets = [Target([NOTHING if no_cupy else EMPTY])]
    for shape in _SHAPES[:1] if settings.quick else _SHAPES:
        problem = problem_of(shape, settings.dtypes[0])
        group = [Timed(OURS, mode, problem, targets) for mode in (FORWARD, LOSS_AND_GRADIENT)]
        for way, kind in (("host clock", ByHost), ("graph", ByGraph)):
            device = kind(cuda.cupy, cuda.kernels, quick=True)  # Buffers stay in the cache.
            if settings.quick and isinstance(device, ByGraph):
                device.calls = _QUICK_CALLS
            rounds = min(settings.rounds, _ROUNDS)
            own = dataclasses.replace(settings, device=device, rounds=rounds)
            with device.other_stream():
                rows = measure("small", group, own, LAST, also=[EMPTY, NOTHING])
            yield [_by(way, row) for row in rows]


def _by(way: str, row: Row) -> Row:
    against = f"{row.baseline}, {way}" if row.baseline else ""
    return dataclasses.replace(row, mode=f"{row.mode}, {way}", baseline=against)
