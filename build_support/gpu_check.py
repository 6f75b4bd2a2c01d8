"""Builds the CUDA kernels without TensorFlow, checks them on this machine's GPU and times them.

`make gpu-check` runs it with any Python that has NumPy, pytest, pybind11 and CuPy, beside nvcc and
CMake; it downloads nothing. GPU_CHECK_ARGS="--sanitize" adds compute-sanitizer, `--archs 90` says
for what to compile where nvidia-smi cannot, `--build-only` needs no GPU. What it does not know goes
to the benchmark, `python -m benchmarks.gpu`, such as `--csv PATH`, `--chart PATH`, `--only peers`.
Of a copy of the sources without git, the results name the commit in GRADOPS_COMMIT.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "gpu-check"
SITE = BUILD / "site"
TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]
SMALL = "penalties or memo or image_functions or counts or layouts_of_vectors"


def fail(message: str) -> None:
    """Ends with an error."""
    raise SystemExit(f"gpu-check: {message}")


def call(*command: str, **environment: str) -> None:
    """Runs a command in the build folder, where no checkout shadows what was built."""
    if not succeeds(*command, **environment):
        fail(f"{command[0]} failed; see above")


def succeeds(*command: str, **environment: str) -> bool:
    """The same, whatever comes of it."""
    print("+", *command, flush=True)
    paths = os.pathsep.join([str(SITE), str(ROOT)])
    settings = {**os.environ, "PYTHONPATH": paths, **environment}
    return subprocess.run(command, cwd=BUILD, env=settings).returncode == 0


def check_tools(build_only: bool, sanitize: bool) -> None:
    """Says what is missing before anything is built."""
    for program in ["nvcc", "cmake"] + (["compute-sanitizer"] if sanitize else []):
        if shutil.which(program) is None:
            fail(f"there is no {program} on PATH")
    for module in ["numpy", "pybind11"] + ([] if build_only else ["pytest", "cupy"]):
        if importlib.util.find_spec(module) is None:
            fail(f"{sys.executable} has no {module}: install it, or set PYTHON to one that has it")


def build(archs: str) -> None:
    """The pybind11 module, next to a copy of the package's Python files."""
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(
        ROOT / "gradops", SITE / "gradops", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    call("cmake", "-S", str(ROOT), "-B", str(BUILD), *generator,
         f"-DPython_EXECUTABLE={sys.executable}", "-DGRADOPS_TF=OFF",
         "-DGRADOPS_CUDA=ON", f"-DGRADOPS_CUDA_ARCHS={archs}",
         f"-DGRADOPS_OUTPUT_DIR={SITE / 'gradops'}")  # fmt: skip
    call("cmake", "--build", str(BUILD), "--parallel", str(os.cpu_count() or 1))


def main() -> None:
    """Build, correctness, benchmark; with --sanitize the sanitizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archs", default="native")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--bench-only", action="store_true", help="of what was built before")
    parser.add_argument(
        "--keep-going", action="store_true", help="time the kernels also where their tests fail"
    )
    parser.add_argument("--csv", type=Path, help="where the benchmark writes its table")
    parser.add_argument("--chart", type=Path, help="where it draws its chart")
    arguments, others = parser.parse_known_args()
    benchmark = [sys.executable, "-m", "benchmarks.gpu", *others]
    for name in ("csv", "chart"):
        path = getattr(arguments, name)
        benchmark += [f"--{name}", str(path.resolve())] if path else []
    if arguments.bench_only:
        if not (SITE / "gradops").exists():
            fail("--bench-only, and nothing is built in build/gpu-check")
        call(*benchmark)
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    check_tools(arguments.build_only, arguments.sanitize)
    build(arguments.archs)
    driver = "import sys; from gradops import _kernels; sys.exit(_kernels.cuda.check_driver() or 0)"
    if arguments.build_only:
        call(sys.executable, "-c", "from gradops import _kernels; print(_kernels.build_info())")
        return
    call(sys.executable, "-c", driver)
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    pytest += [str(ROOT / "tests" / "test_cuda_kernels.py")]
    passed = succeeds(*pytest, GRADOPS_TEST_CUDA="device")
    if not passed and not arguments.keep_going:
        fail("the tests failed; see above")
    if arguments.sanitize:
        for tool in TOOLS:
            call("compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *pytest, "-k", SMALL,
                 "--every", "8", GRADOPS_TEST_CUDA="device")  # fmt: skip
    call(*benchmark)
    if not passed:
        fail("the benchmark ran, but the tests before it failed; see above")


if __name__ == "__main__":
    main()
