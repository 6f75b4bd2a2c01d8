"""Builds the native libraries with CMake and declares them to setuptools.

Built into the package are (see CMakeLists.txt) the kernels, ``gradops/libgradops_kernels.so``,
which the others link; the pybind11 module ``gradops._kernels``; and, unless GRADOPS_TF=OFF, an
adapter ``gradops/libgradops_ops_2_21.so`` for each version of TensorFlow in GRADOPS_TF_VERSION. All
are setuptools extensions, so wheels and editable installs have them. Wheels also have the sources
of adapters, for ``python -m gradops build``. Static metadata is in pyproject.toml.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "build_support"))
import gradops_build_backend as backend  # noqa: E402
import tensorflow_packages  # noqa: E402

KERNEL_LIBRARY, OP_LIBRARY = "gradops.libgradops_kernels", "gradops.libgradops_ops_"
ADAPTER_SOURCES = ["bindings/tf/*", "bindings/xla/*", "cpu/launch/*.h"]
ADAPTER_SOURCES += ["family/*.h", "math/*.h", "op/*.h"]
CHOICES = ("GRADOPS_CUDA", "GRADOPS_CUDA_ARCHS", "GRADOPS_DEV")


class FreshBuild(build):
    """Forgets what an earlier build of other sources or options left to be packaged."""

    def run(self) -> None:
        """Empties the package in the build folder first."""
        shutil.rmtree(Path(self.build_lib) / "gradops", ignore_errors=True)
        super().run()


class CMakeBuild(build_ext):
    """Runs CMake once and copies each extension to where setuptools wants it."""

    def get_ext_filename(self, fullname: str) -> str:
        """Those that are no Python modules have one name for every Python version."""
        if fullname.rpartition(".")[2].startswith("lib"):
            return os.path.join(*fullname.split(".")) + ".so"
        return super().get_ext_filename(fullname)

    def run(self) -> None:
        """Builds everything before setuptools asks for single extensions."""
        self.cmake_output = self._build_with_cmake()
        if self.inplace or self.editable_mode:
            for adapter in (ROOT / "gradops").glob("libgradops_ops_*.so"):
                adapter.unlink()  # of earlier kernels, perhaps for another TensorFlow
        super().run()
        if not self.inplace and not self.editable_mode:
            for pattern in ADAPTER_SOURCES:
                for source in ROOT.glob(f"csrc/{pattern}"):
                    target = Path(self.build_lib) / "gradops" / source.relative_to(ROOT)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)

    def build_extension(self, ext: Extension) -> None:
        """Copies what CMake built."""
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.cmake_output / target.name, target)

    def _build_with_cmake(self) -> Path:
        chosen = os.environ.get("CXX", "").split()[:1]
        if not any(map(shutil.which, chosen or ["c++", "g++", "clang++"])):
            named = f" (CXX is {chosen[0]!r})" if chosen else ""
            _fail(f"no C++ compiler found{named}: install g++ or clang++, or set CXX")
        cmake = shutil.which("cmake")
        if cmake is None:
            _fail("cmake not found: pip install cmake ninja, or build with isolation")
        if importlib.util.find_spec("pybind11") is None:
            _fail("pybind11 not found: pip install pybind11, or build with isolation")
        packages: list[Path] = []
        if not backend.tensorflow_enabled():
            tensorflow = "off"
        elif len(backend.tensorflow_versions()) == 1:
            tensorflow = _check_tensorflow()
        else:
            tensorflow = "-".join(backend.tensorflow_versions())
            packages = tensorflow_packages.download(backend.tensorflow_versions())
        # For every Python the same: what does not depend on it is compiled once.
        tree = ROOT / "build" / f"tensorflow-{tensorflow}"
        toolkit = backend.cuda_toolkit()
        if toolkit:
            tree = tree.with_name(f"{tree.name}-cuda-{toolkit}")
        # A fresh configuration each time, so that no path of an earlier environment is kept;
        # objects are rebuilt only where their command line changed.
        (tree / "CMakeCache.txt").unlink(missing_ok=True)
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        _run(
            [cmake, "-S", str(ROOT), "-B", str(tree), *generator,
             f"-DPython_EXECUTABLE={sys.executable}",
             f"-DGRADOPS_TF={'ON' if backend.tensorflow_enabled() else 'OFF'}",
             f"-DGRADOPS_TF_PACKAGES={';'.join(map(str, packages))}",
             *(f"-D{name}={os.environ[name]}" for name in CHOICES if os.environ.get(name)),
             *os.environ.get("GRADOPS_CMAKE_ARGS", "").split()],
        )  # fmt: skip
        _check_cuda(tree, toolkit)
        _run([cmake, "--build", str(tree), "--parallel", str(os.cpu_count() or 1)])
        return tree / "gradops"


def _check_tensorflow() -> str:
    """Returns the version of the TensorFlow that will be built against."""
    code = "import tensorflow; print(tensorflow.__version__)"
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=quiet)
    (wanted,) = backend.tensorflow_versions()
    version = found.stdout.strip()
    if found.returncode != 0:
        _fail(
            f"TensorFlow {wanted} is needed to build and cannot be imported "
            f"({found.stderr.strip().splitlines()[-1]}): pip install "
            f"'{backend.tensorflow_requirement()}', or set GRADOPS_TF=OFF"
        )
    if not version.startswith(wanted + "."):
        _fail(
            f"building for TensorFlow {wanted} but {version} is installed: pip install "
            f"'{backend.tensorflow_requirement()}', or set GRADOPS_TF_VERSION="
            f"{'.'.join(version.split('.')[:2])}"
        )
    return version


def _check_cuda(tree: Path, toolkit: str) -> None:
    """Raises SystemExit unless CMake chose the CUDA toolkit that the version names."""
    cache = (tree / "CMakeCache.txt").read_text()
    (found,) = re.findall(r"^GRADOPS_CUDA_VERSION:INTERNAL=(.*)$", cache, re.MULTILINE)
    if found != toolkit:
        _fail(
            f"the version says CUDA {toolkit or 'none'} and CMake chose {found or 'none'}: choose "
            "by GRADOPS_CUDA and CUDACXX in the environment, not by GRADOPS_CMAKE_ARGS"
        )


def _run(command: list[str]) -> None:
    if subprocess.run(command).returncode != 0:
        _fail(f"{' '.join(command[:2])} failed; the compiler's messages are above")


def _fail(message: str) -> None:
    raise SystemExit(f"gradops: {message}")


extensions = [KERNEL_LIBRARY, "gradops._kernels"]
if backend.tensorflow_enabled():
    extensions += [OP_LIBRARY + x.replace(".", "_") for x in backend.tensorflow_versions()]
setup(
    version=(ROOT / "VERSION").read_text().strip() + backend.version_label(),
    ext_modules=[Extension(name, sources=[]) for name in extensions],
    cmdclass={"build": FreshBuild, "build_ext": CMakeBuild},
    extras_require=backend.extras(),
)
