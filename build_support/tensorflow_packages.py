"""The headers and libraries of TensorFlow versions that are not installed, to compile against.

Adapters do not depend on Python, so the packages are those of one Python version whatever builds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "build" / "tensorflow"
_PYTHON = "311"  # every version of TensorFlow from 2.16 on has packages for it
_PLATFORMS = ["manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_27_x86_64"]
_WANTED = (
    "tensorflow/include/",
    "tensorflow/libtensorflow_framework.so.2",
    "tensorflow/libtensorflow_cc.so.2",
)


def download(versions: list[str]) -> list[Path]:
    """The folders FOLDER/2.18.1/tensorflow of minor versions; those that are there are kept."""
    return [_unpacked(version) or _download(version) for version in versions]


def _unpacked(version: str) -> Path | None:
    folders = sorted(FOLDER.glob(f"{version}.*/tensorflow"))
    return folders[-1] if folders else None


def _download(version: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += [
            f"--dest={scratch}",
            "--only-binary=:all:",
            "--implementation=cp",
            f"--python-version={_PYTHON}",
        ]
        command += [f"--abi=cp{_PYTHON}", *(f"--platform={name}" for name in _PLATFORMS)]
        if subprocess.run([*command, f"tensorflow-cpu=={version}.*"]).returncode != 0:
            raise SystemExit(f"gradops: pip cannot download tensorflow-cpu {version}, see above")
        (wheel,) = Path(scratch).glob("*.whl")
        unpacked = Path(scratch) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked, [n for n in archive.namelist() if n.startswith(_WANTED)])
        return unpacked.rename(FOLDER / wheel.name.split("-")[1]) / "tensorflow"
