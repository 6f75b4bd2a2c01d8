"""The CPU, and a device of TensorFlow's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import tensorflow as tf

import gradops
from benchmarks import about, device
from benchmarks.attempts import NotedError
from benchmarks.device import ROOT, AnyCall, Providers, Section
from benchmarks.problems import Problem, Shape
from benchmarks.tf import every_mode, isolated, peers, sections, terms
from benchmarks.tf.baselines import BASELINES
from benchmarks.tf.providers import PROVIDERS

_PEERS = ("halide", "torch", "kornia", "jax", "opencv-python-headless")
_NOTES = """\
Every figure of a block was timed in the same rounds. ratio: time over that of the row or baseline
named under "against"; where that is the fused op, it says how many times faster the fused op is.
floor: what the ratio must not exceed; aim: what it is hoped to reach. GB/s: of the least possible
traffic, 2 image reads, and 1 write where there is a gradient, without weights and mask.
tf.function(p - t) allocates its result as every op does: where TensorFlow gives freed memory back
to the system (oneDNN off), most of its time at large shapes is for touching new memory. kernel:
without TensorFlow, on threads that it starts at every call, as do the triads and the read floor.
Peers: slices in torch.compile and jax.jit; Halide scheduled by hand, two passes that write to a
buffer of the caller; kornia's spatial_gradient, whose border is replicate; cv2.Sobel of p - t,
forward only."""
_MEMORY_NOTES = """\
Peak memory of one call, in a process of its own. beyond inputs: with the results; the kernel and
Halide write their gradient to a buffer of the caller. beyond outputs: without them. limit: 256 KiB
for each thread and 16 bytes for each unit of work. The kernel's threads, the caller among them, are
new, so all of their buffers count; of TensorFlow's pool those stay from call to call, and do not
count again."""


class Cpu(device.Device):
    """The kernels and ops of the CPU, and what they replace."""

    sections = sections.SECTIONS
    optional_sections = ("peers",)
    shapes = ((16, 512, 512, 3), (4, 2048, 2048, 3), (64, 512, 512, 1))
    quick_shapes = ((2, 32, 32, 3), (1, 24, 20, 1))
    dtypes = ("float32", "float64")
    choosable = tuple(name for name in PROVIDERS if name != "kernel")
    csv = ROOT / "benchmarks" / "results" / "cpu.csv"
    chart = ROOT / "docs" / "images" / "performance.png"
    charted = ("chart",)
    goes_on = False
    notes, memory_notes = _NOTES, _MEMORY_NOTES
    providers: ClassVar[Providers] = {**PROVIDERS, **peers.PEERS}
    baselines = BASELINES

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads
        tf.config.set_visible_devices([], "GPU")
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)

    def facts(self) -> dict[str, str]:
        """Threads and versions; peers that are not installed are "n/a"."""
        return {
            "threads": str(self._threads or about.cores()),
            "cpu_target": gradops.build_info()["cpu_target"],
            "tensorflow": tf.__version__,
            "peers": ", ".join(f"{name} {about.version(name)}" for name in _PEERS),
        }


class TensorFlow(device.Device):
    """A device such as GPU:0 or CPU:0, and no other GPU.

    Args:
        name: Such as GPU:0.
        isolate: Whether small checks are done by other processes, as they are of a GPU: one that
            dies takes down only the check that it was at.

    Raises:
        SystemExit: There is no such device.
    """

    sections: Mapping[str, Section] = {"modes": every_mode.modes, "terms": terms.terms}
    shapes: tuple[Shape, ...] = ((4, 256, 256, 3),)
    quick_shapes = ((2, 32, 32, 3),)
    choosable = every_mode.MODES
    notes = 'ratio: time over that named under "against".'
    memory_notes = "Peak memory of the device in one call, beyond what was there before."
    providers: ClassVar[Providers] = {**every_mode.PROVIDERS, **terms.PROVIDERS}

    def __init__(self, name: str, isolate: bool = False) -> None:
        kind, _, index = name.partition(":")
        if kind not in ("CPU", "GPU") or not index.isdigit():
            raise SystemExit(f"--device: got {name!r}, expected cuda, cpu, or such as GPU:0")
        found = tf.config.list_physical_devices(kind)
        if int(index) >= len(found):
            raise SystemExit(f"--device: got {name!r}, and TensorFlow finds {len(found)} {kind}s")
        self._name, self._is_gpu = name, kind == "GPU"
        self._details = ""
        self._said: Mapping[isolated.Name, str] = {}
        self._isolate = isolate or self._is_gpu
        tf.config.set_visible_devices([found[int(index)]] if self._is_gpu else [], "GPU")
        if self._is_gpu:
            gpu = found[int(index)]
            tf.config.experimental.set_memory_growth(gpu, True)
            self._details = f" {tf.config.experimental.get_device_details(gpu)}"
            self.shapes = ((16, 512, 512, 3), (64, 512, 512, 3))

    def facts(self) -> dict[str, str]:
        """The device, and versions."""
        return {
            "device": self._name + self._details,
            "tensorflow": tf.__version__,
            "build": str(gradops.build_info()),
        }

    def check_small(self, provider: str, mode: str, like: Problem) -> None:
        """Compares loss and gradient with the oracle, at an odd small shape.

        Raises:
            VerificationError: One of them is wrong.
            NotedError: Another process says that they are, or has died of it.
        """
        if not self._isolate:
            every_mode.check_small(self, provider, mode)
        elif self._said[provider, mode] != isolated.OK:
            raise NotedError(self._said[provider, mode])

    def check_first(self, names: Sequence[isolated.Name]) -> None:
        """Does the small checks that are to come, if other processes are to do them."""
        if self._isolate:
            self._said = isolated.check_all(names, self._name)

    def peak(self, call: AnyCall) -> int | None:
        """What TensorFlow's allocator counts, on a GPU."""
        if not self._is_gpu:
            return None
        seen = "GPU:0"  # The only one that is.
        before = tf.config.experimental.get_memory_info(seen)["current"]
        tf.config.experimental.reset_memory_stats(seen)
        call()
        return tf.config.experimental.get_memory_info(seen)["peak"] - before
