"""``python -m gradops build``: compiles an adapter for the installed TensorFlow.

It takes a C++ compiler alone. cmake/Adapters.cmake compiles the same sources for wheels.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gradops import _adapters, _library

_PACKAGE = Path(__file__).parents[1]
# Where a wheel has the sources, and a checkout.
_SOURCES = (_PACKAGE / "csrc", _PACKAGE.parent / "csrc")
_FLAGS = ["-O2", "-fPIC", "-DNDEBUG"]
_FLAGS += ["-fvisibility=hidden", "-fvisibility-inlines-hidden"]
# Fails unless the adapter computes what the kernels do without TensorFlow.
_TRY = """
import numpy as np, tensorflow as tf, gradops
from gradops import _library
images = np.random.default_rng(1).random((2, 1, 9, 7, 3), np.float32)
with tf.device("CPU"):
    got = gradops.gradient_loss(*images).numpy()
np.testing.assert_array_equal(got, _library.kernels().loss(*images))
"""


class BuildError(RuntimeError):
    """Why there is no adapter, and what to do."""


def main() -> int:
    """Builds, says what came of it, and returns the exit status."""
    start = time.monotonic()
    try:
        adapter, without_xla = build()
    except (BuildError, ImportError, OSError) as error:
        print(f"gradops: {error}", file=sys.stderr)
        return 1
    size, seconds = adapter.stat().st_size / 1024, time.monotonic() - start
    print(f"{adapter}: {size:.0f} KiB, in {seconds:.0f} s")
    if without_xla:
        print(f"without XLA (no jit_compile=True), as this does not compile:\n{without_xla}")
    return 0


def build() -> tuple[Path, str]:
    """Compiles the adapter and tries it; returns its path, and why it does not serve XLA or "".

    Raises:
      BuildError: If something is missing, or it does not compile or work.
      ImportError: If TensorFlow cannot be imported, or gradops is not built.
    """
    _adapters.require_tensorflow()
    import tensorflow as tf

    gradops, tensorflow = _library.version(), tf.__version__
    flags = [*_FLAGS, *_defines(tensorflow), *_tensorflow_flags(tf)]
    target = _adapters.built_path(gradops, tensorflow)
    with _scratch() as name:
        # Where an import looks for it whose cache this folder is.
        made = Path(name) / target.relative_to(_adapters.cache())
        made.parent.mkdir()
        without_xla = _compile(made, flags, _libraries(tf))
        _try(name)
        target.parent.mkdir(exist_ok=True)
        made.replace(target)
    return target, without_xla


def _try(cache: str) -> None:
    """Raises BuildError unless the adapter in a cache works."""
    variables = {"GRADOPS_BACKEND": "fused", "KERAS_BACKEND": "tensorflow", "GRADOPS_CACHE": cache}
    tried = subprocess.run(
        [sys.executable, "-c", _TRY],
        capture_output=True,
        text=True,
        env={**os.environ, **variables, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if tried.returncode != 0:
        raise BuildError(f"the adapter was compiled and does not work:\n{tried.stderr[-2000:]}")


def _defines(tensorflow: str) -> list[str]:
    major, minor = _adapters.minor_version(tensorflow).split(".")
    number = 1000 * int(major) + int(minor)
    cuda = ["-DGRADOPS_CUDA"] if _library.has_cuda() else []
    return [f"-DGRADOPS_TENSORFLOW={number}", f'-DGRADOPS_TF_BUILD_VERSION="{tensorflow}"', *cuda]


def _tensorflow_flags(tf: Any) -> list[str]:
    """What tf.sysconfig says, with the headers as system headers, whose warnings are not ours."""
    include = Path(tf.sysconfig.get_include())
    if not (include / "tensorflow/core/framework/op_kernel.h").is_file():
        raise BuildError(
            f"this TensorFlow has no headers in {include}: install one of pip's packages"
        )
    given = tf.sysconfig.get_compile_flags()
    flags = [flag for flag in given if not flag.startswith("-I")]
    folders = [include, include / "external/highwayhash", include / "external/farmhash_archive/src"]
    return flags + [f"-isystem{folder}" for folder in folders]


def _libraries(tf: Any) -> list[str]:
    """TensorFlow's and the kernels. They are loaded before the adapter is, so it needs no paths."""
    linked = tf.sysconfig.get_link_flags()
    libraries = [*linked, *(flag.replace("framework", "cc") for flag in linked if flag[:2] == "-l")]
    return [*libraries, str(_PACKAGE / "libgradops_kernels.so")]


def _compile(library: Path, flags: list[str], libraries: list[str]) -> str:
    """Compiles and links; returns why it is without XLA, or ""."""
    compiler, sources = _compiler(), _source_folder()
    essential, optional = (sorted(sources.glob(f"bindings/{name}/*.cc")) for name in ("tf", "xla"))

    def compiled(source: Path) -> str:
        return str(library.with_name(f"{source.stem}.o"))

    def compile_one(source: Path) -> str:
        return _said([*compiler, *flags, f"-I{sources}", "-c", str(source), "-o", compiled(source)])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        every = [*essential, *optional]
        said = dict(zip(every, pool.map(compile_one, every), strict=True))
    for source in essential:
        if said[source]:
            raise BuildError(
                f"gradops does not compile against this TensorFlow, which {_adapters.BUILD} cannot "
                f"mend; GRADOPS_BACKEND=composite does without. {source.name}:\n{said[source]}"
            )
    without_xla = next((said[source] for source in optional if said[source]), "")
    objects = [compiled(source) for source in (essential if without_xla else every)]
    wrong = _said([*compiler, "-shared", "-s", "-o", str(library), *objects, *libraries])
    if wrong:
        raise BuildError(f"the linker fails:\n{wrong}")
    return without_xla


def _said(command: list[str]) -> str:
    """Runs a command; "" if it succeeds, else its errors."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if re.search(r"\berror\b|undefined", line)]
    return "\n".join([shlex.join(command), *(errors or done.stderr.splitlines())[:10]])


def _compiler() -> list[str]:
    chosen = shlex.split(os.environ.get("CXX", ""))
    for command in [chosen] if chosen else (["c++"], ["g++"], ["clang++"]):
        if shutil.which(command[0]):
            return command
    named = f"CXX={chosen[0]}" if chosen else "c++, g++ or clang++"
    raise BuildError(f"there is no C++ compiler ({named}): install g++ or clang++, or set CXX")


def missing_compiler() -> str:
    """What to do about a compiler that is not there; "" if one is."""
    try:
        _compiler()
    except BuildError as error:
        return str(error).rpartition(": ")[2]
    return ""


def _source_folder() -> Path:
    for folder in _SOURCES:
        if (folder / "bindings/tf/ops.cc").is_file():
            return folder
    raise BuildError(f"the sources are missing in {_SOURCES[0]}: install gradops again")


def _scratch() -> tempfile.TemporaryDirectory[str]:
    folder = _adapters.cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=folder)
    except OSError as error:
        raise BuildError(
            f"{folder} cannot be written ({error.strerror}): name another folder, now and when "
            f"gradops is used: {_adapters.CACHE_VARIABLE}=FOLDER {_adapters.BUILD}"
        ) from error
