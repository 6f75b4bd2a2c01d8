"""What is installed, what was built and what runs."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from gradops import _library


def build_info() -> dict[str, Any]:
    """What is installed, what was built and what runs.

    Returns:
      A dictionary:
        version: gradops itself.
        backend: "fused", or "kernels only" where gradops was built without TensorFlow.
        tensorflow: The installed TensorFlow, None if there is none.
        tensorflow_build_version: The TensorFlow that the op library was built against, "" if none.
        compiler: The C++ compiler.
        cpu_targets: Instruction sets compiled in, narrowest first.
        cpu_targets_runnable: Those that this machine can run.
        cpu_target: The one that runs; the environment variable GRADOPS_CPU_TARGET forces another.
        cuda_architectures: GPU architectures compiled in; none yet.

    Raises:
      ImportError: If gradops is not built.

    Example:
      >>> gradops.build_info()["backend"]
      'fused'
    """
    built = _library.kernels().build_info()
    return {
        "version": built.pop("version"),
        "backend": "fused" if built["tensorflow_build_version"] else "kernels only",
        "tensorflow": _installed_tensorflow(),
        **built,
    }


def _installed_tensorflow() -> str | None:
    for package in ("tensorflow", "tensorflow-cpu"):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
