"""What is timed beside the ceilings: a way to compute the loss, and its gradient, on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import modes
from benchmarks.gpu.problems import Buffers, decode

Result = tuple[Any, Any]


@dataclasses.dataclass(frozen=True)
class Provider:
    """One way, for one shape and dtype.

    `call` takes the number of the call, which says what buffers serve, and returns (losses [B],
    gradient [B, H, W, C] or None), both on the device. `read` copies one of them, or a part of it,
    to the host, as float. `peak` tells how many bytes of the device a call takes that are not its
    inputs, `given` how many more of its results the caller gave.
    """

    name: str
    mode: str
    call: Callable[[int], Result]
    read: Callable[[Any], np.ndarray]
    peak: Callable[[Callable[[], object]], int | None]
    given: int = 0


class OnDevice:
    """A gradient, of which windows can be read: NumPy arrays."""

    def __init__(self, array: Any, read: Callable[[Any], np.ndarray]) -> None:
        self._array, self._read = array, read

    def __getitem__(self, window: tuple[int, slice, slice]) -> np.ndarray:
        """A window (example, rows, columns): the example is copied as a whole."""
        return self._read(self._array[window[0]])[window[1:]]

    def __array__(self, *_arguments: Any, **_options: Any) -> np.ndarray:
        """All of it."""
        return self._read(self._array)


OURS = "gradops"


def ours(buffers: Buffers, mode: str) -> Provider:
    """The fused kernels; what they write is the caller's."""
    device, sets, kernels = buffers.device, buffers.sets, buffers.device.kernels
    options = {"dtype": buffers.dtype, "stream": device.stream}

    def forward(n: int) -> Result:
        kernels.loss(*sets[n % len(sets)][:2], buffers.loss, **options)
        return buffers.loss, None

    def loss_and_gradient(n: int) -> Result:
        y_true, y_pred, gradient = sets[n % len(sets)]
        kernels.loss_memo(y_true, y_pred, buffers.upstream, buffers.loss, gradient, **options)
        return buffers.loss, gradient

    def read(array: Any) -> np.ndarray:
        values = device.get(array)
        return values if values.ndim == 1 else decode(values, buffers.dtype)

    has_gradient = mode != modes.FORWARD
    call = loss_and_gradient if has_gradient else forward
    given = buffers.loss.nbytes + has_gradient * buffers.nbytes
    return Provider(OURS, mode, call, read, device.scratch_peak, given)
