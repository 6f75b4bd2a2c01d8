"""The benchmark harness: its output, its refusal to time wrong results, and its timing rounds."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
gradops = pytest.importorskip("gradops")

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # Last, so that it brings `benchmarks` and no other gradops.

from benchmarks import __main__ as command  # noqa: E402
from benchmarks import memory, providers, timing, verify  # noqa: E402

COLUMNS = [
    "provider",
    "mode",
    "shape",
    "dtype",
    "penalty",
    "median_ms",
    "p20_ms",
    "p80_ms",
    "gb_per_s",
    "ratio_to_yardstick",
    "yardstick",
    "peak_extra_mib",
]
MODES = ("forward", "loss+gradient", "training step")
TENSORFLOW_PROVIDERS = ("op-eager", "op-function", "tf-eager", "tf-function", "tf-xla")
JOBS = {(provider, mode) for provider in TENSORFLOW_PROVIDERS for mode in MODES}
JOBS |= {("kernel", "forward"), ("kernel", "loss+gradient")}
KERNEL_YARDSTICKS = {"read floor", "triad plain", "triad streaming"}
STEP_YARDSTICKS = {"tape+tf.negative", "identity keras loss"}


def read_csv(path):
    """(comment lines, column names, rows)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    table = csv.DictReader(io.StringIO("\n".join(lines[len(comments) :])))
    rows = list(table)
    return comments, table.fieldnames, rows


def case_of(row):
    return row["shape"], row["dtype"], row["penalty"]


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmarks") / "folder" / "quick.csv"
    arguments = [sys.executable, "-m", "benchmarks", "--quick", "--csv", str(path)]
    finished = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout, *read_csv(path)


def test_csv_schema(quick_run):
    _, comments, columns, rows = quick_run
    assert columns == COLUMNS
    keys = [line[2:].split(": ")[0] for line in comments]
    assert keys == ["date", "cpu", "threads", "cpu_target", "tensorflow", "gradops", "commit"]
    assert all(None not in row and None not in row.values() for row in rows)
    assert {row["dtype"] for row in rows} == {"float32", "float64"}


def test_every_provider_and_mode_is_in_every_small_case(quick_run):
    rows = quick_run[3]
    cases = {case_of(row) for row in rows}
    assert len(cases) == 3
    for case in cases:
        members = [row for row in rows if case_of(row) == case]
        found = {(r["provider"], r["mode"]) for r in members if r["provider"] != "yardstick"}
        assert found == JOBS
        yardsticks = {row["mode"] for row in members if row["provider"] == "yardstick"}
        assert yardsticks == KERNEL_YARDSTICKS | STEP_YARDSTICKS | {"tf.function(p - t)"}


def test_figures_are_consistent(quick_run):
    rows = quick_run[3]
    own = {
        (*case_of(row), row["mode"]): float(row["median_ms"])
        for row in rows
        if row["provider"] == "yardstick"
    }
    for row in rows:
        median = float(row["median_ms"])
        assert 0 < float(row["p20_ms"]) <= median <= float(row["p80_ms"])
        if row["provider"] == "yardstick":
            assert row["yardstick"] == row["ratio_to_yardstick"] == ""
            continue
        expected = median / own[(*case_of(row), row["yardstick"])]
        assert float(row["ratio_to_yardstick"]) == pytest.approx(expected, rel=1e-4)
        itemsize = {"float32": 4, "float64": 8}[row["dtype"]]
        image = itemsize * np.prod([int(size) for size in row["shape"].split("x")])
        traffic = (2 if row["mode"] == "forward" else 3) * image
        assert float(row["gb_per_s"]) == pytest.approx(traffic / median / 1e6, rel=1e-4)


def test_each_row_is_compared_with_its_yardstick(quick_run):
    for row in quick_run[3]:
        if row["provider"] == "kernel":
            reads = row["mode"] == "forward"
            triads = KERNEL_YARDSTICKS - {"read floor"}
            assert row["yardstick"] in ({"read floor"} if reads else triads)
        elif row["provider"] != "yardstick":
            is_step = (row["provider"], row["mode"]) == ("op-eager", "training step")
            allowed = {"tf.function(p - t)"} | (STEP_YARDSTICKS if is_step else set())
            assert row["yardstick"] in allowed


def test_table_ends_with_the_headline(quick_run):
    lines = quick_run[0].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Training step in a tf.fun"))
    assert lines[start + 1].startswith("Ratio to tf.function(p - t)")
    for name in ("tf.function", "eager", "XLA"):
        assert name in lines[start + 2]


def is_timed_shape(problem):
    return problem.y_pred.shape[:3] != (2, 37, 41)


def scaled_gradient(problem, loss, gradient):
    return loss, np.asarray(gradient) * 1.0001


def nan_in_gradient(problem, loss, gradient):
    gradient = np.array(gradient)
    gradient[-1, -1, -1, -1] = np.nan
    return loss, gradient


