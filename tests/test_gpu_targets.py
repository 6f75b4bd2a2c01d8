"""The gpu-* targets of make, with stand-ins for the programs that they call."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SUPPORT = ROOT / "build_support"
GPU_MK = (SUPPORT / "gpu.mk").read_text()
TUNING = (ROOT / "csrc" / "cuda" / "programs" / "tuning.h").read_text()
SUMMARY = ": how each step ended\n"
# A call as the stand-ins print it, with what decides how the called program runs.
PROGRAM = """#!/bin/sh
case "$*" in *sys.executable*) echo "$0"; exit;; esac
echo "CALL $(basename "$0") $* TEST=$GRADOPS_TEST_CUDA,$GRADOPS_TEST_CUDA_POOL\
 TF=$GRADOPS_BACKEND,$TF_FORCE_GPU_ALLOW_GROWTH,$XLA_FLAGS PATH=$PYTHONPATH"
case "$*" in *$FAILS*) exit 3;; esac
"""
TESTS = ["device", "fixed", "kernels", "large", "memory", "sanitize", "weights"]
ON_DEVICE = "TEST=device, TF=,, PATH=TMP/gpu/site:ROOT:given"
TF = "TF=fused,true,--xla_gpu_cuda_data_dir=TMP PATH=TMP/gpu-tensorflow/site:ROOT:given"
TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]
COUNTED = ["64x512x512x3 float32", ".*x4 float32", ".*x1 float32", ".*x3 bfloat16"]
# {target and variables: what the calls match that come after the one of gpu_needs.py}
CALLS = {
    "gpu-tests": [
        f"-m gpu and not extended ROOT/tests/test_cuda_{name}.py {ON_DEVICE}" for name in TESTS
    ],
    "gpu-tests FULL=1": [f"-m gpu ROOT/tests/test_cuda_{name}.py {ON_DEVICE}" for name in TESTS],
    "gpu-sanitize": [
        f"compute-sanitizer --tool {tool} --error-exitcode 9 .* -m sanitize .*TEST=device,off "
        for tool in TOOLS
    ],
    "gpu-counters COUNTERS=ok": [
        f"ncu .*python -m benchmarks.one {case} TEST=" for case in COUNTED
    ],
    "gpu-bench CSV=a.csv": ["benchmarks --device cuda --csv ROOT/a.csv .*PATH=TMP/gpu/site:ROOT"],
    "gpu-variants VARIANTS=words": ["cuda --only bandwidth .*PATH=TMP/gpu-words/site:ROOT"],
    "gpu-tf-tests SPARING=2": [
        f"--device GPU:0 -m not extended and not cudnn --every {every} .* {TF}"
        for every in (4, 4, 6)
    ],
    "gpu-tf-tests LIBRARIES=1": 3 * ["-m not extended --every [23] "],
    "gpu-tf-modes DEVICE=CPU:0": [f"benchmarks --device CPU:0 --only modes .*{TF}"],
}


@pytest.fixture
def make(tmp_path):
    """Runs make: (exit status, the calls, all that was said)."""
    (tmp_path / "bin").mkdir()
    for name in ("python", "cmake", "nvcc", "compute-sanitizer", "ncu"):
        (tmp_path / "bin" / name).write_text(PROGRAM)
        (tmp_path / "bin" / name).chmod(0o755)

    def run(*arguments, fails="nothing"):
        path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
        unset = ("XLA_FLAGS", "GRADOPS_BACKEND", "TF_FORCE_GPU_ALLOW_GROWTH", "MAKEFLAGS")
        environment = {name: x for name, x in os.environ.items() if name not in unset}
        environment |= {"PATH": path, "PYTHONPATH": "given", "FAILS": fails}
        command = ["make", "-C", str(ROOT), f"GPU={tmp_path / 'gpu'}", f"PATH={path}"]
        command += [f"PYTHON={tmp_path / 'bin' / 'python'}", *arguments]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        said = result.stdout + result.stderr
        called = re.findall("^CALL (.*)", said.partition(SUMMARY)[0], re.MULTILINE)
        return result.returncode, called, said

    return run


@pytest.mark.parametrize("arguments, wanted", CALLS.items(), ids=CALLS)
def test_what_is_called(make, tmp_path, arguments, wanted):
    status, (needs, *calls), said = make(*arguments.split())
    assert status == 0 and "gpu_needs.py" in needs, said
    for call, pattern in zip(calls, wanted, strict=True):
        pattern = pattern.replace("TMP", str(tmp_path)).replace("ROOT", str(ROOT))
        assert re.search(pattern, call), f"{call} is not as {pattern}"
        assert all(Path(file).exists() for file in re.findall(r"/\S+/test_\w+\.py", call))


def test_the_kernels_and_their_variants_are_built(make, tmp_path):
    status, calls, said = make("gpu-build", "ARCHS=90-real", "VARIANTS=all")
    configured = [call for call in calls if call.startswith("cmake -S")]
    assert status == 0 and len(configured) == 7, said
    assert all("-DGRADOPS_CUDA_ARCHS=90-real -DGRADOPS_TF=OFF" in call for call in configured)
    assert sum("-DGRADOPS_CUDA_DEFINES=GRADOPS" in call for call in configured) == 6
    assert {call.split()[4] for call in configured} == {str(tmp_path / "gpu")}  # -S ROOT -B FOLDER
    assert "-DGRADOPS_CUDA_DEFINES= " in configured[-1]
    defines = set(re.findall(r"[=;](GRADOPS_CUDA_\w+)=", "".join(configured)))
    assert len(defines) == 3 and all(f"#ifndef {name}\n" in TUNING for name in defines)
    assert (tmp_path / "gpu-ring-64/site/gradops/__init__.py").exists()
    assert not list(tmp_path.rglob("*.so"))
    assert make("gpu-build", "VARIANTS=no")[0] != 0


def test_a_build_for_tensorflow_with_ops_of_elsewhere(make, tmp_path):
    adapter = tmp_path / "libgradops_ops_2_21.so"
    adapter.write_text("of elsewhere")
    status, calls, said = make("gpu-tf-build", f"OP_LIBRARY={adapter}")
    assert status == 0 and "-DGRADOPS_TF=ON" in calls[1] and "--target _kernels" in calls[2], said
    assert (tmp_path / "gpu-tensorflow/site/gradops" / adapter.name).exists()


def test_a_step_that_fails_does_not_hide_those_after_it(make):
    status, calls, said = make("gpu-check", fails="test_cuda_kernels")
    summary = said.partition(SUMMARY)[2]
    assert status != 0 and "[tests-cuda_kernels] FAILED: exit status 3" in summary
    assert "[tests-cuda_large] ok" in summary and "[bench] ok" in summary
    status, calls, said = make("gpu-check", fails="gpu_needs.py * nvcc")
    assert status != 0 and not any(call.startswith("cmake") for call in calls)
    assert "-m benchmarks" in calls[-1]


def needs(*arguments, **environment):
    command = [sys.executable, str(SUPPORT / "gpu_needs.py"), *map(str, arguments)]
    environment = {**os.environ, **environment}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    said = re.findall("^gpu-check .*", result.stderr, re.MULTILINE)
    assert "Traceback" not in result.stderr and result.returncode == len(said) <= 1
    return "".join(said)


def test_what_is_missing_is_named(tmp_path):
    assert needs(tmp_path, "pytest") == ""
    for program, package in (("nvcc", "CUDA toolkit"), ("ncu", "Nsight"), ("cmake", "cmake")):
        said = needs(tmp_path, program, "numpy", PATH="")
        assert f"needs {program}: " in said and package in said
    assert f"install no_module for {sys.executable}" in needs(tmp_path, "no_module")
    assert "has none for this Python: make gpu-build" in needs(tmp_path, "build", "gpu")
    assert "needs op-library: " in needs(tmp_path, "op-library")
    (tmp_path / "site").symlink_to(ROOT)  # a build for the CPU
    assert "needs gpu: " in needs(tmp_path, "build", "gpu")


def test_pytest_takes_the_package_that_is_built(tmp_path):
    """Not the checkout's, whose folder pyproject.toml would put before all others."""
    (tmp_path / "site" / "gradops").mkdir(parents=True)
    (tmp_path / "site" / "gradops" / "__init__.py").write_text('raise ImportError("as built")')
    flags = re.search(r"GPU_PYTEST = \$\(GPU_PYTHON\) (.*)", GPU_MK)[1].split()
    step = ["bash", str(SUPPORT / "gpu_step.sh"), str(tmp_path), "tests", "100", sys.executable]
    step += [*flags, str(ROOT / "tests" / "test_registry.py")]
    result = subprocess.run(step, capture_output=True, text=True)
    assert result.returncode != 0 and "ImportError: as built" in result.stdout


def test_a_step_that_takes_too_long_is_ended_with_what_it_started(tmp_path):
    waits = f"echo begun; {sys.executable} -c 'import time; time.sleep(60)'; echo never"
    step = ["bash", str(SUPPORT / "gpu_step.sh"), str(tmp_path), "wait", "1", "sh", "-c", waits]
    result = subprocess.run(step, capture_output=True, text=True, timeout=50)
    log = (tmp_path / "logs" / "wait.log").read_text()
    assert result.returncode == 124 and result.stdout == log
    assert re.search(r"\nbegun\n\[wait\] FAILED: ended after \d+ s of 1", log)
