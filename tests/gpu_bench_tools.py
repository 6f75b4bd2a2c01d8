"""Runs of the benchmark of the GPU on stand-ins: CuPy's on NumPy, the kernels' of the emulation."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cupy_stand_in
import numpy as np
from bench_tools import ROOT

from benchmarks import __main__ as command
from benchmarks import report, verify
from benchmarks.cuda import buffers
from benchmarks.cuda.device import Cuda

QUICK = ["2x32x32x3", "1x24x20x1"]
# Without those that compile.
PEERS = ["torch conv2d", "torch conv2d channels_last", "torch slices", "cupy slices"]
HAS_TORCH = importlib.util.find_spec("torch") is not None


def stand_in(kernels=None):
    return Cuda(cupy_stand_in, kernels or cupy_stand_in.Kernels(), quick=True)


def run(folder, *arguments, kernels=None):
    """(exit status, rows, metadata)."""
    path = folder / "gpu.csv"
    given = ["--quick", "--peers", ",".join(PEERS), "--csv", str(path), *arguments]
    status = command.main(["--device", "cuda", *given], stand_in(kernels))
    return status, *report.read_csv(path)


def of_section(rows, section):
    return [row for row in rows if row.section == section]


WITHOUT_TENSORFLOW = """
import sys, types
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
gradops = types.ModuleType("gradops")  # As a build without TensorFlow has it.
gradops.__path__ = [sys.argv[1] + "/gradops"]
sys.modules["gradops"] = gradops
sys.path[:0] = sys.argv[1:]
import gradops._kernels
gradops.build_info = gradops._kernels.build_info
import gpu_bench_tools as t
"""


def run_without_tensorflow(code, **environment):
    """What a process prints."""
    folders = [ROOT, ROOT / "tests", Path(cupy_stand_in.cuda_emulation.__file__).parent]
    arguments = [sys.executable, "-c", WITHOUT_TENSORFLOW + code, *map(str, folders)]
    environment = {**os.environ, **environment}
    made = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    assert made.returncode == 0, made.stderr
    return made.stdout


def check_peer(build, shape, dtype):
    """Another call takes other images."""
    device, problem = stand_in(), buffers.problem_of(shape, dtype)
    prepared = device.prepare(problem)
    call = build(prepared)
    device.expect(prepared)
    result = call()
    verify.check_whole("a peer", "loss+gradient", problem, result, device.read)
    first = device.read(result[1])
    if min(shape[1:3]) > 2:
        assert not np.array_equal(device.read(call()[1]), first)
