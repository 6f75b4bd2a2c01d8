"""Workers: one provider in a process of its own, so that no other's heap or caches affect it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


class WorkerError(Exception):
    """A worker did not finish."""


def run_worker(
    title: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Runs `python -m gradops` with arguments; returns the JSON object of its last line.

    Raises:
        WorkerError: The process failed; it has said why on standard error.
    """
    # On the CPU: resident memory does not include a GPU's. The log level hides what TensorFlow says
    # about the processor at every start.
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        **environment,
    }
    command = [sys.executable, "-m", "gradops", *arguments]
    worker = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if worker.returncode != 0:
        raise WorkerError(f"{title}: its process ended with status {worker.returncode}")
    return json.loads(worker.stdout.splitlines()[-1])


def measure_each(
    names: Iterable[str],
    measure: Callable[[str, argparse.Namespace, Path], Result],
    options: argparse.Namespace,
) -> list[Result]:
    """What measure(name, options, directory) finds of each provider, one after the other.

    Raises:
        WorkerError: A worker failed.
    """
    with tempfile.TemporaryDirectory(prefix="gradops-") as directory:
        return [measure(name, options, Path(directory)) for name in names]
