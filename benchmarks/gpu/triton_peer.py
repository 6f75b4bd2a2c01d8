"""The kernel of triton_kernel.py as a provider, tuned over a few sizes of its blocks."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from benchmarks import modes
from benchmarks.gpu import timing
from benchmarks.gpu.problems import Buffers
from benchmarks.gpu.providers import Provider, Result
from benchmarks.gpu.torch_peers import peak, read, tensor

NAME = "triton"
_ROUNDS = 7


@dataclasses.dataclass(frozen=True)
class Config:
    """Numbers in a block, rows in a strip, warps of a program."""

    block: int
    rows: int
    warps: int


CONFIGS = (Config(256, 32, 4), Config(512, 32, 4), Config(512, 64, 8), Config(256, 64, 2))


def triton(buffers: Buffers) -> Provider:
    """With the fastest of CONFIGS, found by timing each."""
    providers = {config: with_config(buffers, config) for config in CONFIGS}
    calls = {str(config): provider.call for config, provider in providers.items()}
    occupier = timing.Occupier(buffers.device)
    samples = timing.interleave(buffers.device, occupier, calls, _ROUNDS)
    return min(providers.items(), key=lambda item: sorted(samples[str(item[0])])[_ROUNDS // 2])[1]


def with_config(buffers: Buffers, config: Config = CONFIGS[0]) -> Provider:
    """With one of CONFIGS."""
    import torch

    from benchmarks.gpu.triton_kernel import sobel_l1

    batch, height, width, channels = buffers.shape
    tiles = math.ceil(width * channels / config.block)
    grid = (tiles, math.ceil(height / config.rows), batch)
    inverse = 1 / (2 * height * width * channels)
    sets = [tuple(tensor(x, buffers.dtype) for x in images[:2]) for images in buffers.sets]
    upstream = tensor(buffers.upstream, "float32")

    def call(n: int) -> Result:
        t, p = sets[n % len(sets)]
        gradient = torch.empty_like(p)
        sums = torch.empty((batch, grid[0] * grid[1]), dtype=torch.float32, device=p.device)
        sizes: dict[str, Any] = dict(channels=channels, rows=config.rows, block=config.block)
        sobel_l1[grid](
            *(t, p, gradient, sums, upstream, inverse, height, width),
            **sizes,
            num_warps=config.warps,
        )
        return sums.sum(1).mul_(inverse), gradient

    return Provider(NAME, modes.LOSS_AND_GRADIENT, call, read, peak)
