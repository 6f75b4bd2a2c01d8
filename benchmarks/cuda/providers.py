"""What is timed on the GPU: the fused kernels, other libraries, and what its memory allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.cuda import cupy_peer, torch_peers, triton_peer
from benchmarks.cuda.buffers import Buffers
from benchmarks.modes import FORWARD, LOSS_AND_GRADIENT, Baseline, Builder, Call, Result

OURS = "gradops"
COPY, TRIAD, READ = "copy", "triad a - b", "read, sum |a - b|"
EMPTY = "an empty kernel"  # Launched by CuPy.
NOTHING = "an empty kernel by gradops"  # With the costs of a call of the module, but of arguments.
_SUMS = 1024


def _options(buffers: Buffers) -> dict[str, Any]:
    return {"dtype": buffers.problem.dtype, "stream": buffers.device.stream}


def _forward(buffers: Buffers) -> Call:
    kernels, options = buffers.device.kernels, _options(buffers)

    def call() -> Result:
        y_true, y_pred, _ = buffers.sets[buffers.turn()]
        kernels.loss(y_true, y_pred, buffers.loss, **options)
        return buffers.loss, None

    return call


def _loss_and_gradient(buffers: Buffers) -> Call:
    kernels, options = buffers.device.kernels, _options(buffers)

    def call() -> Result:
        y_true, y_pred, gradient = buffers.sets[buffers.turn()]
        kernels.loss_memo(y_true, y_pred, buffers.upstream, buffers.loss, gradient, **options)
        return buffers.loss, gradient

    return call


#: Each peer by name, in the order in which they are tried.
PEERS: dict[str, Builder] = {
    torch_peers.CONVOLUTION: torch_peers.convolution,
    torch_peers.PLANES_LAST: torch_peers.convolution_channels_last,
    torch_peers.SLICES: torch_peers.by_slices,
    cupy_peer.NAME: cupy_peer.cupy_slices,
    triton_peer.NAME: triton_peer.triton,
    torch_peers.COMPILED: torch_peers.compiled,
}
#: How many times faster than a peer the fused kernels must be.
FLOORS = {
    torch_peers.CONVOLUTION: 10.0,
    torch_peers.PLANES_LAST: 10.0,
    torch_peers.SLICES: 10.0,
    torch_peers.COMPILED: 2.5,
}
PROVIDERS: dict[str, dict[str, Builder]] = {
    OURS: {FORWARD: _forward, LOSS_AND_GRADIENT: _loss_and_gradient},
    **{name: {LOSS_AND_GRADIENT: builder} for name, builder in PEERS.items()},
}


def _copy(buffers: Buffers) -> Baseline:
    """A copy by the driver; the other baselines are kernels of gradops."""

    def call() -> None:
        source, _, target = buffers.sets[buffers.turn()]
        buffers.device.copy(source, target)

    return Baseline(call, 2 * buffers.problem.nbytes)


def _triad(buffers: Buffers) -> Baseline:
    triad, options = buffers.device.kernels.triad, _options(buffers)
    size = 3 * buffers.problem.nbytes
    return Baseline(lambda: triad(*buffers.sets[buffers.turn()], **options), size)


def _read(buffers: Buffers) -> Baseline:
    options, sums = _options(buffers), buffers.device.empty((_SUMS,), "float32")
    read = buffers.device.kernels.sum_absolute_difference
    size = 2 * buffers.problem.nbytes
    return Baseline(lambda: read(*buffers.sets[buffers.turn()][:2], sums, **options), size)


def _empty(buffers: Buffers) -> Baseline:
    return Baseline(buffers.device.empty_kernel(), 0)


def _nothing(buffers: Buffers) -> Baseline:
    kernels, stream = buffers.device.kernels, buffers.device.stream
    return Baseline(lambda: kernels.nothing(stream=stream), 0)


#: The traffic of a loss with nothing to compute, and what a launch costs.
BASELINES: dict[str, Callable[[Buffers], Baseline]] = {
    COPY: _copy,
    TRIAD: _triad,
    READ: _read,
    EMPTY: _empty,
    NOTHING: _nothing,
}
