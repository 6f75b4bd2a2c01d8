"""The benchmark of the GPU on stand-ins: CuPy's on NumPy, the kernels' of the emulation."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import cupy_stand_in
import numpy as np
import pytest
from bench_tools import check_figures

from benchmarks import __main__ as command
from benchmarks import one, report, summary
from benchmarks.cuda.device import Cuda
from gradops import reference

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


@pytest.mark.extended
def test_every_section_has_figures(tmp_path):
    chart = tmp_path / "images" / "chart.png"
    status, made, facts = run(tmp_path, "--chart", str(chart))
    assert status == 0
    assert facts["gpu"] == "a stand-in" and facts["driver"].endswith("CUDA 13.0")
    assert {row.section for row in made} == {"bandwidth", "small", "peers", "memory"}
    check_figures(made)
    noted = {row.provider for row in made if row.note}
    assert noted == ({"cupy slices"} if HAS_TORCH else set(PEERS))
    reasons = {row.note for row in made if row.provider == "cupy slices" and row.note}
    assert reasons == {"ValueError: CuPy has no arrays of bfloat16"}
    table = report.dataclasses.replace(summary.TABLES["cuda"], shape=(2, 32, 32, 3))
    lines = summary.markdown(made, table).split("\n")
    assert lines[2].startswith("| **gradops** | **") and lines[-1].startswith("| CuPy, slices |")
    if importlib.util.find_spec("matplotlib") is not None:
        assert chart.read_bytes().startswith(b"\x89PNG")


def test_bad_arguments_are_named():
    for arguments in (["--only", "chart"], ["--shapes", "1x1x8x3"], ["--dtypes", "float64"]):
        with pytest.raises(SystemExit, match=f"{arguments[0]}.*{arguments[1]!r}"):
            command.main(arguments, stand_in())


def test_what_there_is_no_time_for_is_left_out(tmp_path):
    status, made, _ = run(tmp_path, "--seconds", "-1")
    assert status == 1 and {row.section for row in made} == {"bandwidth", "small", "peers"}
    assert {row.note for row in made} == {"TimeoutError: no time was left (--seconds)"}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_shape_for_a_profiler(monkeypatch, capsys, dtype):
    kernels = SimpleNamespace(cuda=cupy_stand_in.Kernels())
    monkeypatch.setattr(one._library, "kernels", lambda: kernels)
    monkeypatch.setitem(sys.modules, "cupy", cupy_stand_in)
    assert one.main(["2x16x12x3", dtype]) == 0
    numbers = np.random.default_rng(0).random((2, 16, 12, 3), "float32")
    if dtype == "bfloat16":
        numbers = (numbers.view("uint32") >> 16 << 16).view("float32")
    wanted = reference.gradient_loss(numbers, numbers[::-1]).sum()
    np.testing.assert_allclose(float(capsys.readouterr().out.split("] ")[1]), wanted, rtol=1e-5)


class WrongGradient(cupy_stand_in.Kernels):
    """Off in the last row of the last image, at the shapes that are timed."""

    def loss_memo(self, y_true, y_pred, upstream, loss, gradient, **options):
        super().loss_memo(y_true, y_pred, upstream, loss, gradient, **options)
        if y_pred.shape[1:3] != (37, 41):
            gradient[-1, -1, -1] = 1


class Unwritten(cupy_stand_in.Kernels):
    def loss(self, y_true, y_pred, loss, **options):
        super().loss(y_true, y_pred, np.empty_like(loss), **options)


@pytest.mark.parametrize(
    "kernels, mode, reason",
    [
        (WrongGradient(), "loss+gradient", "gradient differs from gradops.reference"),
        (Unwritten(), "forward", "loss differs from gradops.reference by nan"),
    ],
)
def test_wrong_kernels_are_not_timed(tmp_path, kernels, mode, reason):
    arguments = ["--only", "bandwidth", "--shapes", "1x24x20x1", "--dtypes", "float32"]
    status, made, _ = run(tmp_path, *arguments, kernels=kernels)
    assert status == 1
    assert [row.mode for row in made[:2]] == ["loss+gradient", "forward"]
    for row in made[:2]:
        assert bool(row.note) == (row.median_ms is None) == (row.mode == mode)
        if row.note:
            assert row.met == "no" and f"gradops, {mode}, [" in row.note and reason in row.note
