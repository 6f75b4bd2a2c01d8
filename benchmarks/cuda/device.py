"""A GPU: how calls are prepared, timed and looked at there."""

from __future__ import annotations

import functools
import gc
import math
import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import about, device
from benchmarks.cuda import buffers, memory, providers
from benchmarks.cuda.runtime import Runtime
from benchmarks.device import ROOT, AnyCall, Section
from benchmarks.problems import Problem
from gradops import _library

_NOTES = """\
Medians by events of the device, of calls taken in turn on buffers that rotate through many times
its L2. ratio: time over that of the ceiling or library named under "against". floor: what the ratio
must not exceed; aim: what it is hoped to reach. GB/s: of the least possible traffic, 2 image reads,
and 1 write where there is a gradient. small: by the host's clock over many calls in a row, and as a
CUDA graph of many calls. Every library computes the losses [B] of sobel/component/l1, and the
gradient of their mean (float16: times 32768), of images on the device; PyTorch's by autograd."""
_MEMORY_NOTES = """\
Peak of one call, as the allocators of CUDA, CuPy and PyTorch count it. beyond inputs: with the
losses and the gradient, also where the caller gives them buffers (gradops). beyond outputs: without
them."""
_PACKAGES = {"cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"), "torch": ("torch",)}
_PACKAGES |= {"triton": ("triton",), "numpy": ("numpy",)}
# The other work before a call: images of which three are 192 MiB, and its seconds, at least and at
# most.
_BLOCK, _QUICK_BLOCK = (64, 512, 512, 1), (1, 64, 64, 1)
_LEAST_BUSY, _MOST_BUSY = 0.4e-3, 20e-3
_WARMUP = 2
_ENOUGH_SECONDS = 0.3


