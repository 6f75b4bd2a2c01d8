"""The benchmark of TensorFlow's modes: its rows, its checks, and that no row stops another."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
gradops = pytest.importorskip("gradops")

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # Last, so that it brings `benchmarks` and no other gradops.

from benchmarks import tensorflow_checks as checks  # noqa: E402
from benchmarks import tensorflow_modes as modes  # noqa: E402
from benchmarks import tensorflow_steps as steps  # noqa: E402
from benchmarks.problems import make_problem  # noqa: E402
from gradops import reference  # noqa: E402

EAGER = [(steps.GRADOPS, "eager"), (steps.SLICES, "eager")]


@pytest.mark.extended
def test_a_run_of_all_modes(tmp_path):
    """On the smallest of images, with its small checks in another process."""
    path = tmp_path / "modes.csv"
    arguments = ["--device", "CPU:0", "--shapes", "2x16x12x3", "--rounds", "1", "--isolate"]
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.tensorflow_modes", *arguments, "--csv", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    said = finished.stdout
    assert "device: CPU:0" in said and f"tensorflow: {tf.__version__}" in said
    assert "'cpu_targets'" in said  # of gradops.build_info()
    rows = list(csv.DictReader(path.open()))
    names = [(p, m) for m in steps.MODES for p in steps.PROVIDERS if steps.builder(p, m)]
    assert [(row["provider"], row["mode"]) for row in rows] == names and len(rows) == 16
    ours = {row["mode"]: row for row in rows if row["provider"] == steps.GRADOPS}
    for row in rows:
        assert (row["status"], row["shape"], row["peak_mib"]) == ("ok", "2x16x12x3", "")
        median = float(row["median_ms"])
        assert 0 < float(row["p20_ms"]) <= median <= float(row["p80_ms"])
        ratio = median / float(ours[row["mode"]]["median_ms"])
        assert float(row["times_gradops"]) == pytest.approx(ratio)


@pytest.mark.extended
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_slices_are_the_loss(dtype):
    problem = make_problem((2, 7, 6, 2), dtype)
    found = steps.sobel_l1(*problem.tensors[:2])
    assert found.dtype == ("float64" if dtype == "float64" else "float32")
    expected = reference.gradient_loss(problem.y_true, problem.y_pred)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def scaled(factor):
    """A library that is wrong."""

    def gradient_loss(*images, **_options):
        return factor * steps.sobel_l1(*images)

    return gradient_loss


@pytest.mark.extended
@pytest.mark.parametrize("mode", ["eager", "xla", "fit"])
def test_what_is_wrong_is_named_and_the_others_are_checked(mode, monkeypatch, capsys):
    monkeypatch.setattr(steps._LIBRARIES[steps.SLICES], "gradient_loss", scaled(1.001))
    said = checks.small_checks([(steps.SLICES, mode), (steps.GRADOPS, mode)])
    wrong, right = said.values()
    assert wrong.startswith("wrong: VerificationError: slices") and right == checks.OK
    assert capsys.readouterr().out.count("small check done:") == 2


@pytest.mark.extended
def test_what_is_wrong_at_its_own_shape_alone_is_named(monkeypatch):
    """Of Keras as well, where the loss alone is looked at."""
    names = [(steps.SLICES, mode) for mode in ("function", "mixed_float16")]
    said = checks.small_checks(names)
    assert set(said.values()) == {checks.OK}
    monkeypatch.setattr(steps._LIBRARIES[steps.SLICES], "gradient_loss", scaled(1.01))
    for row in modes.measure((2, 8, 8, 3), said, False, 1):
        assert row.status.startswith("wrong:") and row.median_ms is None


def test_a_row_that_fails_stops_no_other():
    said = {name: checks.OK for name in EAGER}
    said[EAGER[1]] = "failed: for a reason"
    said["no library", "eager"] = checks.OK
    ours, failed, unknown = modes.measure((1, 8, 8, 3), said, False, 2)
    assert ours.status == checks.OK and ours.median_ms > 0 and ours.times_gradops == 1
    assert failed.status == "failed: for a reason" and failed.median_ms is None
    assert unknown.status.startswith("failed: KeyError")
    text = modes.table([ours, failed, unknown])
    assert "1x8x8x3, eager, slices: failed: for a reason" in text and "n/a" in text


@pytest.mark.extended
def test_a_process_that_dies_takes_one_check_with_it(monkeypatch):
    names = [(provider, "xla") for provider in "abcd"]
    asked = []

    def run(left, device):
        asked.append(list(left))
        if len(asked) == 1:  # the first is checked, the second dies
            output = "small check of a|xla\nsmall check done: ok\nsmall check of b|xla\n"
            return "status -6", output, "warning\nF: no such symbol\n"
        if len(asked) == 2:
            output = "small check of c|xla\nsmall check done: wrong: 1\n"
            return "status 1", output, ""
        return "status 1", "", "no device"

    monkeypatch.setattr(checks, "_run", run)
    said = checks.small_checks_elsewhere(names, "GPU:0")
    assert list(said.values()) == [
        "ok",
        "failed: its process ended with status -6: F: no such symbol",
        "wrong: 1",
        "failed: its process ended with status 1: no device",
    ]
    assert asked == [names, names[2:], names[3:]]
