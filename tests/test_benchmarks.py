"""The benchmarks of the CPU: what they print, write and draw, and what they refuse to time."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import subprocess
import sys

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
gradops = pytest.importorskip("gradops")

from bench_tools import ROOT, check_figures  # noqa: E402

from benchmarks import __main__ as command  # noqa: E402
from benchmarks import device, problems, report, summary, verify  # noqa: E402
from benchmarks.tf import memory, peers, providers, sections  # noqa: E402
from benchmarks.tf.devices import Cpu  # noqa: E402

MODES = ("forward", "loss+gradient", "training step")
STEP_PROVIDERS = ("op-eager", "op-function", "op-xla", "tf-eager", "tf-function", "tf-xla")
SHAPES = ((2, 32, 32, 3), (1, 24, 20, 1))


@pytest.mark.extended
def test_a_quick_run_of_all_sections(tmp_path):
    path, image = tmp_path / "folder" / "quick.csv", tmp_path / "images" / "chart.png"
    arguments = [sys.executable, "-m", "benchmarks", "--quick", "--csv", path, "--chart", image]
    finished = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    rows, about = report.read_csv(path)
    assert next(iter(about)) == "date"
    assert {row.section for row in rows} == set(sections.SECTIONS) - {"peers"}
    check_figures(rows)
    judged = [row for row in rows if row.floor]
    met = sum(row.met != "no" for row in judged)
    assert f"floors: {met} of {len(judged)} met" in finished.stdout
    if importlib.util.find_spec("matplotlib") is None:
        assert "No chart" in finished.stdout
    else:
        assert image.read_bytes().startswith(b"\x89PNG")
    steps = {(row.shape, row.provider, row.mode) for row in rows if row.section == "steps"}
    assert steps >= set(itertools.product(SHAPES, STEP_PROVIDERS, MODES))
    table = gradops.reference
    family = [row.options for row in rows if row.section == "family" and row.floor]
    words = {word for text in family for word in text.split()[0].split("/")}
    assert words == {*table.STENCILS, *table.RESPONSES, *table.PENALTIES}


def test_sections_penalties_and_shapes_can_be_chosen(tmp_path):
    path = tmp_path / "results.csv"
    arguments = ["--quick", "--only", "kernels,steps", "--providers", "op-eager", "--penalties"]
    arguments += ["l2", "--shapes", "1x7x9x2", "--dtypes", "float64", "--csv", str(path)]
    assert command.main(arguments) == 0
    rows, _ = report.read_csv(path)
    cases_of_rows = {(row.shape, row.dtype, row.options) for row in rows}
    assert cases_of_rows == {((1, 7, 9, 2), "float64", "sobel/component/l2")}
    assert {row.provider for row in rows} == {"kernel", "op-eager", "baseline"}
    assert not any(row.floor for row in rows)  # They are float32 l1's.


@pytest.mark.extended
def test_learned_weights_are_compared_with_constant_ones_and_tensorflow(tmp_path):
    path = tmp_path / "results.csv"
    arguments = ["--quick", "--only", "learned", "--shapes", "1x7x9x2", "--csv", str(path)]
    assert command.main(arguments) == 0
    rows, _ = report.read_csv(path)
    check_figures(rows)
    judged = {(row.options, row.baseline.split()[0]): row.floor for row in rows if row.floor}
    maps = [
        f"sobel/component/l1 normalizer={normalizer} weights{kind}"
        for normalizer in ("residuals", "pixel_count")
        for kind in ("", " per channel")
    ]
    floors = {"op-function": 1.5, "tf-function": pytest.approx(1 / 15, rel=1e-5)}
    assert judged == {(options, peer): floors[peer] for options in maps for peer in floors}


@pytest.mark.parametrize("part", [0, 1])
def test_steps_with_wrong_gradients_are_not_timed(part, monkeypatch, capsys):
    builder = providers.PROVIDERS["op-function"]["training step, learned weights"]

    def faulty(problem):
        loss, gradients = builder(problem)()
        gradients = list(gradients)
        gradients[part] *= 1 + 1e-6
        return lambda: (loss, gradients)

    monkeypatch.setitem(
        providers.PROVIDERS["op-function"], "training step, learned weights", faulty
    )
    assert command.main(["--quick", "--only", "learned"]) == 1
    name = "gradient by weights" if part else "gradient"
    assert f"weights: {name} differs from gradops.reference" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--only", "kernel"], ["--shapes", "1x1x8x3"], ["--penalties", "l3"], ["--rounds", "0"]],
)
def test_bad_arguments_are_named(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code != 0
    assert arguments[0] in f"{stopped.value} {capsys.readouterr().err}"


def test_readme_shows_the_results(tmp_path):
    """Which are read as they were written."""
    table = summary.TABLES["cpu"]
    rows, about = report.read_csv(table.csv)
    report.write_csv(tmp_path / "again.csv", rows, about)
    assert report.read_csv(tmp_path / "again.csv") == (rows, about)
    page = summary.PAGE.read_text(encoding="utf-8")
    assert f"{table.begin}\n{summary.markdown(rows, table)}\n{summary.END}" in page
    table = dataclasses.replace(table, mode="tf.function(p - t)")
    subtraction = summary.find(rows, table, "steps", "baseline")
    assert f"takes {summary.number(subtraction.median_ms)} ms" in page
    assert about["cpu"] in page and f"{about['threads']} cores" in page


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
