"""The op library is the same file, byte for byte, whichever Python builds it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["CMakeLists.txt", "VERSION", "cmake", "csrc"]


def run(*command, **environment):
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def another_python():
    """Another supported Python that runs, None if there is none."""
    for minor in range(13, 9, -1):
        python = shutil.which(f"python3.{minor}")
        works = python and not subprocess.run([python, "--version"], capture_output=True).returncode
        if minor != sys.version_info.minor and works:
            return python
    return None


def build_op_library(python, folder):
    """The bytes of the library, built from a copy of the sources in the folder."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        folder.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, folder / part)
    options = [f"-DPython_EXECUTABLE={python}", "-DGRADOPS_CUDA=OFF"]
    run("cmake", "-S", folder, "-B", folder / "tree", *options)
    run("cmake", "--build", folder / "tree", "--parallel", "2", "--target", "gradops_ops")
    (library,) = (folder / "tree" / "gradops").glob("libgradops_ops_*.so")
    return library.read_bytes()


@pytest.mark.extended  # installs TensorFlow once more and builds twice
def test_the_op_library_is_the_same_for_every_python(tmp_path):
    other = another_python()
    if other is None:
        pytest.skip("no other Python from 3.10 to 3.13 on PATH")
    run(other, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    package = f"tensorflow-cpu=={tf.__version__}"
    run(python, "-m", "pip", "install", "--quiet", package, "pybind11")
    ours = build_op_library(sys.executable, tmp_path / "ours")
    theirs = build_op_library(python, tmp_path / "in another folder" / "theirs")
    assert ours == theirs