def wrong_in_last_row_at_timed_shape(problem, loss, gradient):
    gradient = np.array(gradient)
    if is_timed_shape(problem):
        gradient[-1, -1, 0, 0] += 1e-3
    return loss, gradient


def no_gradient(problem, loss, gradient):
    return loss, None


def scaled_loss(problem, loss, gradient):
    return loss * 1.0001, gradient


def one_example_wrong_at_timed_shape(problem, loss, gradient):
    loss = np.array(loss)
    if is_timed_shape(problem):
        loss.flat[-1] *= 1.01
    return loss, gradient


@pytest.mark.parametrize("provider", ["kernel", "op-function"])
@pytest.mark.parametrize(
    "fault",
    [
        scaled_gradient,
        nan_in_gradient,
        wrong_in_last_row_at_timed_shape,
        no_gradient,
        scaled_loss,
        one_example_wrong_at_timed_shape,
    ],
)
def test_wrong_results_are_not_timed(provider, fault, monkeypatch, tmp_path, capsys):
    builder = providers.PROVIDERS[provider]["loss+gradient"]

    def faulty(problem):
        call = builder(problem)
        return lambda: fault(problem, *call())

    def interleave(*arguments):
        pytest.fail("timed something although a result is wrong")

    monkeypatch.setitem(providers.PROVIDERS[provider], "loss+gradient", faulty)
    monkeypatch.setattr(timing, "interleave", interleave)
    path = tmp_path / "results.csv"
    arguments = ["--quick", "--providers", provider, "--csv", str(path)]
    assert command.main(arguments) == 1
    assert f"benchmarks: {provider}, loss+gradient, " in capsys.readouterr().err
    assert not path.exists()


def test_penalties_and_shapes_can_be_chosen(tmp_path, capsys):
    path = tmp_path / "results.csv"
    arguments = ["--quick", "--providers", "kernel,op-eager", "--penalties", "l2"]
    arguments += ["--shapes", "1x7x9x2", "--dtypes", "float64", "--csv", str(path)]
    assert command.main(arguments) == 0
    rows = read_csv(path)[2]
    assert {case_of(row) for row in rows} == {("1x7x9x2", "float64", "l2")}
    assert {row["provider"] for row in rows} == {"kernel", "op-eager", "yardstick"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--shapes", "16x512x512"],
        ["--shapes", "1x1x8x3"],
        ["--shapes", "a"],
        ["--dtypes", "float16"],
        ["--penalties", "l3"],
        ["--providers", "kernel,torch"],
        ["--rounds", "0"],
        ["--slow-rounds", "0"],
    ],
)
def test_bad_arguments_are_named(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code != 0
    assert arguments[0] in f"{stopped.value} {capsys.readouterr().err}"


def test_images_without_a_gradient_are_no_failure(capsys):
    arguments = ["--quick", "--providers", "kernel", "--shapes", "1x2x2x1", "--dtypes", "float32"]
    assert command.main(arguments) == 0


def test_oracle_windows_agree_with_the_whole_gradient():
    problem = providers.make_problem((3, 40, 50, 2), "float64", "l1")
    _, gradient = gradops.reference.loss_gradients(
        problem.y_true, problem.y_pred, np.full(3, 1 / 3)
    )
    losses = gradops.reference.gradient_loss(problem.y_true, problem.y_pred)
    verify.Oracle(problem).check("oracle", "loss+gradient", (losses.mean(), gradient))


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
    monkeypatch.setattr(timing, "time", clock)
    calls = {"slow": clock.call("slow", 2.0), "fast": clock.call("fast", 0.1)}
    samples = timing.interleave(calls, rounds=4, slow_rounds=2)
    untimed_and_timed = ["fast"] * 2
    assert clock.calls == ["slow", "fast", "slow", *untimed_and_timed * 4]
    assert samples["slow"] == pytest.approx([2.0] * 2)
    assert samples["fast"] == pytest.approx([0.1] * 4)


def test_short_calls_are_repeated(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    samples = timing.interleave({"short": clock.call("short", 1e-4)}, rounds=3, slow_rounds=1)
    assert samples["short"] == pytest.approx([1e-4] * 3)
    assert len(clock.calls) >= 3 * timing.SAMPLE_SECONDS / 1e-4 - 3


def test_memory_of_a_call_beyond_its_inputs():
    image = 8 * 512 * 512 * 4
    jobs = [("kernel", "loss+gradient"), ("op-function", "loss+gradient")]
    peaks = memory.peaks_in_subprocesses(jobs, ["--shapes", "8x512x512x1"])
    if None in peaks.values():
        pytest.skip("this system does not report peak memory")
    kernel, op = (peaks[job] for job in jobs)
    assert kernel < image / 2
    assert 0.9 * image < op < 1.5 * image
