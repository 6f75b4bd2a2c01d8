"""The compiled libraries: the kernels, and the ops of the adapter that fits TensorFlow."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from gradops import _adapters


@functools.cache
def kernels() -> ModuleType:
    """The pybind11 module: the kernels on NumPy arrays, and what was built. No TensorFlow."""
    try:
        return importlib.import_module("gradops._kernels")
    except ModuleNotFoundError as error:
        raise ImportError(
            "gradops is not built for this Python: in its source folder, run pip install '.[cpu]' "
            "or pip install -e '.[cpu]'"
        ) from error


class Op(NamedTuple):
    """A row of the table in csrc/op/ops.cc."""

    # {name: "images", "gradients", "map", "weights" (their shape), "losses" or "counts"}
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    options: tuple[str, ...]
    images: str  # the input that says how large the images are


@functools.cache
def op_table() -> Mapping[str, Op]:
    """The ops, by name without "Gradops>"."""
    return {name: Op(*row) for name, row in kernels().ops().items()}


def is_built() -> bool:
    """Whether the pybind11 module loads."""
    try:
        kernels()
    except ImportError as error:
        if "GRADOPS_CPU_TARGET" in str(error):  # a wrong setting, not a missing build
            raise
        return False
    return True


def version() -> str:
    """The version of gradops."""
    return kernels().build_info()["version"]


def is_without_tensorflow() -> bool:
    """Whether gradops was built without TensorFlow, and no adapter has been compiled since."""
    if not is_built() or _adapters.in_package():
        return False
    return not _adapters.built_for(version())


def has_cuda() -> bool:
    """Whether there are CUDA kernels in the build."""
    return bool(kernels().build_info()["cuda_architectures"])


@functools.cache
def has_device(kind: str) -> bool:
    """Whether TensorFlow sees a device of a kind, such as "GPU". Initialises the devices."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices(kind))


def registered_once(decorator: Callable[[Callable], Any]) -> Callable[[Callable], Callable]:
    """A decorator that registers a function with TensorFlow unless that was done before.

    Notebooks and plugins import gradops again after removing it from sys.modules. What was
    registered first then stays in use.
    """

    def register(function: Callable) -> Callable:
        with contextlib.suppress(KeyError, AssertionError):  # for gradients, for loops
            decorator(function)
        return function

    return register


@functools.cache
def adapter() -> Path:
    """The adapter that fits TensorFlow; the kernels are loaded, which it links.

    Raises:
      ImportError: If there is none.
    """
    return _adapters.require(version())


@functools.cache
def ops() -> Any:
    """The generated Python functions of the ops, such as ``ops().gradops_loss``.

    Raises:
      ImportError: If there is no adapter that fits TensorFlow and loads.
    """
    found = adapter()
    import tensorflow as tf

    try:
        return tf.load_op_library(str(found))
    except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as error:
        raise ImportError(
            f"gradops cannot load {found}: {error.message}. Compile an adapter for this "
            f"TensorFlow: {_adapters.BUILD}"
        ) from error
