"""Installs the newest wheel of a folder into a new environment and tries it there.

try_wheel.py FOLDER tensorflow-cpu|tensorflow [pytest arguments]

The environment and a copy of the tests are in a temporary folder, so nothing of the checkout is in
reach. tests/wheel_smoke.py runs first, then tests of what wheels differ in.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
# With the argument --every: a part of the cases of each test.
SUITE = ["test_losses.py", "test_memo.py", "test_ops.py", "test_determinism.py"]


def newest_wheel(folder: Path) -> Path:
    """The wheel for this Python that was written last."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = sorted(folder.glob(f"gradops-*-{tag}-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        raise SystemExit(f"gradops: no wheel for {tag} in {folder}/: make wheel")
    return wheels[-1].resolve()


def tensorflow_pin(wheel: Path) -> str:
    """The versions of TensorFlow that the wheel was built for, such as "==2.21.*"."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    (requirement,) = [
        text for text in metadata.get_all("Requires-Dist") if text.startswith("tensorflow-cpu")
    ]
    return requirement.removeprefix("tensorflow-cpu").split(";")[0].strip()


def main(folder: str, tensorflow: str, *pytest_arguments: str) -> int:
    """Returns the exit status: 0 if everything passed."""
    wheel = newest_wheel(Path(folder))
    if tensorflow == "tensorflow-cpu":
        wanted = [f"{wheel}[cpu]"]
    else:  # without CUDA's libraries: a machine without a GPU needs none of them
        wanted = [str(wheel), tensorflow + tensorflow_pin(wheel)]
    with tempfile.TemporaryDirectory() as temporary:
        print(f"{wheel.name} under {wanted[-1]}, in {temporary}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", f"{temporary}/venv"], check=True)
        python = f"{temporary}/venv/bin/python"
        install = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *wanted], check=True)
        shutil.copytree(TESTS, f"{temporary}/tests")
        shutil.copy(TESTS.parent / "pyproject.toml", temporary)  # pytest's options
        status = subprocess.run([python, "tests/wheel_smoke.py"], cwd=temporary).returncode
        if status == 0:
            subprocess.run([*install, "pytest>=8", "hypothesis>=6.100"], check=True)
            chosen = [f"tests/{name}" for name in SUITE]
            command = [python, "-m", "pytest", "-q", "-m", "not extended", "--every", "12"]
            command += [*chosen, *pytest_arguments]
            status = subprocess.run(command, cwd=temporary).returncode
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
