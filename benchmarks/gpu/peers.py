"""The other libraries: their builders, in the order in which they are tried, and the floors."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence

from benchmarks.gpu import cupy_peer, torch_peers, triton_peer
from benchmarks.gpu.problems import Buffers
from benchmarks.gpu.providers import Provider

Builder = Callable[[Buffers], Sequence[Provider]]
#: Each peer by name: the modules it needs, and what makes it, in variants; the fastest counts.
PEERS: dict[str, tuple[tuple[str, ...], Builder]] = {
    torch_peers.CONVOLUTION: (("torch",), torch_peers.convolution),
    torch_peers.PLANES_LAST: (("torch",), torch_peers.convolution_channels_last),
    torch_peers.SLICES: (("torch",), torch_peers.by_slices),
    cupy_peer.NAME: (("cupy",), cupy_peer.cupy_slices),
    triton_peer.NAME: (("torch", "triton"), triton_peer.triton),
    torch_peers.COMPILED: (("torch",), torch_peers.compiled),
}
#: How many times faster the fused kernels must be.
FLOORS = {
    torch_peers.CONVOLUTION: 10.0,
    torch_peers.PLANES_LAST: 10.0,
    torch_peers.SLICES: 10.0,
    torch_peers.COMPILED: 2.5,
}


def build(name: str, buffers: Buffers) -> Sequence[Provider]:
    """One peer, in all of its variants.

    Raises:
        ModuleNotFoundError: It is not installed.
        Exception: Whatever it fails with.
    """
    modules, builder = PEERS[name]
    for module in modules:
        if module != "cupy" and importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"{module} is not installed")
    return builder(buffers)
