"""The benchmark of the GPU, run on stand-ins: its rows, tables, chart and command line."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import cupy_stand_in
import numpy as np
import pytest
from gpu_bench_tools import HAS_TORCH, PEERS, QUICK, ROOT, command, of_section, run, stand_in

from benchmarks import report
from benchmarks.gpu import one, summary, tables
from gradops import reference


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    return *run(folder, "--chart", str(folder / "images" / "chart.png")), folder


@pytest.mark.extended
def test_every_section_has_figures(quick_run):
    status, made, facts, folder = quick_run
    assert status == 0
    assert facts["gpu"] == "a stand-in" and facts["driver"].endswith("CUDA 13.0")
    assert {row.section for row in made} == {"bandwidth", "small", "peers", "memory"}
    for row in made:
        if row.section != "memory" and not row.note:
            assert 0 < row.p20_ms <= row.median_ms <= row.p80_ms
    noted = {row.provider for row in made if row.note}
    assert noted == ({"cupy slices"} if HAS_TORCH else set(PEERS))
    reasons = {row.note for row in made if row.provider == "cupy slices" and row.note}
    assert reasons == {"ValueError: CuPy has no arrays of bfloat16"}
    lines = summary.table(made, (2, 32, 32, 3)).split("\n")
    assert lines[2].startswith("| **gradops** | **") and lines[-1].startswith("| CuPy, slices |")
    assert "floors met: " in tables.short_table(made)
    if importlib.util.find_spec("matplotlib") is not None:
        assert (folder / "images" / "chart.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.extended
def test_bandwidth_is_held_against_ceilings(quick_run):
    made = of_section(quick_run[1], "bandwidth")
    for shape in QUICK:
        for dtype, floor in (("float32", 0.9), ("bfloat16", 0.85), ("float16", 0.85)):
            group = {
                row.mode: row
                for row in made
                if (report.format_shape(row.shape), row.dtype) == (shape, dtype)
            }
            assert list(group)[2:] == ["copy", "triad a - b", "read, sum |a - b|"]
            for mode, name in (("loss+gradient", "triad a - b"), ("forward", list(group)[4])):
                row = group[mode]
                expected = row.median_ms / group[name].median_ms
                assert row.ratio_to_yardstick == pytest.approx(expected, rel=1e-4)
                assert row.yardstick == name and row.aim == pytest.approx(1 / 0.95, rel=1e-4)
                assert row.floor == pytest.approx(1 / floor, rel=1e-4)
                images = 3 if mode == "loss+gradient" else 2
                nbytes = images * np.prod(row.shape) * (4 if dtype == "float32" else 2)
                assert row.gb_per_s == pytest.approx(nbytes / row.median_ms / 1e6, rel=1e-4)


WITHOUT_TENSORFLOW = """
import sys, types
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
gradops = types.ModuleType("gradops")  # As a build without TensorFlow has it.
gradops.__path__ = [sys.argv[1] + "/gradops"]
sys.modules["gradops"] = gradops
sys.path.append(sys.argv[1])
import benchmarks.gpu.__main__, benchmarks.gpu.summary, benchmarks.gpu.triton_peer
import gradops._kernels
gradops.build_info = gradops._kernels.build_info
from benchmarks.gpu import bandwidth
bandwidth.expected((1, 8, 8, 1))
print("imported")
"""


@pytest.mark.extended
def test_nothing_imports_tensorflow():
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(ROOT)]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.stdout == "imported\n", made.stderr


def test_bad_arguments_are_named():
    for arguments in (["--only", "chart"], ["--shapes", "1x1x8x3"], ["--dtypes", "float64"]):
        with pytest.raises(SystemExit, match=f"{arguments[0]}.*{arguments[1]!r}"):
            command.main(arguments, stand_in())


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
