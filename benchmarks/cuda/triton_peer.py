"""The kernel of triton_kernel.py as a provider, with a few sizes of its blocks."""

from __future__ import annotations

import dataclasses
import math
import statistics

from benchmarks.cuda.buffers import Buffers
from benchmarks.cuda.torch_peers import tensor
from benchmarks.modes import Call, Result

NAME = "triton"
_TRIES = 7  # Samples of each.


@dataclasses.dataclass(frozen=True)
class Config:
    """Numbers in a block, rows in a strip, warps of a program, stages of its loads."""

    block: int
    rows: int
    warps: int
    stages: int


CONFIGS = (
    Config(256, 32, 4, 1),
    Config(256, 32, 4, 2),
    Config(256, 64, 4, 3),
    Config(256, 64, 2, 1),
    Config(128, 32, 4, 2),
    Config(512, 32, 4, 1),
    Config(512, 32, 4, 2),
    Config(512, 64, 8, 2),
)


def triton(buffers: Buffers) -> Call:
    """The fastest of CONFIGS, by trying each."""
    calls = {config: with_config(buffers, config) for config in CONFIGS}
    samples = buffers.device.interleave(calls, _TRIES, _TRIES)
    return calls[min(CONFIGS, key=lambda config: statistics.median(samples[config]))]


def with_config(buffers: Buffers, config: Config) -> Call:
    """The step with one of CONFIGS."""
    import torch

    from benchmarks.cuda.triton_kernel import sobel_l1

    dtype = buffers.problem.dtype
    batch, height, width, channels = buffers.problem.shape
    tiles = math.ceil(width * channels / config.block)
    grid = (tiles, math.ceil(height / config.rows), batch)
    inverse = 1 / (2 * height * width * channels)
    pairs = [(tensor(t, dtype), tensor(p, dtype)) for t, p, _ in buffers.sets]
    upstream = tensor(buffers.upstream, "float32")

    def call() -> Result:
        t, p = pairs[buffers.turn()]
        gradient = torch.empty_like(p)
        sums = torch.empty((batch, grid[0] * grid[1]), dtype=torch.float32, device=p.device)
        sobel_l1[grid](
            *(t, p, gradient, sums, upstream, inverse, height, width),
            channels=channels,
            rows=config.rows,
            block=config.block,
            stages=config.stages,
            num_warps=config.warps,
        )
        return sums.sum(1).mul_(inverse), gradient

    return call
