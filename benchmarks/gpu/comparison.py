"""The fused kernels and the other libraries, time and memory: sections `peers` and `memory`."""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks import modes, report, verify
from benchmarks.gpu import bandwidth, peers, timing
from benchmarks.gpu.problems import Buffers, make_buffers
from benchmarks.gpu.providers import OURS, Provider
from benchmarks.gpu.rows import LABEL, Case, Settings, against, attempt
from benchmarks.problems import Shape

SECTION, MEMORY = "peers", "memory"
MODE = modes.LOSS_AND_GRADIENT
_ROUNDS = 20
_TRIES = 7  # For each variant of a library.
_SECONDS = 0.3  # After so long the samples of a call are enough.


def comparison(settings: Settings, keep: Callable[[list[report.Row]], None]) -> None:
    """Every shape in float32, the first in the other dtypes; `keep` is given the rows of each."""
    for dtype in settings.dtypes:
        first = dtype == settings.dtypes[0]
        for shape in settings.shapes if first else settings.shapes[:1]:
            keep(_case(settings, shape, dtype))
            attempt("memory given back", lambda: _give_back(settings))


def _case(settings: Settings, shape: Shape, dtype: str) -> list[report.Row]:
    case = Case(SECTION, shape, dtype)
    name = f"{SECTION} {list(shape)} {dtype}"
    ready: dict[str, Provider] = {}
    notes: dict[str, str] = {}

    def make() -> Buffers:
        settings.check_time()
        problem, oracle = bandwidth.expected(shape)
        buffers = make_buffers(settings.device, problem, dtype, settings.working_set)
        ready[OURS] = bandwidth.check_ours(buffers, MODE, oracle)
        losses = bandwidth.on_host(ready[OURS])[0]
        for peer in settings.peers:
            made, notes[peer] = attempt(
                f"{name}: {peer}",
                lambda: _checked(settings, peer, buffers, oracle, losses),  # noqa: B023
                settings.patience(),
            )
            if made is not None:
                ready[peer] = made
        return buffers

    buffers, note = attempt(name, make)
    if buffers is None:
        return [case.absent(who, MODE, note) for who in (OURS, *settings.peers)]
    rows, note = attempt(f"{name}: timing", lambda: _times(settings, case, buffers, ready))
    rows = rows or [case.absent(who, MODE, note) for who in ready]
    rows += [case.absent(who, MODE, why) for who, why in notes.items() if why]
    return rows + [_memory(case, buffers, provider) for provider in ready.values()]


def _checked(
    settings: Settings, peer: str, buffers: Buffers, oracle: verify.Oracle, losses: np.ndarray
) -> Provider:
    """A peer that agrees with the oracle, and in every loss with the fused kernels'.

    Raises:
        VerificationError: It does not.
    """
    settings.check_time()
    provider = _fastest(settings, peers.build(peer, buffers))
    result = bandwidth.on_host(provider)
    oracle.check(peer, MODE, result, buffers.dtype, buffers.factors)
    tolerance = verify.LOSS_TOLERANCES_AT_SIZE[buffers.dtype]
    if not np.allclose(result[0], losses, rtol=tolerance, atol=0):
        raise verify.VerificationError(f"{peer}: its losses are not those of {OURS}")
    return provider


def _fastest(settings: Settings, variants: Sequence[Provider]) -> Provider:
    """The one with the least median of a few calls."""
    if len(variants) == 1:
        return variants[0]
    calls: dict[str, timing.Call] = {str(i): made.call for i, made in enumerate(variants)}
    samples = timing.interleave(settings.device, settings.occupier, calls, _TRIES)
    return min(enumerate(variants), key=lambda made: statistics.median(samples[str(made[0])]))[1]


def _times(
    settings: Settings, case: Case, buffers: Buffers, ready: dict[str, Provider]
) -> list[report.Row]:
    calls: dict[str, timing.Call] = {name: provider.call for name, provider in ready.items()}
    rounds = min(settings.repeats, _ROUNDS)
    samples = timing.interleave(settings.device, settings.occupier, calls, rounds, _SECONDS)
    traffic = modes.image_traffic(MODE) * buffers.nbytes
    rows = {name: case.row(name, MODE, samples[name], traffic) for name in ready}
    judged = []
    for peer in (name for name in rows if name != OURS):
        # Floors are of float32, which other libraries are made for.
        floor = peers.FLOORS.get(peer) if case.dtype == "float32" else None
        judged.append(against(rows[OURS], rows[peer], peer, floor and 1 / floor))
    return [*(judged or [rows[OURS]]), *(rows[peer] for peer in rows if peer != OURS)]


def _memory(case: Case, buffers: Buffers, provider: Provider) -> report.Row:
    """Bytes at the peak of a call: beyond the images, and beyond the results too."""
    case = Case(MEMORY, case.shape, case.dtype)
    what = f"{MEMORY} {list(case.shape)} {case.dtype}: {provider.name}"
    peak, note = attempt(what, lambda: provider.peak(lambda: provider.call(0)))
    beyond_inputs: float | str = report.NOT_AVAILABLE
    beyond_outputs: float | str = report.NOT_AVAILABLE
    if peak is not None:
        outputs = buffers.nbytes + buffers.loss.nbytes
        total = peak + provider.given
        beyond_inputs, beyond_outputs = total / 2**20, max(0, total - outputs) / 2**10
    return report.Row(
        MEMORY,
        provider.name,
        MODE,
        case.shape,
        case.dtype,
        LABEL,
        peak_extra_mib=beyond_inputs,
        beyond_outputs_kib=beyond_outputs,
        note=note,
    )


def _give_back(settings: Settings) -> None:
    """What the providers of a shape took."""
    gc.collect()
    settings.device.give_back()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
