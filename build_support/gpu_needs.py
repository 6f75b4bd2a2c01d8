"""Names the first thing that a stage of `make gpu-check` lacks, and exits with 1 if there is any.

gpu_needs.py FOLDER NEED...: of the build in FOLDER/site. A NEED is a program or a module of this
Python; or `build` and `op-library`, its libraries; `gpu`, a device that its kernels run on; GPU:0
or the like, a device of TensorFlow's.
"""

from __future__ import annotations

import shutil
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

PROGRAMS = {
    "cmake": "pip install cmake",
    "compute-sanitizer": "install the CUDA toolkit",
    "ncu": "install Nsight Compute",
    "nvcc": "install the CUDA toolkit",
}
LIBRARIES = {
    "build": [f"_kernels{suffix}" for suffix in EXTENSION_SUFFIXES],
    "op-library": ["libgradops_ops_*.so"],
}
PACKAGES = {"cupy": "cupy-cuda13x, or the CuPy of your CUDA,"}


def lack(need: str, package: Path) -> str:
    """Why `need` is not met; empty if it is."""
    if need in PROGRAMS:
        return "" if shutil.which(need) else f"{PROGRAMS[need]}, or put it on PATH"
    if need in LIBRARIES:
        found = any(file for name in LIBRARIES[need] for file in package.glob(name))
        return "" if found else f"{package} has none for this Python: make gpu-build, gpu-tf-build"
    if need == "gpu":
        from gradops import _kernels

        is_cuda = hasattr(_kernels, "cuda")
        return _kernels.cuda.check_driver() if is_cuda else f"{package} was built without CUDA"
    if ":" in need:
        import tensorflow as tf

        found = any(need in device.name for device in tf.config.list_logical_devices())
        return "" if found else "TensorFlow has no such device"
    found = find_spec(need) is not None
    return "" if found else f"install {PACKAGES.get(need, need)} for {sys.executable}"


if __name__ == "__main__":
    site = Path(sys.argv[1]).resolve() / "site"
    sys.path.insert(0, str(site))
    for name in sys.argv[2:]:  # Those after the first that is lacking may take it.
        if why := lack(name, site / "gradops"):
            sys.exit(f"gpu-check needs {name}: {why}")
