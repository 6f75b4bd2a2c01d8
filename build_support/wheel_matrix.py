"""Tries wheels of a folder under Pythons and TensorFlows, each pair in a new environment.

    wheel_matrix.py dist                                    this Python, the newest TensorFlow
    wheel_matrix.py dist --tensorflow tensorflow==2.21.*    under the package for GPUs
    wheel_matrix.py dist --python all --tensorflow all --write
                                                            all pairs, into docs/compatibility.md

Each pair runs tests/wheel_smoke.py and a part of the tests of the public functions. Environment
and a copy of the tests are in a temporary folder, so nothing of the checkout is in reach.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gradops_build_backend import TF_VERSIONS

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
TABLE = ROOT / "docs" / "compatibility.md"
BEGIN, END = (
    f"<!-- made by build_support/wheel_matrix.py: {word} -->" for word in ("begin", "end")
)
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
# With the argument --every: a part of the cases of each test.
SUITE = ["losses", "memo", "ops", "keras", "xla", "saved", "determinism"]
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy")
VERSIONS = f"""
import importlib.metadata as m, json
found = {{d.metadata["Name"].replace("_", "-"): d.version for d in m.distributions()}}
print(json.dumps([found[name] for name in {PACKAGES} if name in found]))
"""
NO_PACKAGE = "no package"


def newest_wheel(folder: Path, python: str) -> Path:
    """The wheel for a Python version that was written last."""
    tag = f"cp{python.replace('.', '')}"
    wheels = sorted(folder.glob(f"gradops-*-{tag}-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        raise SystemExit(f"gradops: no wheel for {tag} in {folder}/: make wheel")
    return wheels[-1].resolve()


def interpreter(python: str) -> str:
    """The program of a Python version."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    program = shutil.which(f"python{python}")
    if program is None:
        raise SystemExit(f"gradops: there is no python{python} on PATH")
    return program


def try_pair(wheel: Path, program: str, tensorflow: str, more: list[str]) -> tuple[list[str], str]:
    """Versions of PACKAGES that were installed, and how it went: "12 passed" or what failed."""
    with tempfile.TemporaryDirectory() as temporary:
        print(f"{wheel.name} under {tensorflow}, in {temporary}", flush=True)
        subprocess.run([program, "-m", "venv", f"{temporary}/venv"], check=True)
        python = f"{temporary}/venv/bin/python"
        install = [python, "-m", "pip", "install", "--quiet", str(wheel), tensorflow, *more]
        install += ["pytest>=8", "hypothesis>=6.100"]
        installed = subprocess.run(install, capture_output=True, text=True)
        if "No matching distribution found for tensorflow" in installed.stderr:
            return [], NO_PACKAGE
        if installed.returncode != 0:
            print(installed.stderr)
            return [tensorflow, "", ""], "fails: not installed"
        said = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)
        versions = json.loads(said.stdout)
        shutil.copytree(TESTS, f"{temporary}/tests")
        shutil.copy(ROOT / "pyproject.toml", temporary)  # pytest's options
        # Adapters of the wheel alone.
        how: dict[str, Any] = {"cwd": temporary, "env": os.environ | {"GRADOPS_CACHE": "/none"}}
        if subprocess.run([python, "tests/wheel_smoke.py"], **how).returncode != 0:
            return versions, "fails: tests/wheel_smoke.py"
        command = [python, "-m", "pytest", "-q", "-m", "not extended", "--every", "12"]
        command += [f"tests/test_{name}.py" for name in SUITE]
        tested = subprocess.run(command, stdout=subprocess.PIPE, text=True, **how)
        print(tested.stdout, flush=True)
        counted = re.findall(r"\d+ (?:passed|failed|skipped|errors?)\b", tested.stdout)
        return versions, ("" if tested.returncode == 0 else "fails: ") + ", ".join(counted)


def write(rows: list[list[str]]) -> None:
    """Puts a table with these rows into the documentation."""
    text = TABLE.read_text()
    head = [["Python", "TensorFlow", "Keras", "NumPy", "tests"], ["---"] * 5]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in head + rows)
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    TABLE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}")


def main() -> int:
    """Returns the exit status: 0 if everything passed."""
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("folder", type=Path)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    parser.add_argument("--python", default=own, help="versions with commas, or all")
    newest = f"tensorflow-cpu=={TF_VERSIONS[-1]}.*"
    parser.add_argument("--tensorflow", default=newest, help="requirements with commas, or all")
    parser.add_argument("--also", default="", help="more requirements, such as keras==3.0.5")
    parser.add_argument("--write", action="store_true", help="the table, into the documentation")
    options = parser.parse_args()
    pythons = PYTHONS if options.python == "all" else options.python.split(",")
    every = ",".join(f"tensorflow-cpu=={version}.*" for version in TF_VERSIONS)
    tensorflows = (every if options.tensorflow == "all" else options.tensorflow).split(",")
    rows, is_well = [], True
    for python, tensorflow in itertools.product(pythons, tensorflows):
        wheel = newest_wheel(options.folder, python)
        versions, said = try_pair(wheel, interpreter(python), tensorflow, options.also.split())
        print(f"Python {python}, {tensorflow}, {versions}: {said}\n", flush=True)
        # Not every Python has packages of every TensorFlow.
        is_well &= not said.startswith("fails") and (said != NO_PACKAGE or len(tensorflows) > 1)
        if said != NO_PACKAGE:
            rows.append([python, *versions, said])
    if options.write and rows:
        write(rows)
    return 0 if is_well and rows else 1


if __name__ == "__main__":
    sys.exit(main())
