"""The benchmark of the GPU on stand-ins: CuPy's on NumPy, the kernels' of the emulation."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cupy_stand_in
import numpy as np
import pytest
from bench_tools import ROOT, check_figures

from benchmarks import __main__ as command
from benchmarks import one, report, summary, verify
from benchmarks.cuda import buffers, providers
from benchmarks.cuda.device import Cuda
from gradops import reference

QUICK = ["2x32x32x3", "1x24x20x1"]
# Without those that compile.
PEERS = ["torch conv2d", "torch conv2d channels_last", "torch slices", "cupy slices"]
HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")


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
    check_figures(made)
    noted = {row.provider for row in made if row.note}
    assert noted == ({"cupy slices"} if HAS_TORCH else set(PEERS))
    reasons = {row.note for row in made if row.provider == "cupy slices" and row.note}
    assert reasons == {"ValueError: CuPy has no arrays of bfloat16"}
    table = report.dataclasses.replace(summary.TABLES["cuda"], shape=(2, 32, 32, 3))
    lines = summary.markdown(made, table).split("\n")
    assert lines[2].startswith("| **gradops** | **") and lines[-1].startswith("| CuPy, slices |")
    if importlib.util.find_spec("matplotlib") is not None:
        assert (folder / "images" / "chart.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.extended
def test_bandwidth_is_held_against_ceilings(quick_run):
    made = of_section(quick_run[1], "bandwidth")
    ceilings = ["triad a - b", "read, sum |a - b|"]
    floors = {"float32": 0.9, "bfloat16": 0.85, "float16": 0.85}
    for shape, (dtype, floor) in itertools.product(QUICK, floors.items()):
        here = [row for row in made if report.format_shape(row.shape) == shape]
        group = [row for row in here if row.dtype == dtype]
        assert [row.mode for row in group] == ["loss+gradient", "forward", "copy", *ceilings]
        assert [row.baseline for row in group[:2]] == ceilings
        for row in group[:2]:
            assert (1 / row.floor, 1 / row.aim) == pytest.approx((floor, 0.95), rel=1e-4)


@pytest.mark.extended
def test_small_calls_are_held_against_an_empty_kernel(quick_run):
    made = of_section(quick_run[1], "small")
    for way, rows in (("host clock", made[:4]), ("graph", made[4:])):
        modes = ["forward", "loss+gradient", "an empty kernel", "an empty kernel by gradops"]
        assert [row.mode for row in rows] == [f"{mode}, {way}" for mode in modes]
        assert {row.baseline for row in rows[:2]} == {f"an empty kernel, {way}"}


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
import test_benchmarks_gpu as t
"""


def run_without_tensorflow(code, **environment):
    """What a process prints."""
    folders = [ROOT, ROOT / "tests", Path(cupy_stand_in.cuda_emulation.__file__).parent]
    arguments = [sys.executable, "-c", WITHOUT_TENSORFLOW + code, *map(str, folders)]
    environment = {**os.environ, **environment}
    made = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    assert made.returncode == 0, made.stderr
    return made.stdout


EVERY_SECTION = """
import benchmarks.summary, benchmarks.one
arguments = ["--device", "cuda", "--quick", "--shapes", "1x8x8x1", "--peers", "cupy slices"]
assert t.command.main(arguments, t.stand_in()) == 0
"""


@pytest.mark.extended
def test_nothing_imports_tensorflow():
    assert "bandwidth, [1, 8, 8, 1]" in run_without_tensorflow(EVERY_SECTION)


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


class Replayed(cupy_stand_in.Kernels):
    """Writes another loss at every other call."""

    factors = itertools.cycle([1, 1 + 2e-6])

    def loss(self, y_true, y_pred, loss, **options):
        super().loss(y_true, y_pred, loss, **options)
        cupy_stand_in.enqueue(lambda: loss.__imul__(np.float32(next(self.factors))))


def test_a_graph_whose_replay_differs_is_not_timed(tmp_path):
    status, made, _ = run(tmp_path, "--only", "small", kernels=Replayed())
    assert status == 1
    notes = {row.note for row in made if row.mode == "forward, graph"}
    differs = "VerificationError: the replay of a CUDA graph differs from the direct call"
    assert notes == {differs}


