"""What the numbers depend on besides the code and the device."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import NOT_AVAILABLE
from gradops import _library

#: The variable that names the commit of a copy of the sources without their history.
COMMIT_VARIABLE = "GRADOPS_COMMIT"
UNKNOWN = "unknown"


def metadata(of_device: Mapping[str, str]) -> dict[str, str]:
    """Date, machine and versions, with what a device says of itself."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        **of_device,
        "gradops": _library.kernels().build_info()["version"],
        "commit": commit(),
    }


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def version(*distributions: str) -> str:
    """The version of the first of these packages that is installed, or "n/a"."""
    for distribution in distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return NOT_AVAILABLE


def cpu_model() -> str:
    """As the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def driver() -> str:
    """The release of NVIDIA's driver, such as 580.65; "unknown" where nvidia-smi does not say."""
    said = _output_of(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    return (said.split() or [UNKNOWN])[0]


def commit() -> str:
    """The commit of the sources, by COMMIT_VARIABLE or by git; "unknown" where neither says."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return os.environ.get(COMMIT_VARIABLE) or _output_of(git).strip() or UNKNOWN


def _output_of(command: list[str]) -> str:
    """What a command prints; nothing where it cannot run."""
    try:
        made = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return made.stdout
