"""Runs tests on a build with the compiler's sanitizers, once for each instruction set.

    python build_support/sanitized_tests.py FOLDER LIBRARY [PYTEST ARGUMENTS]

Paths among the arguments must be absolute, as tests run outside of the checkout, where `gradops`
is its package. FOLDER has the package with libraries that were compiled with -fsanitize; LIBRARY is
the name of the sanitizer's own library, which has to be loaded before all that Python loads, or
none.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

TARGETS = "import gradops; print(*gradops.build_info()['cpu_targets_runnable'])"


def _find(library: str) -> str:
    """Where the compiler has a library of its own."""
    compiler = os.environ.get("CXX") or "c++"
    question = [compiler, f"-print-file-name={library}"]
    return subprocess.run(question, check=True, capture_output=True, text=True).stdout.strip()


def _command() -> list[str]:
    """Python; at fixed addresses, where the thread sanitizer's own memory is in nobody's way."""
    fixed = shutil.which("setarch")
    return [fixed, platform.machine(), "-R", sys.executable] if fixed else [sys.executable]


def main(folder: str, library: str, *arguments: str) -> int:
    """Returns pytest's status for the first instruction set with a failure, or 0."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = str(Path(folder).resolve())
    if library != "none":
        environment["LD_PRELOAD"] = f"{_find(library)} {_find('libstdc++.so.6')}"
    elsewhere = {"cwd": Path(folder).parent, "env": environment, "text": True}
    question = [*_command(), "-c", TARGETS]
    asked = subprocess.run(question, check=True, stdout=subprocess.PIPE, **elsewhere)
    for target in asked.stdout.split():
        print(f"-- {folder}, {target}", flush=True)
        environment["GRADOPS_CPU_TARGET"] = target
        tests = [*_command(), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        status = subprocess.run(tests, **elsewhere).returncode
        if status != 0:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
