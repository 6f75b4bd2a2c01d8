"""The benchmark of the GPU, run on stand-ins: CuPy's on NumPy, the kernels' of the emulation."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cupy_stand_in
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # Last, so that it brings `benchmarks` and no other gradops.

from benchmarks import about, report, verify  # noqa: E402
from benchmarks.gpu import __main__ as command  # noqa: E402
from benchmarks.gpu import (  # noqa: E402
    bandwidth,
    comparison,
    overhead,
    peers,
    problems,
    rows,
    summary,
    tables,
    timing,
)
from benchmarks.gpu.device import Device  # noqa: E402
from benchmarks.gpu.providers import OURS, Provider  # noqa: E402

QUICK = ["2x32x32x3", "1x24x20x1"]
# Without those that compile.
PEERS = ["torch conv2d", "torch conv2d channels_last", "torch slices", "cupy slices"]
HAS_TORCH = importlib.util.find_spec("torch") is not None
ABOUT = ["date", "gpu", "multiprocessors", "l2_mib", "memory_mib", "driver", "cuda_toolkit"]
ABOUT += ["architectures", "cpu", "python", "cupy", "torch", "triton", "numpy", "gradops", "commit"]


def stand_in(kernels=None):
    return Device(cupy_stand_in, kernels or cupy_stand_in.Kernels())


def run(folder, *arguments, kernels=None):
    """(exit status, rows, metadata)."""
    path = folder / "gpu.csv"
    given = ["--quick", "--peers", ",".join(PEERS), "--csv", str(path), *arguments]
    status = command.main(given, stand_in(kernels))
    return status, *report.read_csv(path)


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    return *run(folder, "--chart", str(folder / "images" / "chart.png")), folder


def of_section(made, section):
    return [row for row in made if row.section == section]


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


class WrongGradient(cupy_stand_in.Kernels):
    """Off in the last row of the last image, at the shapes that are timed."""

    def loss_and_gradient(self, y_true, y_pred, upstream, loss, gradient, **options):
        super().loss_and_gradient(y_true, y_pred, upstream, loss, gradient, **options)
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
    arguments = ["--shapes", "1x24x20x1", "--dtypes", "float32"]
    status, made, _ = run(tmp_path, *arguments, kernels=kernels)
    assert status == 1
    failed = of_section(made, "bandwidth")
    assert [row.mode for row in failed] == ["loss+gradient", "forward"]
    for row in failed:
        assert row.median_ms is None and row.met == "no"
        assert f"gradops, {mode}, [" in row.note and reason in row.note


def test_a_peer_that_is_wrong_or_fails_has_a_row_with_the_reason(tmp_path, monkeypatch):
    (modules, build) = peers.PEERS["cupy slices"]

    def with_fault(fault):
        def make(buffers):
            (made,) = build(buffers)
            return [Provider(made.name, made.mode, fault(made.call), made.read, made.peak)]

        return modules, make

    def first_loss_wrong(call):
        def faulty(n):
            losses, gradient = call(n)
            return losses * np.float32([1.01, 1.0]), gradient

        return faulty

    def raises(call):
        def faulty(n):
            raise RuntimeError("out of\nsomething")

        return faulty

    arguments = ["--only", "peers", "--peers", "cupy slices", "--dtypes", "float32"]
    arguments += ["--shapes", QUICK[0]]
    for fault, reason in (
        (first_loss_wrong, "VerificationError: cupy slices: its losses are not those of gradops"),
        (raises, "RuntimeError: out of something"),
    ):
        monkeypatch.setitem(peers.PEERS, "cupy slices", with_fault(fault))
        status, made, _ = run(tmp_path, *arguments)
        times = of_section(made, "peers")
        assert status == 0 and times[0].provider == OURS and times[0].median_ms > 0
        assert [(row.provider, row.note, row.median_ms) for row in times[1:]] == [
            ("cupy slices", reason, None)
        ]


def test_the_fastest_variant_counts(monkeypatch):
    device = stand_in()
    occupier = timing.Occupier(device, (1, 4, 4, 1))
    settings = rows.Settings(device, occupier, [], [], [], [], 1, 0, 1, np.inf)
    variants = [Provider("v", "m", lambda n: n, np.asarray, lambda call: 0, i) for i in range(3)]
    samples = {"0": [3.0, 3.0], "1": [1.0, 1.0], "2": [2.0, 0.0]}
    monkeypatch.setattr(timing, "interleave", lambda *_: samples)
    assert comparison._fastest(settings, variants) is variants[1]
    assert comparison._fastest(settings, variants[:1]) is variants[0]


def test_without_time_nothing_is_begun(tmp_path):
    status, made, _ = run(tmp_path, "--seconds", "-1")
    assert status == 1 and made
    assert {row.note for row in made} == {"TimeoutError: no time was left (--seconds)"}


def test_a_replay_that_differs_is_found(monkeypatch):
    device = stand_in()
    with device.other_stream() as stream:
        problem, oracle = bandwidth.expected((1, 8, 8, 1))
        buffers = problems.make_buffers(device, problem, "float32", 0)
        call = bandwidth.check_ours(buffers, "loss+gradient", oracle).call
        overhead.check_replay(device, stream, buffers, lambda: call(0))
        monkeypatch.setattr(device, "capture", lambda stream, calls: lambda: call(1))
        with pytest.raises(verify.VerificationError, match="replay of a CUDA graph differs"):
            overhead.check_replay(device, stream, buffers, lambda: call(0))


class Timed:
    """A device whose calls take times that are known; its events hold them."""

    stream = 0

    def __init__(self):
        self.now, self.log = 0.0, []
        self.kernels = self

    def work(self, name, seconds):
        def call(n):
            self.log.append((name, n))
            self.now += seconds

        return call

    def triad(self, *_, stream):
        self.work("busy", 0.9e-4)(None)

    def empty(self, shape, dtype):
        return None

    def fill(self, array, byte):
        assert byte == 63

    def wait(self):
        pass

    def seconds(self):
        return self.now

    mark = seconds

    def between(self, start, stop):
        return stop - start


def test_calls_take_turns_on_a_busy_device():
    device = Timed()
    calls = {"slow": device.work("slow", 2.0), "fast": device.work("fast", 0.001)}
    samples = timing.interleave(device, timing.Occupier(device), calls, 8, seconds=1.0)
    assert samples["slow"] == pytest.approx([2.0] * 5)  # It has enough then.
    assert samples["fast"] == pytest.approx([0.001] * 8)
    called = [entry for entry in device.log if entry[0] != "busy"]
    assert [n for _, n in called] == list(range(len(called)))
    names = [name for name, _ in called]
    assert names[4:14] == ["slow", "fast"] * 5 and names[14:] == ["fast"] * 3
    # Before each sample other work, for twice as long as the host enqueues, within bounds.
    text = "".join({"busy": "b", "slow": "s", "fast": "f"}[name] for name, _ in device.log)
    runs = text[4 + 5 :].replace("s", "|").replace("f", "|").split("|")[:-1]
    assert [len(run) for run in runs] == [223, 23] * 5 + [23] * 3


def test_buffers_rotate_through_the_working_set():
    problem = problems.checked_problem(2)
    for dtype in problems.DTYPES:
        buffers = problems.make_buffers(stand_in(), problem, dtype, 200_000)
        assert len(buffers.sets) == -(-200_000 // (3 * buffers.nbytes)) >= 2
        for index, (y_true, y_pred, gradient) in enumerate(buffers.sets):
            for image, wanted in ((y_true, problem.y_true), (y_pred, problem.y_pred)):
                flat = problems.decode(np.asarray(image), dtype).reshape(-1)
                np.testing.assert_array_equal(np.roll(flat, -index * 41 * 2), wanted.reshape(-1))
            assert np.isnan(problems.decode(np.asarray(gradient), dtype)).all()
        assert buffers.factors == pytest.approx(np.asarray(buffers.upstream))
    assert problems.make_buffers(stand_in(), problem, "float16", 0).scale == 32768


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("dtype", problems.DTYPES)
@pytest.mark.parametrize("name", PEERS[:3])
def test_formulas_of_pytorch(name, dtype):
    for shape in ((1, 2, 2, 1), (2, 5, 3, 4), (3, 37, 41, 3)):
        check_peer(peers.build(name, buffers_of(shape, dtype))[0], shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_formula_of_cupy(dtype):
    for shape in ((1, 2, 2, 1), (2, 5, 3, 4), (3, 37, 41, 3)):
        check_peer(peers.build("cupy slices", buffers_of(shape, dtype))[0], shape, dtype)


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


TRITON = """
import sys
sys.path += [sys.argv[1], sys.argv[2]]
import test_benchmarks_gpu as t
from benchmarks.gpu.triton_peer import Config, with_config
for shape in ((1, 2, 2, 1), (2, 9, 13, 3), (1, 6, 5, 20)):
    for dtype in t.problems.DTYPES:
        t.check_peer(with_config(t.buffers_of(shape, dtype), Config(16, 4, 1, 2)), shape, dtype)
print("checked")
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_the_triton_kernel_by_its_interpreter():
    made = subprocess.run(
        [sys.executable, "-c", TRITON, ROOT / "tests", ROOT],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"},
    )
    assert made.stdout.endswith("checked\n"), made.stderr


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


def test_what_fails_is_a_note():
    def wait():
        while True:
            pass

    assert rows.attempt("a", lambda: 3) == (3, "")
    assert rows.attempt("b", lambda: 1 / 0) == (None, "ZeroDivisionError: division by zero")
    assert rows.attempt("c", wait, 1) == (None, "TimeoutError: took longer than 1 s")


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
