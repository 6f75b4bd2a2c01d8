"""The kernel of triton_kernel.py as a provider, with a few sizes of its blocks."""

from __future__ import annotations

import dataclasses
import math

from benchmarks import modes
from benchmarks.gpu.problems import Buffers
from benchmarks.gpu.providers import Provider, Result
from benchmarks.gpu.torch_peers import peak, read, tensor

NAME = "triton"


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


def triton(buffers: Buffers) -> list[Provider]:
    """The fastest of CONFIGS, by trying each."""
    return [with_config(buffers, config) for config in CONFIGS]


def with_config(buffers: Buffers, config: Config) -> Provider:
    """The step with one of CONFIGS."""
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
        sobel_l1[grid](
            *(t, p, gradient, sums, upstream, inverse, height, width),
            channels=channels,
            rows=config.rows,
            block=config.block,
            stages=config.stages,
            num_warps=config.warps,
        )
        return sums.sum(1).mul_(inverse), gradient

    return Provider(NAME, modes.LOSS_AND_GRADIENT, call, read, peak)
