"""What is compared, and running each in a process of its own."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from gradops import _measure
from gradops.demo.processes import run_worker


@dataclasses.dataclass(frozen=True)
class Provider:
    """One way to compute the loss: which library, and eager or as a tf.function."""

    library: str
    graph: bool

    @property
    def title(self) -> str:
        """Its name in the table."""
        return f"{self.library}, {'tf.function' if self.graph else 'eager'}"


_GRADOPS, _TENSORFLOW = "gradops", "TensorFlow"
PROVIDERS = {
    "gradops-eager": Provider(_GRADOPS, graph=False),
    "tensorflow-eager": Provider(_TENSORFLOW, graph=False),
    "gradops-function": Provider(_GRADOPS, graph=True),
    "tensorflow-function": Provider(_TENSORFLOW, graph=True),
}
# Speed-ups are over this library in the same mode; losses are compared with this provider's.
BASELINE_LIBRARY = _TENSORFLOW
BASELINE = PROVIDERS["tensorflow-eager"]


@dataclasses.dataclass
class Result:
    """What a worker measured. Times are (median, 20th, 80th percentile) in milliseconds."""

    provider: Provider
    image: np.ndarray  # [H, W, C], may leave [0, 1].
    steps: int  # Taken, at most those asked for.
    final_loss: float
    step_ms: tuple[float, float, float]
    loss_ms: tuple[float, float, float]
    loss_memory: int | None  # Bytes.
    run_memory: int | None  # Bytes.
    versions: str


def measure_in_subprocess(name: str, options: argparse.Namespace, directory: Path) -> Result:
    """Measure one provider in fresh processes, so that no other's heap or caches affect it.

    Raises:
        processes.WorkerError: A process failed; it has said why on standard error.
    """
    provider = PROVIDERS[name]
    image = directory / f"{name}.npy"
    command = ["optimize", options.input, str(options.output), "--provider", name]
    for option in ("steps", "tolerance", "size", "seed"):
        command += [f"--{option}", str(getattr(options, option))]
    times = run_worker(provider.title, [*command, "--result", str(image)], {})
    memory = run_worker(provider.title, command, _measure.EXACT_PEAKS)
    return Result(provider=provider, image=np.load(image), **times, **memory)
