"""What the demo compares, and running each in a process of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gradops import _measure


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


class WorkerError(Exception):
    """A worker did not finish."""


def measure_in_subprocess(
    provider: Provider, options: argparse.Namespace, directory: Path
) -> Result:
    """Measure one provider in fresh processes, so that no other's heap or caches affect it.

    Raises:
        WorkerError: A process failed; it has said why on standard error.
    """
    name = next(name for name, value in PROVIDERS.items() if value == provider)
    image = directory / f"{name}.npy"
    times = _run_worker(name, options, {}, ["--result", str(image)])
    memory = _run_worker(name, options, _measure.EXACT_PEAKS, [])
    return Result(provider=provider, image=np.load(image), **times, **memory)


def _run_worker(
    name: str, options: argparse.Namespace, environment: dict[str, str], arguments: list[str]
) -> dict[str, Any]:
    command = [sys.executable, "-m", "gradops", "demo", "--provider", name, *arguments]
    for option in ("steps", "tolerance", "size", "seed"):
        command += [f"--{option}", str(getattr(options, option))]
    # On the CPU: resident memory does not include a GPU's. The log level hides what TensorFlow says
    # about the processor at every start.
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        **environment,
    }
    worker = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if worker.returncode != 0:
        title = PROVIDERS[name].title
        raise WorkerError(f"{title}: its process ended with status {worker.returncode}")
    return json.loads(worker.stdout.splitlines()[-1])
