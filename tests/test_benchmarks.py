"""The benchmark harness: a quick run of all sections, and what it prints, writes and draws."""

from __future__ import annotations

import csv
import importlib.util
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
from benchmarks import (  # noqa: E402
    chart,
    report,
    summary,
)

COLUMNS = [
    "section",
    "provider",
    "mode",
    "shape",
    "dtype",
    "options",
    "median_ms",
    "p20_ms",
    "p80_ms",
    "gb_per_s",
    "ratio_to_yardstick",
    "yardstick",
    "peak_extra_mib",
    "beyond_outputs_kib",
    "floor",
    "aim",
    "note",
    "met",
]
MODES = ("forward", "loss+gradient", "training step")
STEP_PROVIDERS = ("op-eager", "op-function", "op-xla", "tf-eager", "tf-function", "tf-xla")
SUBTRACT = "tf.function(p - t)"
PLAIN = "sobel/component/l1"


def read_csv(path):
    """(comment lines, column names, rows)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    table = csv.DictReader(io.StringIO("\n".join(lines[len(comments) :])))
    rows = list(table)
    return comments, table.fieldnames, rows


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    path, image = folder / "folder" / "quick.csv", folder / "images" / "chart.png"
    arguments = [sys.executable, "-m", "benchmarks", "--quick", "--csv", path, "--chart", image]
    finished = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout, *read_csv(path), image


@pytest.fixture
def rows(quick_run):
    return quick_run[3]


def of_section(rows, section):
    return [row for row in rows if row["section"] == section and row["provider"] != "yardstick"]


def test_csv_schema(quick_run):
    _, comments, columns, rows, _ = quick_run
    assert columns == COLUMNS
    keys = [line[2:].split(": ")[0] for line in comments]
    about = ["date", "cpu", "threads", "cpu_target", "tensorflow", "gradops", "commit", "peers"]
    assert keys == about
    assert all(None not in row and None not in row.values() for row in rows)
    assert {row["section"] for row in rows} == set(command.SECTIONS) - {"peers"}


def test_figures_are_consistent(rows):
    medians = {}
    for row in rows:
        name = row["mode"]
        if row["provider"] != "yardstick":
            name = f"{row['provider']} {name}, {row['dtype']} {row['options']}"
        medians[row["section"], row["shape"], name] = row["median_ms"]
    for row in rows:
        if row["section"] == "memory":
            continue
        median = float(row["median_ms"])
        assert 0 < float(row["p20_ms"]) <= median <= float(row["p80_ms"])
        if not row["yardstick"]:
            assert row["ratio_to_yardstick"] == row["floor"] == row["met"] == ""
            continue
        against = float(medians[row["section"], row["shape"], row["yardstick"]])
        assert float(row["ratio_to_yardstick"]) == pytest.approx(median / against, rel=1e-4)
        itemsize = tf.as_dtype(row["dtype"]).size
        image = itemsize * np.prod([int(size) for size in row["shape"].split("x")])
        traffic = (2 if row["mode"] == "forward" else 3) * image
        assert float(row["gb_per_s"]) == pytest.approx(traffic / median / 1e6, rel=1e-4)


def test_floors_are_judged(quick_run):
    rows = quick_run[3]
    judged = [row for row in rows if row["floor"]]
    for row in judged:
        measured = float(row["ratio_to_yardstick"] or row["beyond_outputs_kib"])
        reached = row["aim"] and measured <= float(row["aim"])
        kept = measured <= float(row["floor"])
        assert row["met"] == ("aim" if reached else "yes" if kept else "no")
    met = sum(row["met"] != "no" for row in judged)
    assert f"floors: {met} of {len(judged)} met" in quick_run[0]


def test_the_kernel_is_held_against_memory(rows):
    for row in of_section(rows, "kernels"):
        is_forward = row["mode"] == "forward"
        sticks = {"read floor"} if is_forward else {"triad plain", "triad streaming"}
        assert row["yardstick"] in sticks
        assert row["floor"] == "1.4"


def test_every_provider_and_mode_takes_steps(rows):
    members = of_section(rows, "steps")
    shapes = {row["shape"] for row in members}
    assert shapes == {"2x32x32x3", "1x24x20x1"}
    against = {(r["shape"], r["provider"], r["mode"], r["yardstick"]) for r in members}
    for shape in shapes:
        for provider in STEP_PROVIDERS:
            assert {(shape, provider, mode, SUBTRACT) for mode in MODES} <= against
            fused = f"op-function training step, float32 {PLAIN}"
            compared = (shape, provider, "training step", fused) in against
            assert compared == (provider.startswith("tf-") or provider == "op-xla")
    floors = {(r["provider"], r["mode"]) for r in members if r["floor"]}
    assert floors == {("op-function", "training step")}


def test_upstream_gradients_and_dtypes(rows):
    modes = {row["mode"] for row in of_section(rows, "upstream") if row["floor"] == "1.8"}
    words = ("loss x 0.1", "sample weights", "loss x 32768")
    assert modes == {f"training step, {what}" for what in words}
    floors = {(r["dtype"], r["mode"] == "forward"): r["floor"] for r in of_section(rows, "dtypes")}
    narrow = {
        (t, forward): "0.75" if forward else "0.95"
        for t in ("bfloat16", "float16")
        for forward in (True, False)
    }
    wide = {("float64", forward): "2.2" for forward in (True, False)}
    assert floors == narrow | wide | {("float32", forward): "" for forward in (True, False)}


def test_every_option_is_in_the_family(rows):
    members = of_section(rows, "family")
    table = gradops.reference
    words = [*table.STENCILS, *table.RESPONSES, *table.PENALTIES]
    for mode in ("forward", "loss+gradient"):
        judged = [row["options"] for row in members if row["mode"] == mode and row["floor"]]
        # All words but the plain one's three; power with two exponents.
        assert len(judged) == len(set(judged)) == len(words) - 3 + 1
        assert {word for text in judged for word in text.split()[0].split("/")} == set(words)
    worst = [row for row in of_section(rows, "product") if row["floor"]]
    assert [row["mode"] for row in worst] == ["loss+gradient", "forward"]


def test_maps_and_small_steps(rows):
    maps = [row["options"] for row in of_section(rows, "maps") if row["floor"] == "1.6"]
    assert set(maps) == {f"{PLAIN} {what}" for what in ("mask", "weights", "weights mask")}
    small = {(r["mode"], r["yardstick"], r["floor"]) for r in of_section(rows, "small")}
    assert small == {
        ("training step, function", "tape+tf.negative", "2"),
        ("training step", "identity keras loss", "1.5"),
    }


def test_memory_has_a_limit_for_gradops_alone(rows):
    for row in of_section(rows, "memory"):
        assert row["beyond_outputs_kib"] == "n/a" or float(row["beyond_outputs_kib"]) >= 0
        assert float(row["floor"]) >= 256


def test_the_chart_is_drawn(quick_run):
    image = quick_run[4]
    if importlib.util.find_spec("matplotlib") is None:
        assert "No chart" in quick_run[0]
    else:
        assert image.read_bytes().startswith(b"\x89PNG")


def test_output_ends_with_the_headline(quick_run):
    lines = quick_run[0].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Training step in a tf.fun"))
    assert lines[start + 1].startswith("Ratio to tf.function(p - t)")
    for name in ("tf-function", "tf-eager", "tf-xla"):
        assert name in lines[start + 2]


def test_a_chart_of_many_lines(tmp_path):
    """Names at the lines' ends keep apart."""
    pytest.importorskip("matplotlib")
    rows = [
        report.Row("chart", f"p{i}", "training step", (1, side, side, 3), "float32", PLAIN, median)
        for i, median in enumerate((1.0, 1.01, 1.02, 1.03, 40.0))
        for side in (16, 32)
    ]
    path = tmp_path / "chart.png"
    chart.draw(rows, {"cpu": "a CPU", "threads": "2"}, path)
    assert path.stat().st_size > 1000


