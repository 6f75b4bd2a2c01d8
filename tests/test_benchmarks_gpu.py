"""The benchmark of the GPU on stand-ins: CuPy's on NumPy, the kernels' of the emulation."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from types import SimpleNamespace

import cupy_stand_in
import numpy as np
import pytest
from bench_tools import check_figures
from gpu_bench_tools import (
    HAS_TORCH,
    PEERS,
    QUICK,
    command,
    of_section,
    run,
    run_without_tensorflow,
    stand_in,
)

from benchmarks import one, report, summary, verify
from benchmarks.cuda import providers
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
