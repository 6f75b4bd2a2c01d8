"""Adapters: the op library, compiled for one minor version of TensorFlow each.

TensorFlow's C++ interface changes with every minor version, and a library for another one fails to
load. A wheel brings an adapter for each of several versions, and ``python -m gradops build`` makes
one for any other (_commands/build.py), in a folder of the user.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import struct
import sys
import zlib
from pathlib import Path

OLDEST = "2.16"
BUILD = "python -m gradops build"
CACHE_VARIABLE = "GRADOPS_CACHE"
_PACKAGE = Path(__file__).parent
KERNELS = _PACKAGE / "libgradops_kernels.so"
_MARKER = re.compile(rb"gradops-built-for-tensorflow:([^;]+);")  # csrc/bindings/tf/kernels.cc
_NAME = re.compile(r"libgradops_ops_(\d+)_(\d+)\.so")


def minor_version(version: str) -> str:
    """The part of a TensorFlow version that an adapter is tied to: "2.21" of "2.21.0"."""
    return ".".join(version.split(".")[:2])


def in_package() -> dict[str, Path]:
    """{minor version of TensorFlow: adapter}, the oldest first."""
    names = sorted(
        (int(match[1]), int(match[2]), path)
        for path in _PACKAGE.glob("libgradops_ops_*.so")
        if (match := _NAME.fullmatch(path.name))
    )
    return {f"{major}.{minor}": path for major, minor, path in names}


def cache() -> Path:
    """The folder of adapters that were built here."""
    # Where there is no home folder, "~" stays, and nothing is found or written there.
    default = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "gradops")
    return Path(os.path.expanduser(os.environ.get(CACHE_VARIABLE) or default))


def built_path(gradops: str, tensorflow: str) -> Path:
    """Where the adapter between a build of gradops and a version of TensorFlow is compiled to."""
    return cache() / f"{_build_name(gradops)}-tensorflow-{tensorflow}" / "libgradops_ops.so"


def built_for(gradops: str) -> list[Path]:
    """The adapters that were built here for a build of gradops and any TensorFlow."""
    return list(cache().glob(f"{_build_name(gradops)}-tensorflow-*/libgradops_ops.so"))


def _build_name(gradops: str) -> str:
    """An adapter shares structures with the kernels: it is of no use to another build of them."""
    with KERNELS.open("rb") as opened:
        head = opened.read(4096)  # which has the build ID
    return f"gradops-{gradops}-{platform.machine()}-{zlib.crc32(head):08x}"


def find(gradops: str, tensorflow: str) -> Path | None:
    """The adapter for these versions: one built here, else one of the package, else None."""
    built = built_path(gradops, tensorflow)
    if os.path.isfile(built):  # False for a folder of somebody else's, where pathlib raises
        return built
    # Between releases anything may change.
    return None if "dev" in tensorflow else in_package().get(minor_version(tensorflow))


def require(gradops: str) -> Path:
    """The adapter for the installed TensorFlow.

    Raises:
      ImportError: If there is no TensorFlow, or no adapter for it, or it is damaged; the message
        ends with what to do.
    """
    require_tensorflow()
    import tensorflow as tf

    adapter = find(gradops, tf.__version__)
    if adapter is None:
        served = ", ".join(in_package()) or "none"
        raise ImportError(
            f"gradops has no adapter for TensorFlow {tf.__version__} (it has some for: {served}). "
            f"Compile one, which takes a C++ compiler and a minute: {BUILD}; or install a "
            f"TensorFlow that has one: {install_command()}"
        )
    fault = fault_of(adapter)
    if fault:
        raise ImportError(
            f"gradops cannot load {adapter}: {fault}. Delete it, or compile one: {BUILD}"
        )
    return adapter


def version_of(adapter: Path) -> str:
    """The TensorFlow that an adapter was compiled for; "" if the file does not say."""
    marker = _MARKER.search(adapter.read_bytes())
    return marker.group(1).decode() if marker else ""


def is_too_old(tensorflow: str) -> bool:
    """Whether a version of TensorFlow comes before the oldest that can be built for."""
    return _numbers(tensorflow) < _numbers(OLDEST)


def fault_of(library: Path) -> str:
    """What keeps a shared library from being loaded, as far as its header tells; "" if nothing.

    Loading one whose end is missing would kill the process.
    """
    header = _elf_header(library)
    if header is None:
        return "it is not a shared library, or damaged"
    machine, size = header
    own = _elf_header(KERNELS)
    if own is not None and own[0] != machine:
        return "it was built for another kind of processor"
    if library.stat().st_size < size:
        return "it is damaged: its end is missing"
    return ""


def _elf_header(file: Path) -> tuple[int, int] | None:
    """(machine, least size) of a 64-bit ELF file; None if it is none."""
    with file.open("rb") as opened:
        header = opened.read(64)
    if len(header) < 64 or header[:5] != b"\x7fELF\x02":
        # Elsewhere libraries have another format, which is left to the loader.
        return None if sys.platform.startswith("linux") else (0, 0)
    (machine,) = struct.unpack_from("<H", header, 18)
    (sections,) = struct.unpack_from("<Q", header, 40)
    size, count = struct.unpack_from("<HH", header, 58)
    return machine, sections + size * count


def installed_tensorflow() -> dict[str, str]:
    """{package: version} of the TensorFlow packages that are installed."""
    found = {}
    for package in ("tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def install_command() -> str:
    """How pip installs a TensorFlow that an adapter of the package is for, in place of another."""
    installed = installed_tensorflow()
    package, version = next(iter(installed.items()), ("tensorflow-cpu", ""))
    # Packages of other names would overwrite its files.
    others = [name for name in installed if name != package or "nightly" in name]
    remove = f"pip uninstall -y {' '.join(others)}; " if others else ""
    served = list(in_package())
    minor = minor_version(version)
    wanted = minor if minor in served else (served or [""])[-1]
    package = package.replace("tf-nightly", "tensorflow")
    return f"{remove}pip install " + (f"'{package}=={wanted}.*'" if wanted else package)


@functools.cache
def tensorflow_error() -> ImportError | None:
    """Why there is no TensorFlow that gradops can use; None if there is one."""
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            return error
        return ImportError(
            f"gradops needs TensorFlow and none is installed; install it with: {install_command()}"
        )
    except ImportError as error:
        return error
    if is_too_old(tf.__version__):
        return ImportError(
            f"gradops needs TensorFlow {OLDEST} or later, got {tf.__version__}: {install_command()}"
        )
    return None


def require_tensorflow() -> None:
    """Raises ImportError unless there is a TensorFlow that gradops can use."""
    error = tensorflow_error()
    if error is not None:
        raise error


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
