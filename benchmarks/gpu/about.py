"""What the figures of the GPU depend on besides the code."""

from __future__ import annotations

import platform

from benchmarks import about
from benchmarks.gpu.device import Device
from gradops import _library

_PACKAGES = {"cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"), "torch": ("torch",)}
_PACKAGES |= {"triton": ("triton",), "numpy": ("numpy",)}


def metadata(device: Device) -> dict[str, str]:
    """Date, card, driver, toolkit, versions, commit; what is not installed is "n/a"."""
    info = _library.kernels().build_info()
    return {
        "date": about.now(),
        **device.facts(),
        "cuda_toolkit": info["cuda_toolkit"],
        "architectures": " ".join(info["cuda_architectures"]),
        "cpu": about.cpu_model(),
        "python": platform.python_version(),
        **{name: _version(packages) for name, packages in _PACKAGES.items()},
        "gradops": info["version"],
        "commit": about.commit(),
    }


def _version(packages: tuple[str, ...]) -> str:
    """The version of the first that is installed."""
    versions = [about.version(package) for package in packages]
    return next((version for version in versions if version != "n/a"), "n/a")