@pytest.mark.extended
def test_a_peer_that_is_wrong_or_fails_has_a_row_with_the_reason(tmp_path, monkeypatch):
    build = providers.PEERS["cupy slices"]

    def first_loss_wrong(call):
        losses, gradient = call()
        return (losses * np.float32([1.01, 1.0])).view(cupy_stand_in.Array), gradient

    def raises(call):
        raise RuntimeError("out of\nsomething")

    arguments = ["--only", "peers", "--peers", "cupy slices", "--dtypes", "float32"]
    arguments += ["--shapes", QUICK[0]]
    monkeypatch.setattr(verify, "check_small", lambda *_: None)
    for fault, reason in (
        (first_loss_wrong, "its losses are not those of gradops"),
        (raises, "RuntimeError: out of something"),
    ):

        def faulty(prepared, fault=fault):
            call = build(prepared)
            return lambda: fault(call)

        monkeypatch.setitem(providers.PROVIDERS["cupy slices"], "loss+gradient", faulty)
        status, made, _ = run(tmp_path, *arguments)
        ours, peer = of_section(made, "peers")
        assert status == 0 and ours.provider == "gradops" and ours.median_ms > 0
        assert peer.provider == "cupy slices" and peer.median_ms is None
        assert peer.note.endswith(reason)


class Timed(Cuda):
    """A device whose calls take times that are known; its events hold them."""

    stream, _block = 0, ()

    def __init__(self):
        self.now, self.log = 0.0, []
        self.kernels = self

    def work(self, name, seconds):
        def call():
            self.log.append(name)
            self.now += seconds

        return call

    def triad(self, *_, stream):
        self.work("busy", 0.9e-4)()

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


@pytest.mark.extended
def test_calls_take_turns_on_a_busy_device():
    device = Timed()
    calls = {"slow": device.work("slow", 2.0), "fast": device.work("fast", 0.001)}
    samples = device.interleave(calls, 8, slow_rounds=5)
    assert samples["slow"] == pytest.approx([2.0] * 5)  # It has enough then.
    assert samples["fast"] == pytest.approx([0.001] * 8)
    names = [name for name in device.log if name != "busy"]
    assert names[4:14] == ["slow", "fast"] * 5 and names[14:] == ["fast"] * 3
    # Before each sample other work, for twice as long as the host enqueues, within bounds.
    text = "".join({"busy": "b", "slow": "s", "fast": "f"}[name] for name in device.log)
    runs = text[4 + 5 :].replace("s", "|").replace("f", "|").split("|")[:-1]
    assert [len(run) for run in runs] == [223, 23] * 5 + [23] * 3


@pytest.mark.extended
def test_buffers_rotate_through_the_working_set():
    for dtype in buffers.DTYPES:
        problem = buffers.problem_of((2, 37, 41, 2), dtype)
        made = buffers.make_buffers(stand_in(), problem, 200_000)
        assert len(made.sets) == -(-200_000 // (3 * problem.nbytes)) >= 2
        for index, (y_true, y_pred, gradient) in enumerate(made.sets):
            for image, wanted in ((y_true, problem.y_true), (y_pred, problem.y_pred)):
                flat = buffers.decode(np.asarray(image)).reshape(-1)
                np.testing.assert_array_equal(np.roll(flat, -index * 41 * 2), wanted.reshape(-1))
            assert np.isnan(buffers.decode(np.asarray(gradient))).all()
        turns = [made.turn() for _ in range(len(made.sets) + 1)]
        assert turns == [*range(len(made.sets)), 0]
        scale = 32768 if dtype == "float16" else 1
        assert np.asarray(made.upstream) == pytest.approx([scale / 2] * 2)


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


FORMULAS = [pytest.param(name, marks=needs_torch) for name in PEERS[:3]] + PEERS[3:]


@pytest.mark.extended
@pytest.mark.parametrize("dtype", buffers.DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_of_peers(name, dtype):
    if (name, dtype) == ("cupy slices", "bfloat16"):
        pytest.skip("CuPy has no arrays of bfloat16")
    for shape in ((1, 2, 2, 1), (2, 5, 3, 4), (3, 37, 41, 3)):
        check_peer(providers.PEERS[name], shape, dtype)


TRITON = """
from benchmarks.cuda.triton_peer import Config, with_config
for shape in ((1, 2, 2, 1), (2, 9, 13, 3), (1, 6, 5, 20)):
    for dtype in t.buffers.DTYPES:
        t.check_peer(lambda made: with_config(made, Config(16, 4, 1, 2)), shape, dtype)
print("checked")
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.extended
def test_the_triton_kernel_by_its_interpreter():
    """Without TensorFlow, beside which some versions of Triton crash."""
    assert run_without_tensorflow(TRITON, TRITON_INTERPRET="1").endswith("checked\n")
