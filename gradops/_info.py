"""What is installed, what was built and what runs."""

from __future__ import annotations

import sys
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
    built["tensorflow_build_version"] = _library.tensorflow_build_version()
    return {
        "version": built.pop("version"),
        "backend": "fused" if built["tensorflow_build_version"] else "kernels only",
        "tensorflow": _tensorflow_version(),
        **built,
    }


def _tensorflow_version() -> str | None:
    imported = sys.modules.get("tensorflow")
    if imported is not None:
        return imported.__version__
    installed = _library.installed_tensorflow()
    return installed[1] if installed else None
