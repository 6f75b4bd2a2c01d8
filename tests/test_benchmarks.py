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
from benchmarks import report, summary  # noqa: E402
from benchmarks.tf import providers, sections  # noqa: E402
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
