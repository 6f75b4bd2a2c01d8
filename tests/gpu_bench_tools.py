"""Runs of benchmarks/gpu on stand-ins: CuPy's on NumPy, the kernels' of the emulation."""

import importlib.util
import sys
from pathlib import Path

import cupy_stand_in
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # Last, so that it brings `benchmarks` and no other gradops.

from benchmarks import report, verify  # noqa: E402
from benchmarks.gpu import __main__ as command  # noqa: E402
from benchmarks.gpu import bandwidth, problems  # noqa: E402
from benchmarks.gpu.device import Device  # noqa: E402

QUICK = ["2x32x32x3", "1x24x20x1"]
# Without those that compile.
PEERS = ["torch conv2d", "torch conv2d channels_last", "torch slices", "cupy slices"]
HAS_TORCH = importlib.util.find_spec("torch") is not None


def stand_in(kernels=None):
    return Device(cupy_stand_in, kernels or cupy_stand_in.Kernels())


def run(folder, *arguments, kernels=None):
    """(exit status, rows, metadata)."""
    path = folder / "gpu.csv"
    given = ["--quick", "--peers", ",".join(PEERS), "--csv", str(path), *arguments]
    status = command.main(given, stand_in(kernels))
    return status, *report.read_csv(path)


def of_section(made, section):
    return [row for row in made if row.section == section]


def buffers_of(shape, dtype):
    return problems.make_buffers(stand_in(), bandwidth.expected(shape)[0], dtype, 0)


def check_peer(provider, shape, dtype):
    buffers = buffers_of(shape, dtype)
    result = bandwidth.on_host(provider)
    verify.check_whole(
        provider.name, provider.mode, buffers.problem, result, dtype, buffers.factors
    )
    if min(shape[1:3]) > 2:  # Another call takes other images.
        assert not np.array_equal(provider.read(provider.call(1)[1]), np.asarray(result[1]))
