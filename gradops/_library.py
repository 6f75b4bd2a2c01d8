"""Loads the compiled libraries, and checks that the op library fits the installed TensorFlow."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_OP_LIBRARY = Path(__file__).with_name("libgradops_ops.so")
_MARKER = re.compile(rb"gradops-built-for-tensorflow:([^;]+);")


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

    inputs: Mapping[str, str]  # {name: "images", "gradients", "map", "losses" or "counts"}
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


def is_without_tensorflow() -> bool:
    """Whether gradops was built without TensorFlow."""
    return is_built() and not tensorflow_build_version()


def has_cuda() -> bool:
    """Whether there are CUDA kernels in the build."""
    return bool(kernels().build_info()["cuda_architectures"])


def minor_version(version: str) -> str:
    """The part of a TensorFlow version that a build is tied to: "2.21" for "2.21.0"."""
    return ".".join(version.split(".")[:2])


@functools.cache
def tensorflow_build_version() -> str:
    """The TensorFlow that the op library was built against; "" if gradops was built without one.

    It is read from the library's file without loading it: in a checkout, the library may be newer
    than the pybind11 module for this Python.
    """
    built = kernels().build_info()["tensorflow_build_version"]
    if not built or not _OP_LIBRARY.exists():
        return built
    marker = _MARKER.search(_OP_LIBRARY.read_bytes())
    return marker.group(1).decode() if marker else built


def installed_tensorflow() -> tuple[str, str] | None:
    """(package, version) of the installed TensorFlow, or None."""
    for package in ("tensorflow", "tensorflow-cpu"):
        try:
            return package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def has_tensorflow() -> bool:
    """Whether TensorFlow can be imported."""
    try:
        require_tensorflow()
    except ImportError:
        return False
    return True


def require_tensorflow() -> None:
    """Raises ImportError unless TensorFlow is installed, in any version."""
    try:
        import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        built = tensorflow_build_version() if is_built() else ""
        package = f"tensorflow-cpu=={minor_version(built)}.*" if built else "tensorflow-cpu"
        needs = f"was built for TensorFlow {built}" if built else "needs TensorFlow"
        raise ImportError(
            f"gradops {needs} and no TensorFlow is installed; install it with: "
            f"pip install '{package}'"
        ) from error


def check_tensorflow() -> None:
    """Raises ImportError unless the installed TensorFlow has the minor version of the build.

    TensorFlow's C++ interface changes with every minor version: an op library for another one would
    fail to load with undefined symbols, which says less than this error.
    """
    built = tensorflow_build_version()
    wanted = minor_version(built)
    package = (installed_tensorflow() or ("tensorflow-cpu",))[0]
    fix = f"pip install '{package}=={wanted}.*'"
    require_tensorflow()
    import tensorflow as tf

    if minor_version(tf.__version__) != wanted:
        installed = minor_version(tf.__version__)
        raise ImportError(
            f"gradops was built for TensorFlow {built} and TensorFlow {tf.__version__} is "
            f"installed. Install the one it was built for: {fix}; or build gradops for yours, in "
            f"its source folder: GRADOPS_TF_VERSION={installed} pip install ."
        )


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
def ops() -> Any:
    """The generated Python functions of the ops, such as ``ops().gradops_loss``."""
    check_tensorflow()
    import tensorflow as tf

    try:
        return tf.load_op_library(str(_OP_LIBRARY))
    except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as error:
        raise ImportError(f"gradops cannot load its op library: {error.message}") from error
