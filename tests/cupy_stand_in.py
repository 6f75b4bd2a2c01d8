"""What benchmarks/cuda uses of CuPy and of `gradops._kernels.cuda`, on NumPy arrays of the host.

The kernels are those of the emulation. Nothing is asynchronous: a captured graph runs what was
called once more. Everything else that is asked of CuPy is NumPy's.
"""

import contextlib
import ctypes
import time
from types import SimpleNamespace

import cuda_emulation
import numpy as np

_captures = []  # The calls of each graph that is being captured.


class Array(np.ndarray):
    """An array of the "device": its `data` has a pointer."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


def asarray(array):
    return np.array(array).view(Array)


def empty(shape, dtype="float64"):
    return np.empty(shape, dtype).view(Array)


def asnumpy(array):
    return np.array(array)


def enqueue(work):
    """Runs it, and keeps it for the graph that is being captured."""
    work()
    if _captures:
        _captures[-1].append(work)


class Event:
    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        assert self.at


class Stream(contextlib.AbstractContextManager):
    def __init__(self, ptr=7, non_blocking=False):
        self.ptr = ptr

    def __enter__(self):
        current.append(self)
        return self

    def __exit__(self, *_):
        current.pop()

    def begin_capture(self):
        assert current[-1] is self and self.ptr != 0  # The default stream cannot be captured.
        _captures.append([])

    def end_capture(self):
        calls = _captures.pop()
        return SimpleNamespace(launch=lambda stream: [call() for call in calls])


current = [Stream(0)]


class RawKernel:
    def __init__(self, source, name):
        assert f"void {name}()" in source

    def __call__(self, grid, block, arguments):
        assert (grid, block, arguments) == ((1,), (1,), ())
        enqueue(lambda: None)


class MemoryHook(contextlib.AbstractContextManager):
    """CuPy tells of every array; this of one of a MiB that is taken and given back."""

    def __enter__(self):
        self.malloc_postprocess(device_id=0, size=2**20, mem_size=2**20, mem_ptr=1, pmem_id=1)

    def __exit__(self, *_):
        self.free_postprocess(device_id=0, mem_size=2**20, mem_ptr=1, pmem_id=1)


class Runtime:
    memcpyDeviceToDevice = 3
    cudaMemPoolAttrUsedMemHigh, cudaMemPoolAttrUsedMemCurrent = 8, 7

    def deviceSynchronize(self):
        assert not _captures

    def memsetAsync(self, pointer, value, size, stream):
        assert stream == current[-1].ptr
        enqueue(lambda: ctypes.memset(pointer, value, size))

    def memcpyAsync(self, target, source, size, kind, stream):
        assert kind == self.memcpyDeviceToDevice and stream == current[-1].ptr
        enqueue(lambda: ctypes.memmove(target, source, size))

    def deviceGetDefaultMemPool(self, device):
        return 11

    def memPoolSetAttribute(self, pool, attribute, value):
        assert (pool, attribute, value) == (11, self.cudaMemPoolAttrUsedMemHigh, 0)

    def memPoolGetAttribute(self, pool, attribute):
        return 4096 if attribute == self.cudaMemPoolAttrUsedMemHigh else 1024

    def getDeviceProperties(self, device):
        sizes = {"l2CacheSize": 2**20, "totalGlobalMem": 2**30, "multiProcessorCount": 1}
        return {"name": b"a stand-in", **sizes}

    def driverGetVersion(self):
        return 13000


cuda = SimpleNamespace(
    Event=Event,
    Stream=Stream,
    MemoryHook=MemoryHook,
    runtime=Runtime(),
    get_current_stream=lambda: current[-1],
    get_elapsed_time=lambda start, stop: 1e3 * (stop.at - start.at),
)


def get_default_memory_pool():
    return SimpleNamespace(free_all_blocks=lambda: None)


def __getattr__(name):
    return getattr(np, name)


class Kernels:
    """`gradops._kernels.cuda`: outputs are given by the caller, last."""

    def _run(self, function, inputs, outputs, dtype, stream):
        assert stream == current[-1].ptr
        assert inputs[-1].dtype == {"bfloat16": "uint16"}.get(dtype, dtype)

        def run():
            results = getattr(cuda_emulation, function)(*inputs, dtype=dtype)
            results = results if isinstance(results, tuple) else (results,)
            for output, result in zip(outputs, results, strict=True):
                output[...] = result

        enqueue(run)

    def loss(self, y_true, y_pred, loss, *, dtype="float32", stream=0):
        self._run("loss", (y_true, y_pred), (loss,), dtype, stream)

    def loss_memo(self, y_true, y_pred, expected, loss, memo, *, dtype="float32", stream=0):
        assert stream == current[-1].ptr
        inputs = (y_true, y_pred)

        def run():
            loss[...], memo[...] = cuda_emulation.loss_memo(*inputs, expected, dtype=dtype)

        enqueue(run)

    def triad(self, a, b, out, *, dtype="float32", stream=0):
        self._run("triad", (a, b), (out,), dtype, stream)

    def sum_absolute_difference(self, a, b, sums, *, dtype="float32", stream=0):
        self._run("sum_absolute_difference", (a, b), (sums,), dtype, stream)

    def nothing(self, stream=0):
        assert stream == current[-1].ptr
        enqueue(lambda: None)
