"""The benchmark harness: a quick run of all sections, and what it prints, writes and draws."""

from __future__ import annotations

import csv
import importlib.util
import io
import itertools
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
from benchmarks import report, summary  # noqa: E402
from benchmarks.tf import sections  # noqa: E402

MODES = ("forward", "loss+gradient", "training step")
STEP_PROVIDERS = ("op-eager", "op-function", "op-xla", "tf-eager", "tf-function", "tf-xla")
SHAPES = ("2x32x32x3", "1x24x20x1")


def read_csv(path):
    """(comment lines, column names, rows)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    table = csv.DictReader(io.StringIO("\n".join(lines[len(comments) :])))
    rows = list(table)
    return comments, table.fieldnames, rows


@pytest.mark.extended
def test_a_quick_run_of_all_sections(tmp_path):
    path, image = tmp_path / "folder" / "quick.csv", tmp_path / "images" / "chart.png"
    arguments = [sys.executable, "-m", "benchmarks", "--quick", "--csv", path, "--chart", image]
    finished = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    comments, columns, rows = read_csv(path)
    assert "date" in comments[0] and columns[:3] == ["section", "provider", "mode"]
    assert all(None not in row and None not in row.values() for row in rows)
    assert {row["section"] for row in rows} == set(sections.SECTIONS) - {"peers"}
    check_figures(rows)
    judged = [row for row in rows if row["floor"]]
    met = sum(row["met"] != "no" for row in judged)
    assert f"floors: {met} of {len(judged)} met" in finished.stdout
    if importlib.util.find_spec("matplotlib") is None:
        assert "No chart" in finished.stdout
    else:
        assert image.read_bytes().startswith(b"\x89PNG")
    steps = {(r["shape"], r["provider"], r["mode"]) for r in rows if r["section"] == "steps"}
    for shape, provider, mode in itertools.product(SHAPES, STEP_PROVIDERS, MODES):
        assert (shape, provider, mode) in steps
    table = gradops.reference
    family = [row["options"] for row in rows if row["section"] == "family" and row["floor"]]
    words = {word for text in family for word in text.split()[0].split("/")}
    assert words == {*table.STENCILS, *table.RESPONSES, *table.PENALTIES}


def check_figures(rows):
    """Ratios, throughput and what is met follow from the times."""
    medians = {}
    for row in rows:
        name = row["mode"]
        if row["provider"] != "baseline":
            name = f"{row['provider']} {name}, {row['dtype']} {row['options']}"
        medians[row["section"], row["shape"], name] = row["median_ms"]
    for row in rows:
        if row["floor"]:
            measured = float(row["ratio_to_baseline"] or row["beyond_outputs_kib"])
            reached = row["aim"] and measured <= float(row["aim"])
            kept = measured <= float(row["floor"])
            assert row["met"] == ("aim" if reached else "yes" if kept else "no")
        if row["section"] == "memory" or not row["baseline"]:
            continue
        median = float(row["median_ms"])
        assert 0 < float(row["p20_ms"]) <= median <= float(row["p80_ms"])
        against = float(medians[row["section"], row["shape"], row["baseline"]])
        assert float(row["ratio_to_baseline"]) == pytest.approx(median / against, rel=1e-4)
        itemsize = tf.as_dtype(row["dtype"]).size
        image = itemsize * np.prod([int(size) for size in row["shape"].split("x")])
        traffic = (2 if row["mode"] == "forward" else 3) * image
        assert float(row["gb_per_s"]) == pytest.approx(traffic / median / 1e6, rel=1e-4)


def test_sections_penalties_and_shapes_can_be_chosen(tmp_path, capsys):
    path = tmp_path / "results.csv"
    arguments = ["--quick", "--only", "kernels,steps", "--providers", "op-eager", "--penalties"]
    arguments += ["l2", "--shapes", "1x7x9x2", "--dtypes", "float64", "--csv", str(path)]
    assert command.main(arguments) == 0
    rows = read_csv(path)[2]
    cases_of_rows = {(row["shape"], row["dtype"], row["options"]) for row in rows}
    assert cases_of_rows == {("1x7x9x2", "float64", "sobel/component/l2")}
    assert {row["provider"] for row in rows} == {"kernel", "op-eager", "baseline"}
    assert not any(row["floor"] for row in rows)  # They are float32 l1's.


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
    subtraction = summary.subtraction(rows)
    assert f"takes {summary.number(subtraction.median_ms)} ms" in page
    assert about["cpu"] in page and f"{about['threads']} cores" in page
