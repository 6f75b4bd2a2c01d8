"""What the card's memory allows: the traffic of a loss with nothing to compute."""

from __future__ import annotations

import dataclasses

from benchmarks.gpu.problems import Buffers
from benchmarks.gpu.timing import Call
from benchmarks.modes import FORWARD

COPY, TRIAD, READ = "copy", "triad a - b", "read, sum |a - b|"
_SUMS = 1024


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """A call to time, and the image tensors that it reads and writes."""

    call: Call
    images: int


def against(mode: str) -> str:
    """The ceiling of a mode: two reads, and one write if there is a gradient."""
    return READ if mode == FORWARD else TRIAD


def make_ceilings(buffers: Buffers) -> dict[str, Ceiling]:
    """The ceilings by name: copies by the driver, the others by kernels of gradops."""
    device, sets = buffers.device, buffers.sets
    options = {"dtype": buffers.dtype, "stream": device.stream}
    sums = device.empty((_SUMS,), "float32")

    def copy(n: int) -> None:
        device.copy(sets[n % len(sets)][0], sets[n % len(sets)][2])

    def triad(n: int) -> None:
        device.kernels.triad(*sets[n % len(sets)], **options)

    def read(n: int) -> None:
        device.kernels.sum_absolute_difference(*sets[n % len(sets)][:2], sums, **options)

    return {COPY: Ceiling(copy, 2), TRIAD: Ceiling(triad, 3), READ: Ceiling(read, 2)}
