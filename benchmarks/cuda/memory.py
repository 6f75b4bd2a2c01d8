"""Memory of the device that one call takes."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.device import AnyCall


def peak(cupy: Any, call: AnyCall) -> int:
    """Bytes that CUDA's pool, from which kernels take theirs, CuPy and PyTorch hand out at a peak.

    A call takes them of one of these.
    """
    runtime = cupy.cuda.runtime
    torch: Any = sys.modules.get("torch")
    has_torch = torch is not None and torch.cuda.is_available()
    pool = runtime.deviceGetDefaultMemPool(0)
    runtime.deviceSynchronize()
    runtime.memPoolSetAttribute(pool, runtime.cudaMemPoolAttrUsedMemHigh, 0)
    before = int(runtime.memPoolGetAttribute(pool, runtime.cudaMemPoolAttrUsedMemCurrent))
    if has_torch:
        torch.cuda.reset_peak_memory_stats()
        before += int(torch.cuda.memory_allocated())
    hook = _hook(cupy)
    with hook:
        call()
        runtime.deviceSynchronize()
    after = int(runtime.memPoolGetAttribute(pool, runtime.cudaMemPoolAttrUsedMemHigh))
    if has_torch:
        after += int(torch.cuda.max_memory_allocated())
    return after - before + hook.peak


def _hook(cupy: Any) -> Any:
    """A context in which it counts what CuPy's pool hands out: `peak`, bytes."""

    class Hook(cupy.cuda.MemoryHook):  # type: ignore[name-defined, misc]
        name = "peak"
        used = peak = 0

        def malloc_postprocess(self, **now: Any) -> None:
            self.used += now["mem_size"]
            self.peak = max(self.peak, self.used)

        def free_postprocess(self, **now: Any) -> None:
            self.used -= now["mem_size"]

    return Hook()