def test_sections_penalties_and_shapes_can_be_chosen(tmp_path, capsys):
    path = tmp_path / "results.csv"
    arguments = ["--quick", "--only", "kernels,steps", "--providers", "op-eager", "--penalties"]
    arguments += ["l2", "--shapes", "1x7x9x2", "--dtypes", "float64", "--csv", str(path)]
    assert command.main(arguments) == 0
    rows = read_csv(path)[2]
    cases_of_rows = {(row["shape"], row["dtype"], row["options"]) for row in rows}
    assert cases_of_rows == {("1x7x9x2", "float64", "sobel/component/l2")}
    assert {row["provider"] for row in rows} == {"kernel", "op-eager", "yardstick"}
    assert not any(row["floor"] for row in rows)  # They are float32 l1's.


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "kernel"],
        ["--shapes", "16x512x512"],
        ["--shapes", "1x1x8x3"],
        ["--shapes", "a"],
        ["--dtypes", "float16"],
        ["--penalties", "l3"],
        ["--providers", "op-eager,torch"],
        ["--rounds", "0"],
        ["--slow-rounds", "0"],
    ],
)
def test_bad_arguments_are_named(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code != 0
    assert arguments[0] in f"{stopped.value} {capsys.readouterr().err}"


def test_readme_shows_the_results():
    rows, about = report.read_csv(summary.CSV)
    page = summary.PAGE.read_text(encoding="utf-8")
    assert f"{summary.BEGIN}\n{summary.table(rows)}\n{summary.END}" in page
    subtraction = summary.subtraction(rows)
    assert f"takes {summary.number(subtraction.median_ms)} ms" in page
    assert about["cpu"] in page and f"{about['threads']} cores" in page


def test_csv_is_read_as_it_was_written(tmp_path):
    rows, about = report.read_csv(summary.CSV)
    report.write_csv(tmp_path / "again.csv", rows, about)
    assert report.read_csv(tmp_path / "again.csv") == (rows, about)
