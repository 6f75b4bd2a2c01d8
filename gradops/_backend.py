"""Which of two backends computes: the fused ops (_fused/) or their composition (_composite/).

The environment variable GRADOPS_BACKEND decides: "fused", which is an error where it cannot be;
"composite"; or "auto", the default: fused if the op library loads, else composite with a warning.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import os
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from gradops import _adapters, _library

VARIABLE = "GRADOPS_BACKEND"
CHOICES = ("auto", "fused", "composite")


class Choice(NamedTuple):
    """A backend, or "kernels only" for a build without TensorFlow, and why it is not "fused"."""

    name: str
    reason: str = ""


def wanted() -> str:
    """The choice in the environment; raises ValueError if it is not one of CHOICES."""
    value = os.environ.get(VARIABLE) or "auto"
    if value not in CHOICES:
        raise ValueError(f"{VARIABLE} must be one of {', '.join(CHOICES)}, got {value!r}")
    return value


@functools.cache
def choice() -> Choice:
    """What this process uses, decided when gradops is imported.

    Raises:
      ImportError: If TensorFlow is missing, or if it must be "fused" and cannot be.
    """
    if wanted() == "composite":
        _adapters.require_tensorflow()
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
        if wanted() == "fused" or _adapters.tensorflow_error():
            raise
        return _fall_back(str(error))
    for module in ("gradients", "pfor"):  # saved models need what these register, too
        importlib.import_module(f"gradops._fused.{module}")
    return Choice("fused")


@functools.cache
def choice_for_devices() -> Choice:
    """What this process uses, decided at the first call of a loss, when devices are known."""
    if choice().name == "fused" and wanted() == "auto" and _library.has_device("TPU"):
        return _fall_back("the fused ops do not run on a TPU, and there is one")
    if choice().name == "fused" and _library.has_device("GPU") and not _library.has_cuda():
        warnings.warn(
            "this gradops was built without CUDA kernels and there is a GPU: losses of its tensors "
            "are computed on the CPU, with copies there and back, and not at all under XLA. Build "
            "it with a CUDA toolkit: docs/wheels.md",
            RuntimeWarning,
            stacklevel=2,
        )
    return choice()


def in_use() -> Choice:
    """What this process uses, as far as that is decided."""
    return choice_for_devices() if choice_for_devices.cache_info().currsize else choice()


_is_composed = contextvars.ContextVar("is_composed", default=False)


@contextlib.contextmanager
def composed() -> Iterator[None]:
    """A context in which ops() is the composition."""
    token = _is_composed.set(True)
    try:
        yield
    finally:
        _is_composed.reset(token)


def ops() -> ModuleType:
    """The backend in use: _fused/ops.py or _composite/ops.py."""
    return _fused_ops() or composition()


@functools.cache
def composition() -> ModuleType:
    """_composite/ops.py, which also has what there is no fused op for."""
    return importlib.import_module("gradops._composite.ops")


def takes_scales() -> bool:
    """Whether the ops take several scales in one pass; the CUDA kernels do not."""
    return _fused_ops() is not None and not _library.has_device("GPU")


def _fused_ops() -> ModuleType | None:
    return None if _is_composed.get() else _fused_ops_of_process()


@functools.cache
def _fused_ops_of_process() -> ModuleType | None:
    is_fused = choice_for_devices().name == "fused"
    return importlib.import_module("gradops._fused.ops") if is_fused else None


def _fall_back(reason: str) -> Choice:
    warnings.warn(
        "gradops composes its losses from TensorFlow's ops, which takes many times the time and "
        f"memory of the fused ops: {reason}. ({VARIABLE}=fused makes this an error, "
        f"{VARIABLE}=composite silences it.)",
        RuntimeWarning,
        stacklevel=2,
    )
    return Choice("composite", reason)
