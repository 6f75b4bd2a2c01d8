"""The gpu-* targets of make, with stand-ins for the programs that they call."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SUPPORT = ROOT / "build_support"
TUNING = (ROOT / "csrc" / "cuda" / "programs" / "tuning.h").read_text()
# What each says of itself: the call, and the environment that decides what is run.
PROGRAM = """#!/bin/sh
case "$*" in *sys.executable*) echo "$0"; exit;; esac
echo "CALL $(basename "$0") $* TEST=$GRADOPS_TEST_CUDA POOL=$GRADOPS_TEST_CUDA_POOL \
TF=$GRADOPS_BACKEND,$TF_FORCE_GPU_ALLOW_GROWTH,$XLA_FLAGS PATH=$PYTHONPATH"
case "$*" in *$FAILS*) exit 3;; esac
"""
SUMMARY = ": how each step ended\n"
TESTS = ["device", "kernels", "large", "memory", "sanitize"]


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
        environment |= {"PYTHONPATH": "given", "FAILS": fails}
        command = ["make", "-C", str(ROOT), f"GPU={tmp_path / 'gpu'}", f"PATH={path}"]
        command += [f"PYTHON={tmp_path / 'bin' / 'python'}", *arguments]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        said = result.stdout + result.stderr
        called = re.findall("^CALL (.*)", said.partition(SUMMARY)[0], re.MULTILINE)
        return result.returncode, called, said

    return run


def test_the_kernels_and_their_variants_are_built(make, tmp_path):
    status, calls, said = make("gpu-build", "ARCHS=90-real", "VARIANTS=all")
    configured = [call for call in calls if call.startswith("cmake -S")]
    assert status == 0 and len(configured) == 7, said
    assert all("-DGRADOPS_TF=OFF" in x and "-DGRADOPS_CUDA_ARCHS=90-real" in x for x in configured)
    defines = set(re.findall(r"[=;](GRADOPS_CUDA_\w+)=", "".join(configured)))
    assert len(defines) == 3 and all(f"#ifndef {name}\n" in TUNING for name in defines)
    assert sum("-DGRADOPS_CUDA_DEFINES" in call for call in configured) == 6
    assert (tmp_path / "gpu-ring-64/site/gradops/__init__.py").exists()
    assert not list(tmp_path.rglob("*.so"))
    assert make("gpu-build", "VARIANTS=no")[0] != 0


def test_the_tests_run_on_the_device_with_what_was_built(make, tmp_path):
    for full, names in (([], TESTS), (["FULL=1"], sorted([*TESTS, "product"]))):
        status, calls, said = make("gpu-tests", *full)
        ran = [call for call in calls if "-m pytest" in call]
        assert status == 0 and [re.findall(r"test_cuda_(\w+)\.py", x) for x in ran] == [
            [name] for name in names
        ], said
        for call in ran:
            assert ("-m gpu and not extended /" in call) == (not full)
            assert f"TEST=device POOL= TF=,, PATH={tmp_path}/gpu/site:{ROOT}:given" in call
    _, (_, *calls), said = make("gpu-sanitize")
    tools = ["memcheck", "racecheck", "initcheck", "synccheck"]
    assert [call.split()[2] for call in calls] == tools, said
    assert all("TEST=device POOL=off" in call and "-m sanitize /" in call for call in calls)


def test_what_is_timed(make, tmp_path):
    _, calls, said = make("gpu-bench", "gpu-variants", "VARIANTS=words", "CSV=a.csv")
    bench, variant = (call for call in calls if "-m benchmarks" in call)
    assert f"python -m benchmarks --device cuda --csv {ROOT}/a.csv TEST=" in bench, said
    assert "--only bandwidth --dtypes float32,bfloat16" in variant
    assert f"PATH={tmp_path}/gpu-words/site" in variant
    _, (_, *calls), said = make("gpu-counters", "COUNTERS=CALL")
    assert len(calls) == 8 and calls[:4:2] == calls[1:4:2], said  # printed again
    assert re.search(r"ncu .*/python -m benchmarks.one 64x512x512x3 bfloat16 TEST=", calls[-1])


def test_under_tensorflow(make, tmp_path):
    library = tmp_path / "ops.so"
    library.write_text("of elsewhere")
    status, calls, said = make("gpu-check-tensorflow", f"OP_LIBRARY={library}", "SPARING=2")
    assert status == 0, said
    assert (tmp_path / "gpu-tensorflow/site/gradops/libgradops_ops.so").exists()
    assert any("--target _kernels" in call for call in calls)
    tests = [call for call in calls if "-m pytest" in call]
    assert len(tests) == 3 and re.search("--every 4 .*--every 4 .*--every 6 ", "".join(tests))
    files = re.findall(r"/\S+/test_\w+\.py", "".join(tests))
    assert len(set(files)) == len(files) == 14 and all(Path(file).exists() for file in files)
    assert all("-m not extended and not cudnn --every" in call for call in tests)
    assert "benchmarks --device GPU:0 --only modes" in calls[-1]
    wanted = f"TF=fused,true,--xla_gpu_cuda_data_dir={tmp_path} PATH={tmp_path}/gpu-tensorflow/site"
    assert all(wanted in call for call in (*tests, calls[-1]))


def test_a_step_that_fails_does_not_hide_those_after_it(make):
    status, calls, said = make("gpu-check", fails="test_cuda_kernels")
    assert status != 0
    summary = said.partition(SUMMARY)[2]
    assert "[tests-cuda_kernels] FAILED: exit status 3" in summary
    assert "[tests-cuda_large] ok" in summary and "[bench] ok" in summary
    status, calls, said = make("gpu-check", fails="gpu_needs.py * nvcc")
    assert status != 0 and not any("cmake" in call.split()[0] for call in calls)
    assert "-m benchmarks" in calls[-1]


def needs(*arguments, **environment):
    command = [sys.executable, str(SUPPORT / "gpu_needs.py"), *map(str, arguments)]
    result = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True
    )
    said = re.findall("^gpu-check .*", result.stderr, re.MULTILINE)
    assert "Traceback" not in result.stderr and result.returncode == len(said) <= 1
    return "".join(said)


def test_what_is_missing_is_named(tmp_path):
    assert needs(tmp_path, "pytest") == ""
    for program, package in (("nvcc", "CUDA toolkit"), ("ncu", "Nsight"), ("cmake", "cmake")):
        said = needs(tmp_path, program, "numpy", PATH="")
        assert f"needs {program}: " in said and package in said
    assert f"install no_such_module for {sys.executable}, or set PYTHON" in needs(
        tmp_path, "no_such_module"
    )
    assert "has none for this Python: make gpu-build" in needs(tmp_path, "build", "gpu")
    assert "there is none in" in needs(tmp_path, "op-library")
    (tmp_path / "site").symlink_to(ROOT)  # a build for the CPU
    assert "built without CUDA kernels: make gpu-build" in needs(tmp_path, "build", "gpu")


def test_a_step_that_takes_too_long_is_ended_with_what_it_started(tmp_path):
    waits = f"echo begun; {sys.executable} -c 'import time; time.sleep(60)'; echo never"
    step = ["bash", str(SUPPORT / "gpu_step.sh"), str(tmp_path), "wait", "1", "sh", "-c", waits]
    result = subprocess.run(step, capture_output=True, text=True, timeout=50)
    log = (tmp_path / "logs" / "wait.log").read_text()
    assert result.returncode == 124 and result.stdout == log
    assert re.search(r"\nbegun\n\[wait\] FAILED: ended after \d+ s of 1", log)


PLACED = """
import pytest, tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])

def test_it():
    assert tf.constant(1.0).device.endswith("CPU:WHERE")

@pytest.mark.cpu_only
def test_that_stays():
    assert tf.constant(1.0).device.endswith("CPU:0")
"""


@pytest.mark.extended
@pytest.mark.parametrize("where", [0, 1])
def test_tests_are_called_on_the_device(tmp_path, where):
    """On the second of two of the host; without the option, where TensorFlow likes."""
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_placed.py").write_text(PLACED.replace("WHERE", str(where)))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    command += ["--device", "CPU:1"] if where else []
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert ("1 passed, 1 deselected" if where else "2 passed") in result.stdout
