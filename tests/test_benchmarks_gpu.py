"""The benchmark of the GPU, run on stand-ins: its rows, tables, chart and command line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from gpu_bench_tools import HAS_TORCH, PEERS, QUICK, ROOT, command, of_section, run, stand_in

from benchmarks import about, report
from benchmarks.gpu import overhead, problems, summary, tables
from benchmarks.gpu.providers import OURS

ABOUT = ["date", "gpu", "multiprocessors", "l2_mib", "memory_mib", "driver", "cuda_toolkit"]
ABOUT += ["architectures", "cpu", "python", "cupy", "torch", "triton", "numpy", "gradops", "commit"]


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    return *run(folder, "--chart", str(folder / "images" / "chart.png")), folder


def test_every_section_has_figures(quick_run):
    status, made, facts, _ = quick_run
    assert status == 0 and list(facts) == ABOUT
    assert facts["gpu"] == "a stand-in" and facts["driver"].endswith("CUDA 13.0")
    assert {row.section for row in made} == {"bandwidth", "small", "peers", "memory"}
    for row in made:
        if row.section != "memory" and not row.note:
            assert 0 < row.p20_ms <= row.median_ms <= row.p80_ms
    noted = {row.provider for row in made if row.note}
    assert noted == ({"cupy slices"} if HAS_TORCH else set(PEERS))
    reasons = {row.note for row in made if row.provider == "cupy slices" and row.note}
    assert reasons == {"ValueError: CuPy has no arrays of bfloat16"}


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


def test_peers_are_compared_at_every_shape_in_float32(quick_run):
    made = of_section(quick_run[1], "peers")
    places = {(report.format_shape(row.shape), row.dtype) for row in made}
    others = [(QUICK[0], "bfloat16"), (QUICK[0], "float16")]
    assert places == {(QUICK[0], "float32"), (QUICK[1], "float32"), *others}
    compared = [row for row in made if row.provider == OURS and row.yardstick == "cupy slices"]
    assert len(compared) == 3 and not any(row.floor for row in compared)
    judged = {row.yardstick: row.floor for row in made if row.floor}
    assert judged == (dict.fromkeys(PEERS[:3], 0.1) if HAS_TORCH else {})


def test_memory_counts_results_and_scratch(quick_run):
    for row in of_section(quick_run[1], "memory"):
        results = np.prod(row.shape) * (4 if row.dtype == "float32" else 2) + 4 * row.shape[0]
        if row.provider == OURS:  # Whose pool of the stand-in takes 3 KiB.
            assert row.beyond_outputs_kib == 3.0
            assert row.peak_extra_mib * 2**20 == pytest.approx(results + 3 * 1024, rel=1e-4)
        elif row.provider == "cupy slices":
            assert row.peak_extra_mib == 1.0
            assert row.beyond_outputs_kib == pytest.approx(1024 - results / 1024, rel=1e-4)


def test_small_shapes_are_held_against_an_empty_kernel(quick_run):
    made = of_section(quick_run[1], "small")
    ways = [f"{mode}, {way}" for way in ("host clock", "graph") for mode in overhead._MODES]
    assert [row.mode for row in made if row.provider == OURS] == ways
    for row in made:
        if row.provider == OURS:
            assert row.yardstick == f"an empty kernel, {row.mode.split(', ')[1]}"
            assert row.ratio_to_yardstick > 0


def test_the_short_table_comes_last(capsys, tmp_path):
    _, made, _ = run(tmp_path)
    lines = capsys.readouterr().out.rstrip().split("\n")
    table = tables.short_table(made).split("\n")
    last = lines[-len(table) :]
    assert last[0].split()[:4] == ["shape", "dtype", "ms", "TB/s"]
    named = [tuple(line.split()[:2]) for line in last[1:7]]
    assert named == [(shape, dtype) for shape in QUICK for dtype in problems.DTYPES]
    assert sum(line.startswith("floors met: ") for line in last) == 1


def test_the_chart_is_drawn(quick_run):
    pytest.importorskip("matplotlib")
    image = quick_run[3] / "images" / "chart.png"
    assert image.read_bytes().startswith(b"\x89PNG")


def test_readme_table(quick_run):
    made = quick_run[1]
    lines = summary.table(made, (2, 32, 32, 3)).split("\n")
    assert lines[2].startswith("| **gradops** | **") and lines[-1].startswith("| CuPy, slices |")
    with pytest.raises(LookupError, match="no times of gradops"):
        summary.table(made, (1, 1, 1, 1))


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


def test_nothing_imports_tensorflow():
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(ROOT)]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.stdout == "imported\n", made.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--only", "chart"], ["--shapes", "1x1x8x3"], ["--dtypes", "float64"], ["--peers", "jax"]],
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments, stand_in())
    assert arguments[0] in str(stopped.value) and repr(arguments[1]) in str(stopped.value)


def test_the_commit_of_a_copy(monkeypatch):
    monkeypatch.setenv(about.COMMIT_VARIABLE, "0123abc")
    assert about.commit() == "0123abc"
    monkeypatch.delenv(about.COMMIT_VARIABLE)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert about.commit() == "unknown"
