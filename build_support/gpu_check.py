"""Builds the CUDA kernels without TensorFlow, checks them on this machine's GPU and times them.

`make gpu-check` runs it with any Python that has NumPy, pytest, pybind11 and CuPy, beside nvcc and
CMake; it downloads nothing. Its stages (--stages, by default build,tests,bench):

    build      the pybind11 module, in build/gpu-check/site
    tests      the kernels on the device; --full: every combination of the options and images of
               more than 2^31 numbers as well
    sanitize   a part of the tests under compute-sanitizer's memcheck, racecheck, initcheck and
               synccheck
    counters   what Nsight Compute (ncu) counts of four sweeps
    bench      bandwidths, small shapes and other libraries: `python -m benchmarks.gpu`
    variants   bandwidths by other builds of the kernels, which --variants names: a card's choice

Each stage is run though one before it failed, unless there is no build; the last lines say how each
ended, and the exit status is 0 if all are well. `--archs 90` says for what to compile where
nvidia-smi cannot, `--build-only` needs no GPU. What it does not know goes to the benchmark, such as
`--only peers`. Of a copy of the sources without git, the results name the commit in GRADOPS_COMMIT.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from functools import partial
from pathlib import Path

from check_stages import Check, choose

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "gpu-check"
SITE = BUILD / "site"
TESTS = ROOT / "tests"
STAGES = ["build", "tests", "sanitize", "counters", "bench", "variants"]
# Definitions of csrc/cuda/programs/tuning.h: what was before, and one change at a time from there.
VARIANTS = {
    "before": "FETCH=0 MOST_THREADS=256 WAVES=0",
    "words": "FETCH=1 MOST_THREADS=256 WAVES=0",
    "narrow": "FETCH=1 MOST_THREADS=128 WAVES=0",
    "waves": "FETCH=1 MOST_THREADS=128 WAVES=1",
    "ring-wide": "FETCH=2 MOST_THREADS=256 WAVES=1",
    "ring-64": "FETCH=2 MOST_THREADS=64 WAVES=1",
}
COUNTED = ["64x512x512x3 float32", "8x2048x2048x4 float32", "64x512x512x1 float32"]
COUNTED += ["64x512x512x3 bfloat16"]
COUNTERS = r"Throughput|Duration|Registers|Achieved Occ|Stall|Issued|No Eligible"
TOOLS = {"memcheck": ["--report-api-errors", "no"], "racecheck": [], "initcheck": []}
TOOLS["synccheck"] = []
BUILD_SECONDS, TOOL_SECONDS = 3600.0, 100.0
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
ON_DEVICE = {"GRADOPS_TEST_CUDA": "device", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
INFO = "import sys; from gradops import _kernels; print(_kernels.build_info()); "
DRIVER = INFO + "sys.exit(_kernels.cuda.check_driver() or 0)"


def has_tools(check: Check, programs: list[str], modules: list[str]) -> bool:
    """Whether all of these are here; notes what is not."""
    lacks = [f"there is no {name} on PATH" for name in programs if shutil.which(name) is None]
    for name in modules:
        if importlib.util.find_spec(name) is None:
            lacks.append(f"{sys.executable} has no {name}: install it, or set PYTHON")
    return not lacks or check.note(f"{check.stage} needs", False, "; ".join(lacks))


def copy_package(site: Path) -> None:
    """The Python files of the package, without what was built before."""
    shutil.rmtree(site, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "gradops", site / "gradops", ignore=ignored)


def compile_package(
    check: Check, tree: Path, options: list[str], targets: list[str], suffix: str = ""
) -> bool:
    """Builds by CMake into a copy of the package in `tree`/site; no targets: all."""
    copy_package(tree / "site")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    is_configured = check.call(
        f"configure{suffix}", "cmake", "-S", str(ROOT), "-B", str(tree), *generator,
        f"-DPython_EXECUTABLE={sys.executable}", "-DGRADOPS_CUDA=ON", *options,
        f"-DGRADOPS_OUTPUT_DIR={tree / 'site' / 'gradops'}")  # fmt: skip
    command = ["cmake", "--build", str(tree), "--parallel", str(os.cpu_count() or 1)]
    command += ["--target", *targets] if targets else []
    return is_configured and check.call(f"compile{suffix}", *command, limit=BUILD_SECONDS)


def variant_folder(name: str) -> Path:
    """Where a variant is built."""
    return BUILD.with_name(f"{BUILD.name}-{name}")


def build(check: Check, arguments: argparse.Namespace) -> None:
    """The pybind11 module, next to a copy of the package's Python files; variants beside it."""
    if not has_tools(check, ["nvcc", "cmake"], ["numpy", "pybind11"]):
        return
    options = ["-DGRADOPS_TF=OFF", f"-DGRADOPS_CUDA_ARCHS={arguments.archs}"]
    for name in arguments.variants:
        defines = ";".join(f"GRADOPS_CUDA_{define}" for define in VARIANTS[name].split())
        given = [*options, f"-DGRADOPS_CUDA_DEFINES={defines}"]
        compile_package(check, variant_folder(name), given, [], f"-{name}")
    if compile_package(check, BUILD, options, []):
        only = arguments.stages == ["build"]
        check.call("import" if only else "driver", sys.executable, "-c", INFO if only else DRIVER)


