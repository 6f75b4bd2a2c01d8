"""Measuring memory and summarising times, for the demo and the benchmarks."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from collections.abc import Iterator, Sequence

import numpy as np

# The environment of a process that measures memory with `peak_extra_memory`. With the first
# variable the GNU C library gets every large block from the system and returns it when it is freed,
# so that the peak is that of the memory in use; by default it keeps freed blocks per thread, and
# the peak varies by half from run to run. With oneDNN, TensorFlow has a pool that keeps blocks too,
# which the second variable turns off. Allocations become slower, so times should be measured in
# another process.
EXACT_PEAKS = {
    "MALLOC_MMAP_THRESHOLD_": "65536",  # Bytes.
    "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1",
}


class PeakMemory:
    """The peak of this process's resident memory above a baseline, in bytes."""

    def __init__(self, baseline: int | None) -> None:
        self._baseline = baseline
        self._final: int | None = None
        self._frozen = False

    @property
    def extra_bytes(self) -> int | None:
        """The peak since entry, up to now or to the context's end; None where not measurable."""
        if self._frozen or self._baseline is None:
            return self._final
        peak = _status_bytes("VmHWM")
        return None if peak is None else max(0, peak - self._baseline)

    def _freeze(self) -> None:
        self._final = self.extra_bytes
        self._frozen = True


def _status_bytes(field: str) -> int | None:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            match = re.search(rf"^{field}:\s+(\d+) kB$", status.read(), re.MULTILINE)
    except OSError:
        return None
    return None if match is None else int(match.group(1)) * 1024


def _return_free_memory() -> None:
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc only.
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> bool:
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as clear_refs:
            clear_refs.write("5")
    except OSError:
        return False
    return True


@contextlib.contextmanager
def peak_extra_memory() -> Iterator[PeakMemory]:
    """Measure the peak resident memory of a block of code above the level at its entry.

    Memory that the process has freed but the C library still holds would hide allocations of the
    block, so it is returned to the system first; memory that cannot be returned (fragments, caches)
    still hides as much. To compare two things, measure each in a fresh process, with `EXACT_PEAKS`
    in its environment.

    Contexts cannot be nested, because the system keeps one peak per process.

    Yields:
        A `PeakMemory`; its `extra_bytes` is None where the system does not say (not Linux, or
        /proc/self/clear_refs is not writable).
    """
    _return_free_memory()
    memory = PeakMemory(_status_bytes("VmRSS") if _reset_peak() else None)
    try:
        yield memory
    finally:
        memory._freeze()


def median_and_percentiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """(median, 20th percentile, 80th percentile), interpolated linearly.

    Raises:
        ValueError: There are no samples.
    """
    if len(samples) == 0:
        raise ValueError("samples must be one or more, got none")
    p20, median, p80 = np.percentile(np.asarray(samples, dtype=np.float64), [20, 50, 80])
    return float(median), float(p20), float(p80)
