"""The benchmark of the GPU, on stand-ins: what it refuses to time, its rounds, its formulas."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import cupy_stand_in
import numpy as np
import pytest
from gpu_bench_tools import (
    HAS_TORCH,
    PEERS,
    QUICK,
    ROOT,
    buffers_of,
    check_peer,
    of_section,
    run,
    stand_in,
)

from benchmarks.gpu import peers, problems, timing
from benchmarks.gpu.providers import OURS, Provider


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
    arguments = ["--shapes", "1x24x20x1", "--dtypes", "float32"]
    status, made, _ = run(tmp_path, *arguments, kernels=kernels)
    assert status == 1
    failed = of_section(made, "bandwidth")
    assert [row.mode for row in failed] == ["loss+gradient", "forward"]
    for row in failed:
        assert row.median_ms is None and row.met == "no"
        assert f"gradops, {mode}, [" in row.note and reason in row.note


@pytest.mark.extended
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


@pytest.mark.extended
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


@pytest.mark.extended
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
@pytest.mark.extended
@pytest.mark.parametrize("dtype", problems.DTYPES)
@pytest.mark.parametrize("name", PEERS[:3])
def test_formulas_of_pytorch(name, dtype):
    for shape in ((1, 2, 2, 1), (2, 5, 3, 4), (3, 37, 41, 3)):
        check_peer(peers.build(name, buffers_of(shape, dtype))[0], shape, dtype)


@pytest.mark.extended
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_formula_of_cupy(dtype):
    for shape in ((1, 2, 2, 1), (2, 5, 3, 4), (3, 37, 41, 3)):
        check_peer(peers.build("cupy slices", buffers_of(shape, dtype))[0], shape, dtype)


TRITON = """
import sys
sys.path += [sys.argv[1], sys.argv[2]]
import gpu_bench_tools as t
from benchmarks.gpu.triton_peer import Config, with_config
for shape in ((1, 2, 2, 1), (2, 9, 13, 3), (1, 6, 5, 20)):
    for dtype in t.problems.DTYPES:
        t.check_peer(with_config(t.buffers_of(shape, dtype), Config(16, 4, 1, 2)), shape, dtype)
print("checked")
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.extended
def test_the_triton_kernel_by_its_interpreter():
    made = subprocess.run(
        [sys.executable, "-c", TRITON, ROOT / "tests", ROOT],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"},
    )
    assert made.stdout.endswith("checked\n"), made.stderr