def tests(check: Check, arguments: argparse.Namespace) -> None:
    """What the kernels compute on the device, against the oracle."""
    if not has_tools(check, [], ["numpy", "pytest", "cupy"]):
        return
    for name in ["kernels", "sanitize", "memory", "device", "large", "product"]:
        command = [*PYTEST, str(TESTS / f"test_cuda_{name}.py")]
        if not arguments.full:
            command += ["-m", "not extended"]
        if arguments.full or name != "product":  # whose tests are all extended
            check.call(f"tests-{name}", *command, **ON_DEVICE)


def sanitize(check: Check, arguments: argparse.Namespace) -> None:
    """One step for each tool, of the same few tests."""
    if not has_tools(check, ["compute-sanitizer"], ["numpy", "pytest", "cupy"]):
        return
    # Arrays of their own memory: in that of a pool there is no telling what lies beyond one.
    variables = {**ON_DEVICE, "GRADOPS_TEST_CUDA_POOL": "off"}
    for tool, options in TOOLS.items():
        check.call(
            tool, "compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *options,
            *PYTEST, str(TESTS / "test_cuda_sanitize.py"),
            limit=TOOL_SECONDS, tail=8, **variables)  # fmt: skip


def counters(check: Check, arguments: argparse.Namespace) -> None:
    """One step for each shape; of what ncu prints, the lines that say what limits a sweep."""
    if not has_tools(check, ["ncu"], ["numpy", "cupy"]):
        return
    for case in COUNTED:
        step = "counters-" + case.replace(" ", "-")
        command = ["ncu", "--set", "full", "--clock-control", "none", "-k", "regex:SweepKernel"]
        command += ["-s", "1", "-c", "1", sys.executable, "-m", "benchmarks.gpu.one", *case.split()]
        check.call(step, *command, limit=TOOL_SECONDS, show=COUNTERS)


def variants(check: Check, arguments: argparse.Namespace) -> None:
    """The same few bandwidths by each variant that is built."""
    for name in arguments.variants:
        site = variant_folder(name) / "site"
        command = [sys.executable, "-m", "benchmarks.gpu", "--only", "bandwidth"]
        command += ["--dtypes", "float32,bfloat16", "--seconds", "45"]
        path = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
        check.call(f"variant-{name}", *command, limit=TOOL_SECONDS, PYTHONPATH=path)


def bench(check: Check, arguments: argparse.Namespace) -> None:
    """The benchmark, which writes its tables."""
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments.others]
    for name in ("csv", "chart"):
        path = getattr(arguments, name)
        command += [f"--{name}", str(path.resolve())] if path else []
    check.call("bench", *command)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("--archs", default="native")
    parser.add_argument("--stages", default="build,tests,bench", help=",".join(STAGES))
    parser.add_argument("--full", action="store_true", help="the long tests too")
    parser.add_argument("--build-only", action="store_true", help="as --stages build")
    parser.add_argument("--sanitize", action="store_true", help="the stage sanitize too")
    parser.add_argument("--variants", default="", help=f"all, or some of {','.join(VARIANTS)}")
    parser.add_argument("--csv", type=Path, help="where the benchmark writes its table")
    parser.add_argument("--chart", type=Path, help="where it draws its chart")
    parser.add_argument("--logs", default=str(BUILD / "logs"), help="what each step printed")
    options, options.others = parser.parse_known_args(arguments)
    chosen = options.stages + (",sanitize" if options.sanitize else "")
    options.stages = choose("build" if options.build_only else chosen, STAGES)
    named = ",".join(VARIANTS) if options.variants == "all" else options.variants
    options.variants = choose(named, VARIANTS, "--variants") if named else []
    return options


def main(arguments: list[str] | None = None) -> int:
    """Runs the stages; returns the exit status."""
    options = parse(arguments)
    # Commands run in the build folder, where no checkout shadows what was built.
    check = Check("gpu-check", BUILD, Path(options.logs).resolve(), [SITE, ROOT])
    stages = {"build": build, "tests": tests, "sanitize": sanitize, "counters": counters}
    stages |= {"bench": bench, "variants": variants}
    return check.run(
        options.stages,
        {name: partial(stage, check, options) for name, stage in stages.items()},
        lambda: any((SITE / "gradops").glob("_kernels*.so")),
    )


if __name__ == "__main__":
    sys.exit(main())
