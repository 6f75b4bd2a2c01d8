"""The benchmark of the GPU on stand-ins: its rounds, its buffers, and the peers' formulas."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from gpu_bench_tools import HAS_TORCH, PEERS, check_peer, run_without_tensorflow, stand_in

from benchmarks.cuda import buffers, providers
from benchmarks.cuda.device import Cuda

needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")


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
