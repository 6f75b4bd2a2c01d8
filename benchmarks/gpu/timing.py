"""Timing calls by events of the device, in the same rounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from benchmarks.gpu.device import Device

Call = Callable[[int], object]  # Takes the number of the call, which says what buffers it uses.

_BLOCK = (64, 512, 512, 1)  # The shape of the other work, whose three buffers are 192 MiB.
_LEAST_BUSY = 0.4e-3  # Seconds of other work before a call, at least.
_MOST_BUSY = 20e-3
_WARMUP = 2
_FEWEST = 5  # Samples, however long a call takes.


class Occupier:
    """Keeps the device at other work, so that a call is enqueued before it begins.

    What the host takes for that is then not timed. The work is a triad on buffers of its own: the
    caches are as other work of the kind leaves them, with lines that are still to be written.
    """

    def __init__(self, device: Device, block: tuple[int, ...] = _BLOCK) -> None:
        self._device = device
        self._buffers = [device.empty(block, "float32") for _ in range(3)]
        for buffer in self._buffers:
            device.fill(buffer, 63)  # 0.7
        self._seconds = 0.0

    def enqueue(self, seconds: float) -> None:
        """About as much work as takes so long."""
        if not self._seconds:
            self._seconds = self._measured()
        for _ in range(math.ceil(min(max(seconds, _LEAST_BUSY), _MOST_BUSY) / self._seconds)):
            self._one()

    def _one(self) -> None:
        self._device.kernels.triad(*self._buffers, stream=self._device.stream)

    def _measured(self) -> float:
        times = []
        for _ in range(5):
            start = self._device.mark()
            self._one()
            times.append(self._device.between(start, self._device.mark()))
        return max(sorted(times)[2], 1e-5)


def interleave(
    device: Device,
    occupier: Occupier,
    calls: Mapping[str, Call],
    rounds: int,
    seconds: float = math.inf,
) -> dict[str, list[float]]:
    """Time every call once a round, in order, over many rounds.

    Args:
        device: Whose events are used.
        occupier: What the device does before each call.
        calls: By name; each gets another number every time.
        rounds: Samples of each.
        seconds: After so long in all, a call is timed no more, if it has some samples.

    Returns:
        Seconds of the device, by name.
    """
    number = 0
    enqueuing = {}
    for name, call in calls.items():
        for _ in range(_WARMUP):
            device.wait()
            start = device.seconds()
            call(number)
            enqueuing[name] = device.seconds() - start
            number += 1
    device.wait()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            if len(samples[name]) >= _FEWEST and sum(samples[name]) > seconds:
                continue
            occupier.enqueue(2 * enqueuing[name])
            start = device.mark()
            call(number)
            stop = device.mark()
            samples[name].append(device.between(start, stop))
            number += 1
    return samples
