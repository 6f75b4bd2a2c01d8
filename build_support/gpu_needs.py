"""Names what a stage of `make gpu-check` lacks, and how to get it; exits with 1 if it lacks any.

gpu_needs.py FOLDER NEED...: of the build in FOLDER/site. A NEED is a program, a module of this
Python, or

    build        the package's pybind11 module
    op-library   its library of TensorFlow's ops
    gpu          a device that the module's CUDA kernels run on
    GPU:0        a device of TensorFlow's, or another such as CPU:0
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

PROGRAMS = {
    "cmake": "pip install cmake",
    "compute-sanitizer": "install the CUDA toolkit",
    "ncu": "install Nsight Compute",
    "nvcc": "install the CUDA toolkit",
}
MODULES = {"cupy": "cupy-cuda13x, or the CuPy of your CUDA,"}


def lack(need: str, package: Path) -> str:
    """Why `need` is not met; empty if it is."""
    if need in PROGRAMS:
        return "" if shutil.which(need) else f"{PROGRAMS[need]}, or put {need} on PATH"
    if need == "build":
        built = any((package / f"_kernels{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
        return "" if built else f"{package} has none for this Python: make gpu-build, gpu-tf-build"
    if need == "op-library":
        built = (package / "libgradops_ops.so").exists()
        return "" if built else f"there is none in {package}: make gpu-tf-build"
    if need == "gpu":
        from gradops import _kernels

        if not hasattr(_kernels, "cuda"):
            return f"{package} was built without CUDA kernels: make gpu-build"
        return _kernels.cuda.check_driver()
    if ":" in need:
        import tensorflow

        found = [device.name for device in tensorflow.config.list_logical_devices()]
        return "" if f"/device:{need}" in found else f"TensorFlow finds {', '.join(found)} alone"
    if importlib.util.find_spec(need) is None:
        return f"install {MODULES.get(need, need)} for {sys.executable}, or set PYTHON"
    return ""


def main(folder: str, *needs: str) -> int:
    """Prints the first that is lacking: those after it may take it."""
    site = Path(folder).resolve() / "site"
    sys.path.insert(0, str(site))
    for need in needs:
        why = lack(need, site / "gradops")
        if why:
            print(f"gpu-check needs {need}: {why}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
