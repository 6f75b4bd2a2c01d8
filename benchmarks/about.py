"""What the numbers depend on besides the code."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import tensorflow as tf

import gradops
from benchmarks.report import NOT_AVAILABLE

_PEERS = ("torch", "kornia", "jax", "opencv-python-headless")


def metadata(threads: int) -> dict[str, str]:
    """Date, machine, versions; peers that are not installed are "n/a"."""
    info = gradops.build_info()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "threads": str(threads or cores()),
        "cpu_target": info["cpu_target"],
        "tensorflow": tf.__version__,
        "gradops": info["version"],
        "commit": _commit(),
        "peers": ", ".join(f"{name} {_version(name)}" for name in _PEERS),
    }


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return NOT_AVAILABLE


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        git = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return NOT_AVAILABLE
    return git.stdout.strip() or NOT_AVAILABLE
