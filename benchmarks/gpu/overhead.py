"""What a call of small images costs beside one empty kernel: section `small`.

By the host's clock over many calls in a row, and on the device alone, as a CUDA graph of many calls
that is replayed. That a replay gives the bits of a direct call is checked before.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import modes, report
from benchmarks.gpu import bandwidth
from benchmarks.gpu.device import Device
from benchmarks.gpu.problems import Buffers, make_buffers
from benchmarks.gpu.providers import OURS
from benchmarks.gpu.rows import Case, Settings, against, attempt
from benchmarks.verify import VerificationError

SECTION = "small"
EMPTY = "an empty kernel"  # Launched by CuPy.
NOTHING = "an empty kernel by gradops"  # With the costs of a call of the module, but of arguments.
HOST, GRAPH = "host clock", "graph"
_MODES = (modes.FORWARD, modes.LOSS_AND_GRADIENT)
_ROUNDS = 20
_WARMUP = 3


def overhead(settings: Settings, keep: Callable[[list[report.Row]], None]) -> None:
    """Every small shape in the first dtype; `keep` is given the rows of each."""
    for shape in settings.small_shapes:
        case = Case(SECTION, shape, settings.dtypes[0])
        name = f"{SECTION} {list(shape)}"
        rows, note = attempt(name, lambda: _rows(settings, case))  # noqa: B023
        absent = [case.absent(OURS, f"{m}, {way}", note) for m in _MODES for way in (HOST, GRAPH)]
        keep(rows or absent)


def _rows(settings: Settings, case: Case) -> list[report.Row]:
    settings.check_time()
    device, count = settings.device, settings.small_calls
    problem, oracle = bandwidth.expected(case.shape)
    with device.other_stream() as stream:
        buffers = make_buffers(device, problem, case.dtype, 0)
        calls = {mode: bandwidth.check_ours(buffers, mode, oracle).call for mode in _MODES}
        ptr = device.stream
        empty, _ = attempt("an empty kernel of CuPy", lambda: _empty_kernel(device))
        once: dict[str, Callable[[], object]] = {
            **({EMPTY: empty} if empty else {}),
            NOTHING: lambda: device.kernels.nothing(stream=ptr),
            modes.FORWARD: lambda: calls[modes.FORWARD](0),
            modes.LOSS_AND_GRADIENT: lambda: calls[modes.LOSS_AND_GRADIENT](0),
        }
        for call in once.values():
            call()
        device.wait()
        for mode in _MODES:
            check_replay(device, stream, buffers, once[mode])
        by_host = _by_host(device, once, count, settings.repeats)
        graphs = {
            name: device.capture(stream, lambda: [call() for _ in range(count)])  # noqa: B023
            for name, call in once.items()
        }
        by_graph = _by_graph(device, graphs, count, settings.repeats)
    rows = []
    for way, samples in ((HOST, by_host), (GRAPH, by_graph)):
        names = [name for name in (EMPTY, NOTHING) if name in samples]
        sticks = [case.row(report.YARDSTICK, f"{name}, {way}", samples[name]) for name in names]
        rows += [
            against(case.row(OURS, f"{mode}, {way}", samples[mode]), sticks[0], sticks[0].mode)
            for mode in _MODES
        ]
        rows += sticks
    return rows


def _empty_kernel(device: Device) -> Callable[[], None]:
    """CuPy's, compiled: where it cannot be, that of gradops serves."""
    call = device.empty_kernel()
    call()
    device.wait()
    return call


def check_replay(
    device: Device, stream: object, buffers: Buffers, call: Callable[[], object]
) -> None:
    """Compares what a captured call writes with what a direct one does, bit by bit.

    Raises:
        VerificationError: They differ.
    """
    written = buffers.loss, buffers.sets[0][2]

    def results(run: Callable[[], object]) -> list[np.ndarray]:
        for array in written:
            device.fill(array, 255)
        run()
        device.wait()
        return [device.get(array).view("uint8") for array in written]

    direct = results(call)
    replay = device.capture(stream, call)
    for _ in range(2):
        for got, wanted in zip(results(replay), direct, strict=True):
            if not np.array_equal(got, wanted):
                raise VerificationError("the replay of a CUDA graph differs from the direct call")


def _by_host(
    device: Device, calls: dict[str, Callable[[], object]], count: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds a call, from the first to when all are done."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(_WARMUP + min(repeats, _ROUNDS)):
        for name, call in calls.items():
            device.wait()
            start = device.seconds()
            for _ in range(count):
                call()
            device.wait()
            if index >= _WARMUP:
                samples[name].append((device.seconds() - start) / count)
    return samples


def _by_graph(
    device: Device, graphs: dict[str, Callable[[], None]], count: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of the device a call."""
    samples: dict[str, list[float]] = {name: [] for name in graphs}
    for index in range(_WARMUP + min(repeats, _ROUNDS)):
        for name, replay in graphs.items():
            start = device.mark()
            replay()
            stop = device.mark()
            seconds = device.between(start, stop) / count
            if index >= _WARMUP:
                samples[name].append(seconds)
    return samples