class Cuda(Runtime, device.Device):
    """A GPU: arrays of CuPy, events that time calls, and the module of the kernels.

    Args:
        cupy: The module.
        kernels: `gradops._kernels.cuda`.
        quick: Whether images are few and small.
    """

    shapes, quick_shapes = buffers.SHAPES, buffers.QUICK_SHAPES
    dtypes = default_dtypes = buffers.DTYPES
    choosable = tuple(providers.PEERS)
    rounds, slow_rounds = 50, 5
    seconds_for_all = 240
    csv = ROOT / "benchmarks" / "results" / "gpu.csv"
    chart = ROOT / "docs" / "images" / "performance-gpu.png"
    charted = ("bandwidth", "small", "peers")
    notes, memory_notes = _NOTES, _MEMORY_NOTES
    providers, baselines = providers.PROVIDERS, providers.BASELINES

    def __init__(self, cupy: Any, kernels: Any, quick: bool = False) -> None:
        super().__init__(cupy)
        self.kernels = kernels
        self._working_set = 0 if quick else buffers.WORKING_SET
        self._block = _QUICK_BLOCK if quick else _BLOCK

    @property
    def sections(self) -> Mapping[str, Section]:  # type: ignore[override]
        """The sections by name, in the order in which they run: what is ours first."""
        from benchmarks.cuda.sections import SECTIONS  # They use this class.

        return SECTIONS

    def facts(self) -> dict[str, str]:
        """What the figures depend on besides the code; what is not installed is "n/a"."""
        properties = self._runtime.getDeviceProperties(0)
        name, info = properties["name"], _library.kernels().build_info()
        return {
            "gpu": name.decode() if isinstance(name, bytes) else str(name),
            "multiprocessors": str(properties["multiProcessorCount"]),
            "l2_mib": f"{properties['l2CacheSize'] / 2**20:.0f}",
            "memory_mib": f"{properties['totalGlobalMem'] / 2**20:.0f}",
            "driver": about.driver() + f", CUDA {_version(self._runtime.driverGetVersion())}",
            "cuda_toolkit": info["cuda_toolkit"],
            "architectures": " ".join(info["cuda_architectures"]),
            "python": platform.python_version(),
            **{name: about.version(*packages) for name, packages in _PACKAGES.items()},
        }

    def prepare(self, problem: Problem, rotate: bool = True) -> buffers.Buffers:
        """Images and outputs on the device, in several sets that serve the calls in turn."""
        return buffers.make_buffers(self, problem, self._working_set if rotate else 0)

    def expect(self, inputs: buffers.Buffers) -> None:
        """The next call is given the images of the problem, and outputs that are NaN."""
        inputs.rewind()
        for output in inputs.outputs:
            self.fill(output, 255)

    def read(self, array: Any) -> np.ndarray:
        """An array of CuPy or a tensor of PyTorch on the host; a narrow one as float32."""
        if hasattr(array, "detach"):
            return array.detach().float().cpu().numpy()
        return buffers.decode(self.get(array))

    def gives_results(self, provider: str) -> bool:
        """The kernels write to the caller's buffers."""
        return provider == providers.OURS

    def peak(self, call: AnyCall) -> int:
        """Bytes that the kernels' pool, CuPy and PyTorch hand out at the peak of a call."""
        return memory.peak(self.cupy, call)

    def give_back(self) -> None:
        """Memory that CuPy and PyTorch keep but do not use."""
        gc.collect()
        self.wait()
        self.cupy.get_default_memory_pool().free_all_blocks()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def interleave(
        self, calls: Mapping[Any, AnyCall], rounds: int, slow_rounds: int
    ) -> dict[Any, list[float]]:
        """Time every call once a round, in order, by events of the device.

        Other work comes before each, so that a call is enqueued before it begins: what the host
        takes for that is not timed. `slow_rounds` samples suffice of a call once they took
        `_ENOUGH_SECONDS`.
        """
        enqueuing = {}
        for name, call in calls.items():
            for _ in range(_WARMUP):
                self.wait()
                start = self.seconds()
                call()
                enqueuing[name] = self.seconds() - start
        self.wait()
        samples: dict[Any, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                if len(samples[name]) >= slow_rounds and sum(samples[name]) > _ENOUGH_SECONDS:
                    continue
                self._occupy(2 * enqueuing[name])
                start = self.mark()
                call()
                samples[name].append(self.between(start, self.mark()))
        return samples

    def _occupy(self, seconds: float) -> None:
        """Enqueues about as much other work as takes so long.

        The work is a triad on buffers of its own: the caches are as other work of the kind leaves
        them, with lines that are still to be written.
        """
        one, its_seconds = self._other_work
        for _ in range(math.ceil(min(max(seconds, _LEAST_BUSY), _MOST_BUSY) / its_seconds)):
            one()

    @functools.cached_property
    def _other_work(self) -> tuple[AnyCall, float]:
        """One triad, and the seconds that it takes."""
        images = [self.empty(self._block, "float32") for _ in range(3)]
        for image in images:
            self.fill(image, 63)  # 0.7

        def one() -> None:
            self.kernels.triad(*images, stream=self.stream)

        times = []
        for _ in range(5):
            start = self.mark()
            one()
            times.append(self.between(start, self.mark()))
        return one, max(sorted(times)[2], 1e-5)


def open_device(quick: bool = False) -> Cuda:
    """The device of this process.

    Raises:
        SystemExit: Something it needs is not there; the message says what.
    """
    from gradops import _kernels

    if not hasattr(_kernels, "cuda"):
        raise SystemExit(
            "--device cuda: this gradops has no module gradops._kernels.cuda, which a build with "
            "CUDA and without TensorFlow has: run make gpu-check"
        )
    try:
        import cupy
    except ImportError as error:
        raise SystemExit(f"--device cuda: needs CuPy, and {error}") from error
    why_not = _kernels.cuda.check_driver()
    if why_not:
        raise SystemExit(f"--device cuda: {why_not}")
    return Cuda(cupy, _kernels.cuda, quick)


def _version(number: int) -> str:
    """Such as 13.0 of 13000."""
    return f"{number // 1000}.{number % 1000 // 10}"
