"""The fused kernels against the card's memory: section `bandwidth`."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from benchmarks import modes, report, verify
from benchmarks.gpu import ceilings, timing
from benchmarks.gpu.problems import SHAPES, Buffers, checked_problem, make_buffers
from benchmarks.gpu.providers import OURS, OnDevice, Provider, ours
from benchmarks.gpu.rows import Case, Settings, against, attempt
from benchmarks.problems import Problem, Shape, make_problem

SECTION = "bandwidth"
MODES = (modes.LOSS_AND_GRADIENT, modes.FORWARD)
# The share of the bandwidth that the ceiling with the same traffic reaches.
_FLOORS = {"float32": 0.90, "bfloat16": 0.85, "float16": 0.85}
_AIM = 0.95


def bandwidth(settings: Settings, keep: Callable[[list[report.Row]], None]) -> None:
    """Every shape in every dtype; `keep` is given the rows of each as they are made."""
    for shape in settings.shapes:
        for dtype in settings.dtypes:
            case = Case(SECTION, shape, dtype)
            name = f"{SECTION} {list(shape)} {dtype}"
            rows, note = attempt(name, lambda: _rows(settings, case))  # noqa: B023
            keep(rows or [_absent(case, mode, note) for mode in MODES])
            attempt("memory given back", settings.device.give_back)


@functools.lru_cache(maxsize=len(SHAPES))
def expected(shape: Shape) -> tuple[Problem, verify.Oracle]:
    """Images of a shape, float32, and what their last example must give; seconds for large ones."""
    problem = make_problem(shape)
    return problem, verify.Oracle(problem, whole=False)


def check_ours(buffers: Buffers, mode: str, oracle: verify.Oracle) -> Provider:
    """The fused kernels, whose results are right at a small shape and at this one.

    Raises:
        VerificationError: They are not.
    """
    dtype, device = buffers.dtype, buffers.device
    small = make_buffers(device, checked_problem(buffers.shape[3]), dtype, 0)
    verify.check_whole(
        OURS, mode, small.problem, _on_host(small, ours(small, mode)), dtype, small.factors
    )
    provider = ours(buffers, mode)
    oracle.check(OURS, mode, _on_host(buffers, provider), dtype, buffers.factors)
    return provider


def _on_host(buffers: Buffers, provider: Provider) -> tuple[np.ndarray, OnDevice | None]:
    """What the first call gives, written into buffers that were NaN before."""
    for array in (buffers.loss, buffers.sets[0][2]):
        buffers.device.fill(array, 255)
    return on_host(provider)


def on_host(provider: Provider) -> tuple[np.ndarray, OnDevice | None]:
    """The losses and the gradient of the first set of buffers, as the oracle takes them."""
    losses, gradient = provider.call(0)
    kept = None if gradient is None else OnDevice(gradient, provider.read)
    return provider.read(losses), kept


def _rows(settings: Settings, case: Case) -> list[report.Row]:
    settings.check_time()
    problem, oracle = expected(case.shape)
    device = settings.device
    buffers = make_buffers(device, problem, case.dtype, settings.working_set)
    fused = {mode: check_ours(buffers, mode, oracle) for mode in MODES}
    sticks = ceilings.make_ceilings(buffers)
    calls: dict[str, timing.Call] = {mode: fused[mode].call for mode in MODES}
    calls |= {name: stick.call for name, stick in sticks.items()}
    samples = timing.interleave(device, settings.occupier, calls, settings.repeats)
    limits = {
        name: case.row(report.YARDSTICK, name, samples[name], stick.images * buffers.nbytes)
        for name, stick in sticks.items()
    }
    rows = []
    for mode in MODES:
        name = ceilings.against(mode)
        nbytes = modes.image_traffic(mode) * buffers.nbytes
        row = case.row(OURS, mode, samples[mode], nbytes)
        rows.append(against(row, limits[name], name, 1 / _FLOORS[case.dtype], 1 / _AIM))
    return [*rows, *limits.values()]


def _absent(case: Case, mode: str, note: str) -> report.Row:
    return case.absent(OURS, mode, note, 1 / _FLOORS[case.dtype])
