"""The few functions of CuPy that are used: tests hand in another module."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.device import AnyCall

_EMPTY_KERNEL = 'extern "C" __global__ void nothing() {}'


class Runtime:
    """Arrays, streams, events and graphs of a GPU."""

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self._runtime = cupy.cuda.runtime

    @property
    def stream(self) -> int:
        """The current stream, as the kernels take it; 0 is the default one."""
        return int(self.cupy.cuda.get_current_stream().ptr)

    def seconds(self) -> float:
        """The seconds of a clock of the host."""
        return time.perf_counter()

    def mark(self) -> Any:
        """An event, recorded on the current stream."""
        event = self.cupy.cuda.Event()
        event.record()
        return event

    def between(self, start: Any, stop: Any) -> float:
        """Seconds of the device from one event to another; waits for it."""
        stop.synchronize()
        return float(self.cupy.cuda.get_elapsed_time(start, stop)) / 1e3

    def wait(self) -> None:
        """Until all work is done."""
        self._runtime.deviceSynchronize()

    def put(self, array: np.ndarray) -> Any:
        """A copy on the device."""
        return self.cupy.asarray(array)

    def get(self, array: Any) -> np.ndarray:
        """A copy on the host."""
        return self.cupy.asnumpy(array)

    def empty(self, shape: Sequence[int], dtype: str) -> Any:
        """An array of anything."""
        return self.cupy.empty(tuple(shape), dtype)

    def fill(self, array: Any, byte: int) -> None:
        """Sets every byte; 255 makes NaN of every dtype. Enqueued."""
        self._runtime.memsetAsync(array.data.ptr, byte, array.nbytes, self.stream)

    def copy(self, source: Any, target: Any, size: int = -1, at: int = 0, to: int = 0) -> None:
        """Copies bytes, all or `size` from `at` of the source to `to` of the target. Enqueued."""
        size = source.nbytes if size < 0 else size
        kind = self._runtime.memcpyDeviceToDevice
        pointers = target.data.ptr + to, source.data.ptr + at
        self._runtime.memcpyAsync(*pointers, size, kind, self.stream)

    def empty_kernel(self) -> Callable[[], None]:
        """A call that launches a kernel that does nothing, on the current stream."""
        kernel = self.cupy.RawKernel(_EMPTY_KERNEL, "nothing")
        return lambda: kernel((1,), (1,), ())

    @contextlib.contextmanager
    def other_stream(self) -> Iterator[Any]:
        """A stream that can be captured, current within the block."""
        self.wait()
        stream = self.cupy.cuda.Stream(non_blocking=True)
        with stream:
            yield stream
        self.wait()

    def capture(self, calls: AnyCall) -> Callable[[], None]:
        """What `calls` enqueues on the current stream, as a graph; a call launches it there."""
        stream = self.cupy.cuda.get_current_stream()
        stream.begin_capture()
        try:
            calls()
        finally:
            graph = stream.end_capture()
        return lambda: graph.launch(stream)
