"""What the numbers depend on besides the code."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import gradops
from benchmarks.report import NOT_AVAILABLE

#: The variable that names the commit of a copy of the sources without their history.
COMMIT_VARIABLE = "GRADOPS_COMMIT"
UNKNOWN = "unknown"

_PEERS = ("torch", "kornia", "jax", "opencv-python-headless")


def metadata(threads: int) -> dict[str, str]:
    """Date, machine, versions; peers that are not installed are "n/a"."""
    import tensorflow as tf

    info = gradops.build_info()
    return {
        "date": now(),
        "cpu": cpu_model(),
        "threads": str(threads or cores()),
        "cpu_target": info["cpu_target"],
        "tensorflow": tf.__version__,
        "gradops": info["version"],
        "commit": commit(),
        "peers": ", ".join(f"{name} {version(name)}" for name in _PEERS),
    }


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def now() -> str:
    """Of UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def version(distribution: str) -> str:
    """The version of an installed package, or "n/a"."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return NOT_AVAILABLE


def cpu_model() -> str:
    """As the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the sources, by COMMIT_VARIABLE or by git; "unknown" where neither says."""
    if os.environ.get(COMMIT_VARIABLE):
        return os.environ[COMMIT_VARIABLE]
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        git = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return UNKNOWN
    return git.stdout.strip() or UNKNOWN
