"""What is installed, what was built and what runs."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Any

from gradops import _adapters, _backend, _library


def build_info() -> dict[str, Any]:
    """What is installed, what was built and what runs.

    Returns:
      A dictionary:
        version: gradops itself.
        backend: "fused"; "composite" if the losses are composed of TensorFlow's ops (on a TPU, from
          the first call of a loss on); "kernels only" if gradops was built without TensorFlow.
        backend_reason: Why it is not "fused"; "" if it is.
        tensorflow: The installed TensorFlow, None if there is none.
        tensorflow_versions: The minor versions of TensorFlow that the package has adapters for.
        tensorflow_build_version: The TensorFlow that the adapter in use was built against, "" where
          the ops are not fused.
        compiler: The C++ compiler.
        cpu_targets: The instruction sets that were compiled, narrowest first.
        cpu_targets_runnable: Those that this machine can run.
        cpu_target: The one in use; the environment variable GRADOPS_CPU_TARGET selects another.
        cuda_architectures: The GPU architectures that were compiled (docs/wheels.md).
        cuda_toolkit: The CUDA toolkit that compiled them, such as "13.0", or "".

    Raises:
      Nothing.

    Example:
      >>> gradops.build_info()["backend"] in ("fused", "composite")
      True
    """
    name, reason = _backend.in_use()
    if _library.is_built():
        built = _library.kernels().build_info()
    else:
        built = {
            "version": _installed_version(),
            "compiler": "",
            "cpu_targets": [],
            "cpu_targets_runnable": [],
            "cpu_target": "",
            "cuda_architectures": [],
            "cuda_toolkit": "",
        }
    return {
        "version": built.pop("version"),
        "backend": name,
        "backend_reason": reason,
        "tensorflow": _tensorflow_version(),
        "tensorflow_versions": list(_adapters.in_package()),
        "tensorflow_build_version": _adapters.version_of(_library.adapter())
        if name == "fused"
        else "",
        **built,
    }


def _installed_version() -> str:
    try:
        return importlib.metadata.version("gradops")
    except importlib.metadata.PackageNotFoundError:  # a source folder on the path
        return "0+unknown"


def _tensorflow_version() -> str | None:
    imported = sys.modules.get("tensorflow")
    if imported is not None:
        return imported.__version__
    return next(iter(_adapters.installed_tensorflow().values()), None)
