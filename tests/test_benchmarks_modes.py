"""The benchmark of TensorFlow's modes: its rows, its checks, and that no row stops another."""

import os
import subprocess
import sys

import pytest

tf = pytest.importorskip("tensorflow")
gradops = pytest.importorskip("gradops")

from bench_tools import ROOT, check_figures  # noqa: E402

from benchmarks import report  # noqa: E402
from benchmarks.cases import Settings  # noqa: E402
from benchmarks.tf import devices, every_mode, isolated  # noqa: E402
from benchmarks.tf.every_mode import GRADOPS, SLICES  # noqa: E402


@pytest.mark.extended
@pytest.mark.parametrize("section, shape", [("modes", "2x16x12x3"), ("terms", "1x32x32x3")])
def test_a_run_of_all_modes_and_one_of_all_terms(section, shape, tmp_path):
    """On the smallest of images, with the small checks of modes in another process."""
    path = tmp_path / "made.csv"
    arguments = ["--device", "CPU:0", "--only", section, "--shapes", shape, "--rounds", "1"]
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--isolate", "--csv", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    rows, about = report.read_csv(path)
    assert (about["device"], about["tensorflow"]) == ("CPU:0", tf.__version__)
    assert "'cpu_targets'" in about["build"]
    if section == "modes":
        names = every_mode.names(every_mode.MODES)
        assert [(row.provider, row.mode) for row in rows] == names and len(rows) == 16
    else:
        assert len(rows) == 8
    check_figures(rows)
    for row in rows:
        assert bool(row.baseline) == (row.provider not in (GRADOPS, "gradients, one scale"))


def be_wrong(monkeypatch, factor):
    """Slices, whose losses are multiplied."""

    def gradient_loss(*images, **_options):
        return factor * every_mode.sobel_l1(*images)

    monkeypatch.setattr(every_mode._LIBRARIES[SLICES], "gradient_loss", gradient_loss)


@pytest.mark.extended
@pytest.mark.parametrize("mode", ["eager", "xla", "fit"])
def test_what_is_wrong_is_named_and_the_others_are_checked(mode, monkeypatch, capsys):
    be_wrong(monkeypatch, 1.001)
    isolated.check_here(devices.TensorFlow("CPU:0"), [(SLICES, mode), (GRADOPS, mode)])
    said = [line for line in capsys.readouterr().out.splitlines() if "check done: " in line]
    assert "done: VerificationError: slices" in said[0] and said[1].endswith("done: ok")


def rows_of(device, modes, shape):
    settings = Settings(device, [shape], modes, ["float32"], ["l1"], rounds=1, slow_rounds=1)
    (rows,) = every_mode.modes(settings)
    return {(row.provider, row.mode): row for row in rows}


def test_a_row_that_fails_stops_no_other(monkeypatch):
    device = devices.TensorFlow("CPU:0", isolate=True)
    said = {GRADOPS: isolated.OK, SLICES: "its process ended"}
    monkeypatch.setattr(
        isolated, "check_all", lambda names, _: {name: said.get(name[0], "ok") for name in names}
    )
    builder, calls = every_mode.PROVIDERS[every_mode.SOBEL_EDGES]["eager"], iter(range(2))

    def build(problem):
        call = builder(problem)
        return lambda: next(calls) >= 0 and call()

    monkeypatch.setitem(every_mode.PROVIDERS[every_mode.SOBEL_EDGES], "eager", build)
    rows = rows_of(device, ["eager"], (1, 8, 8, 3))
    assert rows[GRADOPS, "eager"].median_ms > 0
    # It was right, and failed when it was timed.
    assert rows[every_mode.SOBEL_EDGES, "eager"].note == "StopIteration:"
    assert rows[SLICES, "eager"].note == "its process ended"
    assert rows[SLICES, "eager"].median_ms is None


def test_checks_elsewhere_take_the_package_that_is_built(monkeypatch, tmp_path):
    """The first on their path, as in the folder of a build for a GPU; not that of the checkout."""
    (tmp_path / "gradops").mkdir()
    (tmp_path / "gradops" / "__init__.py").write_text('raise ImportError("as built")')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    said = isolated.check_all([(GRADOPS, "eager")], "CPU:0")
    assert said[GRADOPS, "eager"].endswith("ImportError: as built")
