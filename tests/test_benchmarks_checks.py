"""The benchmark harness: its refusal to time wrong results, its rounds, its memory figures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow")
gradops = pytest.importorskip("gradops")

from bench_tools import ROOT  # noqa: E402

from benchmarks import __main__ as command  # noqa: E402
from benchmarks import device, problems, verify  # noqa: E402
from benchmarks.tf import memory, peers, providers  # noqa: E402
from benchmarks.tf.devices import Cpu  # noqa: E402


def is_timed_shape(problem):
    return problem.shape[:3] != (2, 37, 41)


def nan_in_gradient(problem, loss, gradient):
    gradient = np.array(gradient)
    gradient[-1, -1, -1, -1] = np.nan
    return loss, gradient


def wrong_in_last_row_at_timed_shape(problem, loss, gradient):
    gradient = np.array(gradient)
    if is_timed_shape(problem):
        gradient[-1, -1, 0, 0] += 1e-3
    return loss, gradient


def one_example_wrong_at_timed_shape(problem, loss, gradient):
    loss = np.array(loss)
    if is_timed_shape(problem):
        loss.flat[-1] *= 1.01
    return loss, gradient


@pytest.mark.parametrize(
    "section, provider",
    [("kernels", "kernel"), pytest.param("steps", "op-function", marks=pytest.mark.extended)],
)
@pytest.mark.parametrize(
    "fault",
    [
        nan_in_gradient,
        wrong_in_last_row_at_timed_shape,
        one_example_wrong_at_timed_shape,
    ],
)
def test_wrong_results_are_not_timed(section, provider, fault, monkeypatch, tmp_path, capsys):
    builder = providers.PROVIDERS[provider]["loss+gradient"]

    def faulty(problem):
        call = builder(problem)
        return lambda: fault(problem, *call())

    def interleave(*arguments):
        pytest.fail("timed something although a result is wrong")

    monkeypatch.setitem(providers.PROVIDERS[provider], "loss+gradient", faulty)
    monkeypatch.setattr(Cpu, "interleave", interleave)
    path = tmp_path / "results.csv"
    arguments = ["--quick", "--only", section, "--providers", "op-function", "--csv", str(path)]
    assert command.main(arguments) == 1
    assert f"benchmarks: {provider}, loss+gradient, " in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.extended
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "options, maps",
    [
        ({}, {}),
        ({"response": "magnitude", "border": "valid"}, {}),
        ({"stencil": "forward", "penalty": "power", "alpha": 4.0}, {"weights": True}),
        ({"response": "absolute"}, {"weights": True, "mask": True}),
    ],
)
def test_oracle_windows_agree_with_the_whole_gradient(options, maps, whole):
    problem = problems.make_problem((3, 40, 50, 2), "float64", options, **maps)
    arguments = {**problem.options, **problem.maps}
    images = problem.y_true, problem.y_pred
    _, gradient = gradops.reference.loss_gradients(*images, np.full(3, 1 / 3), **arguments)
    losses = gradops.reference.gradient_loss(*images, **arguments)
    oracle = verify.Oracle(problem, whole)
    oracle.check("oracle", "loss+gradient", (losses, gradient))
    with pytest.raises(verify.VerificationError, match=r"oracle, loss\+gradient"):
        oracle.check("oracle", "loss+gradient", (losses * 1.001, gradient))
    gradient[-1, -1, -1, -1] += 1e-6
    with pytest.raises(verify.VerificationError, match="gradient differs"):
        oracle.check("oracle", "loss+gradient", (losses, gradient))


@pytest.mark.extended
@pytest.mark.parametrize("mode", ["training step, loss x 0.1", "training step, sample weights"])
def test_the_upstream_gradient_of_a_mode_is_checked(mode):
    problem = problems.make_problem((3, 16, 16, 1))
    oracle = verify.Oracle(problem)
    plain = providers.PROVIDERS["op-function"]["training step"](problem)
    oracle.check("op-function", "training step", plain())
    with pytest.raises(verify.VerificationError):
        oracle.check("op-function", mode, plain())


@pytest.mark.extended
def test_peers_are_verified_and_timed():
    if not peers.available():
        pytest.skip("no peer is installed")
    arguments = [sys.executable, "-m", "benchmarks", "--quick", "--only", "peers"]
    finished = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert all(f"\n{peer} " in finished.stdout for peer in peers.available())


class Clock:
    """Time that passes only in the calls made with it."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def perf_counter(self):
        return self.now

    def call(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds

        return run


def test_rounds_are_interleaved_and_slow_calls_end_early(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(device, "time", clock)
    calls = {"slow": clock.call("slow", 2.0), "fast": clock.call("fast", 0.1)}
    samples = device.Device().interleave(calls, rounds=4, slow_rounds=2)
    untimed_and_timed = ["fast"] * 2
    assert clock.calls == ["slow", "fast", "slow", *untimed_and_timed * 4]
    assert samples["slow"] == pytest.approx([2.0] * 2)
    assert samples["fast"] == pytest.approx([0.1] * 4)


@pytest.mark.extended
def test_memory_of_a_call_beyond_its_inputs():
    shape = (8, 512, 512, 1)
    image = 4 * np.prod(shape)
    names = ("kernel", "op-function", "tf-function")
    jobs = [memory.Job(name, "loss+gradient", shape) for name in names]
    peaks = memory.peaks_in_subprocesses(jobs)
    if None in peaks.values():
        pytest.skip("this system does not report peak memory")
    kernel, op, composition = (peaks[job] for job in jobs)
    assert kernel < image / 2
    assert 0.9 * image < op < 1.5 * image
    assert composition > 2 * image
