"""The few functions of CuPy that are used, and the kernels: tests hand in others of both."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

_EMPTY_KERNEL = 'extern "C" __global__ void nothing() {}'


class Device:
    """A GPU by CuPy, and the module of the kernels.

    Args:
        cupy: The module.
        kernels: `gradops._kernels.cuda`.
    """

    def __init__(self, cupy: Any, kernels: Any) -> None:
        self.cupy = cupy
        self.kernels = kernels
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

    def give_back(self) -> None:
        """Memory that CuPy keeps but does not use."""
        self.wait()
        self.cupy.get_default_memory_pool().free_all_blocks()

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

    def capture(self, stream: Any, calls: Callable[[], object]) -> Callable[[], None]:
        """What `calls` enqueues on the current stream, as a graph; a call launches it there."""
        stream.begin_capture()
        try:
            calls()
        finally:
            graph = stream.end_capture()
        return lambda: graph.launch(stream)

    def scratch_peak(self, call: Callable[[], object]) -> int:
        """Bytes that the kernels take of the device's memory pool at the peak of a call."""
        runtime = self._runtime
        pool = runtime.deviceGetDefaultMemPool(0)
        high, current = runtime.cudaMemPoolAttrUsedMemHigh, runtime.cudaMemPoolAttrUsedMemCurrent
        self.wait()
        runtime.memPoolSetAttribute(pool, high, 0)
        before = int(runtime.memPoolGetAttribute(pool, current))
        call()
        self.wait()
        return int(runtime.memPoolGetAttribute(pool, high)) - before

    def cupy_peak(self, call: Callable[[], object]) -> int:
        """Bytes that CuPy's pool hands out at the peak of a call."""
        used = peak = 0

        class Hook(self.cupy.cuda.MemoryHook):  # type: ignore[name-defined, misc]
            name = "peak"

            def malloc_postprocess(self, **now: Any) -> None:
                nonlocal used, peak
                used += now["mem_size"]
                peak = max(peak, used)

            def free_postprocess(self, **now: Any) -> None:
                nonlocal used
                used -= now["mem_size"]

        self.wait()
        with Hook():
            call()
            self.wait()
        return peak

    def facts(self) -> dict[str, str]:
        """What the figures depend on besides the code."""
        properties = self._runtime.getDeviceProperties(0)
        name = properties["name"]
        mebibyte = 2**20
        return {
            "gpu": name.decode() if isinstance(name, bytes) else str(name),
            "multiprocessors": str(properties["multiProcessorCount"]),
            "l2_mib": f"{properties['l2CacheSize'] / mebibyte:.0f}",
            "memory_mib": f"{properties['totalGlobalMem'] / mebibyte:.0f}",
            "driver": _driver() + f", CUDA {_version(self._runtime.driverGetVersion())}",
        }


def open_device() -> Device:
    """The device of this process.

    Raises:
        SystemExit: Something it needs is not there; the message says what.
    """
    from gradops import _kernels

    if not hasattr(_kernels, "cuda"):
        raise SystemExit(
            "benchmarks.gpu: this gradops has no module gradops._kernels.cuda, which a build with "
            "CUDA and without TensorFlow has: run make gpu-check"
        )
    try:
        import cupy
    except ImportError as error:
        raise SystemExit(f"benchmarks.gpu: needs CuPy, and {error}") from error
    why_not = _kernels.cuda.check_driver()
    if why_not:
        raise SystemExit(f"benchmarks.gpu: {why_not}")
    return Device(cupy, _kernels.cuda)


def _version(number: int) -> str:
    """Such as 13.0 of 13000."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver() -> str:
    """The release, such as 580.65; "unknown" where nvidia-smi does not say."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown"
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (said.stdout.split() or ["unknown"])[0]
