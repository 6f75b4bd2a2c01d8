"""Which of two backends computes: the fused ops (_ops.py) or their composition (_composed.py).

The environment variable GRADOPS_BACKEND says: "fused", or an error that tells what is in the way;
"composite"; or "auto", the default: fused if the op library loads, else composite with a warning.
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from types import ModuleType
from typing import NamedTuple

from gradops import _library

VARIABLE = "GRADOPS_BACKEND"
CHOICES = ("auto", "fused", "composite")


class Choice(NamedTuple):
    """A backend, or "kernels only" of a build without TensorFlow, and why it is not the fused."""

    name: str
    reason: str = ""


def wanted() -> str:
    """What the environment asks for.

    Raises:
      ValueError: If that is none of CHOICES.
    """
    value = os.environ.get(VARIABLE) or "auto"
    if value not in CHOICES:
        raise ValueError(f"{VARIABLE} must be one of {', '.join(CHOICES)}, got {value!r}")
    return value


@functools.cache
def choice() -> Choice:
    """What this process uses, found when gradops is imported.

    Raises:
      ImportError: If there is no TensorFlow for it, or if it must be "fused" and cannot be.
    """
    if wanted() == "composite":
        _library.require_tensorflow()
        return Choice("composite", f"{VARIABLE}=composite")
    if _library.is_without_tensorflow():
        reason = "gradops was built without TensorFlow (GRADOPS_TF=OFF)"
        if wanted() == "fused":
            fix = "in its source folder, run pip install '.[cpu]'"
            raise ImportError(f"{VARIABLE}=fused, but {reason}; {fix}")
        return Choice("kernels only", reason)
    try:
        _library.ops()
    except ImportError as error:
        if wanted() == "fused" or not _library.has_tensorflow():
            raise
        return _fall_back(str(error))
    importlib.import_module("gradops._ops")  # the ops' gradients and loops, for saved models
    return Choice("fused")


@functools.cache
def choice_for_devices() -> Choice:
    """The same, decided at the first call of a loss, when devices are known."""
    if choice().name == "fused" and wanted() == "auto" and _has("TPU"):
        return _fall_back("the fused ops do not run on a TPU, and there is one")
    if choice().name == "fused" and _has("GPU") and not _library.has_cuda():
        warnings.warn(
            "this gradops was built without CUDA kernels and there is a GPU: losses of its tensors "
            "are computed on the CPU, with copies there and back, and not at all under XLA. Build "
            "it with a CUDA toolkit: docs/wheels.md",
            RuntimeWarning,
            stacklevel=2,
        )
    return choice()


def in_use() -> Choice:
    """What computes, as far as that is decided."""
    return choice_for_devices() if choice_for_devices.cache_info().currsize else choice()


@functools.cache
def ops() -> ModuleType:
    """The functions of the backend."""
    name = "gradops._ops" if choice_for_devices().name == "fused" else "gradops._composed"
    return importlib.import_module(name)


@functools.cache
def takes_scales() -> bool:
    """Whether the ops take several scales in one pass; the CUDA kernels do not."""
    return choice_for_devices().name == "fused" and not _has("GPU")


def _has(device_type: str) -> bool:
    import tensorflow as tf

    return bool(tf.config.list_logical_devices(device_type))


def _fall_back(reason: str) -> Choice:
    warnings.warn(
        "gradops composes its losses from TensorFlow's ops, which takes many times the time and "
        f"memory of the fused ops: {reason}. ({VARIABLE}=fused makes this an error, "
        f"{VARIABLE}=composite silences it.)",
        RuntimeWarning,
        stacklevel=2,
    )
    return Choice("composite", reason)
