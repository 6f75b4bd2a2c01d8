"""The two jobs: their measurements, wrong options, and small runs of both."""

import gc
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradops import _measure, reference
from gradops.demo import arguments, image, training

TITLES = [
    "gradops, eager",
    "TensorFlow, eager",
    "gradops, tf.function",
    "TensorFlow, tf.function",
]
MEGABYTE = 10**6
TINY = ["--steps", "3", "--batch", "2", "--size", "32"]


def test_median_and_percentiles():
    assert _measure.median_and_percentiles([5.0, 1.0, 3.0, 2.0, 4.0, 6.0]) == (3.5, 2.0, 5.0)
    assert _measure.median_and_percentiles([7]) == (7.0, 7.0, 7.0)
    with pytest.raises(ValueError, match="samples"):
        _measure.median_and_percentiles([])


def require_memory(memory):
    if memory.extra_bytes is None:
        pytest.skip("this system does not report the peak resident memory")


def test_peak_memory_of_a_freed_block():
    with _measure.peak_extra_memory() as memory:
        require_memory(memory)
        before = memory.extra_bytes
        np.ones(50 * MEGABYTE, np.uint8)
    assert before < 5 * MEGABYTE
    assert 45 * MEGABYTE <= memory.extra_bytes < 60 * MEGABYTE
    after = memory.extra_bytes
    kept = np.ones(100 * MEGABYTE, np.uint8)
    assert memory.extra_bytes == after, kept


def test_peak_memory_forgets_earlier_peaks():
    np.ones(50 * MEGABYTE, np.uint8)
    with _measure.peak_extra_memory() as memory:
        require_memory(memory)
    assert memory.extra_bytes < 5 * MEGABYTE


@pytest.mark.skipif(sys.platform != "linux", reason="of the GNU C library")
def test_peak_memory_is_not_hidden_by_free_heap():
    def allocate():  # Small enough for the C library to keep after it is freed.
        blocks = [np.ones(50_000, np.uint8) for _ in range(1000)]
        last = np.ones(50_000, np.uint8)  # Keeps the top of the heap in use.
        del blocks
        return last

    top = allocate()
    gc.collect()
    with _measure.peak_extra_memory() as memory:
        require_memory(memory)
        allocate()
    assert memory.extra_bytes >= 45 * MEGABYTE, top


def test_peak_memory_where_not_supported(monkeypatch):
    monkeypatch.setattr(_measure, "_reset_peak", lambda: False)
    with _measure.peak_extra_memory() as memory:
        assert memory.extra_bytes is None
    assert memory.extra_bytes is None


@pytest.mark.parametrize("job", [training, image])
def test_missing_extra(job, monkeypatch, capsys):
    monkeypatch.setitem(arguments.EXTRAS, "no_such_module", "no-such-wheel")
    assert job.main([] if job is training else ["-", "out.png"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no-such-wheel" in error and 'pip install "gradops[demo]"' in error


@pytest.mark.parametrize(
    "job, argument",
    [
        (image, "--steps=0"),
        (image, "--size=15"),
        (image, "--tolerance=1"),
        (image, "--seed=-1"),
        (training, "--steps=0"),
        (training, "--size=30"),
        (training, "--size=33"),
        (training, "--gradient-weight=-1"),
        (training, "--gradient-weight=nan"),
        (training, "--batch=many"),
        (training, "--pixels=l3"),
    ],
)
def test_wrong_option(job, argument, capsys):
    with pytest.raises(SystemExit, match="2"):
        job.main([argument] if job is training else ["-", "out.png", argument])
    name, value = argument.split("=")
    error = capsys.readouterr().err
    assert name in error and value in error


def require_extras():
    for module in arguments.EXTRAS:
        pytest.importorskip(module)


@pytest.mark.parametrize(
    "source, output, named",
    [
        ("-", "none/picture.png", "OUT"),
        ("-", "picture.jpg", "OUT"),
        ("none.png", "picture.png", "IN"),
        ("text.png", "picture.png", "IN"),
        ("tiny.png", "picture.png", "IN"),
        ("https://example.invalid/picture.png", "picture.png", "IN"),  # no connection is opened
    ],
)
def test_wrong_files_of_optimize(source, output, named, tmp_path, capsys):
    require_extras()
    (tmp_path / "text.png").write_text("not an image")
    keras.utils.save_img(tmp_path / "tiny.png", np.zeros((4, 5, 3)), scale=False)
    path = source if source == "-" or ":" in source else str(tmp_path / source)
    assert image.main([path, str(tmp_path / output)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"error: {named}")


def test_wrong_output_of_the_training(tmp_path, capsys):
    require_extras()
    (tmp_path / "file").write_text("in the way")
    assert training.main(["--output", str(tmp_path / "file")]) == 1
    assert "--output" in capsys.readouterr().err


def run(*command):
    finished = subprocess.run(
        [sys.executable, "-m", "gradops", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert finished.returncode == 0, finished.stderr
    return finished


def check_picture(path):
    picture = pytest.importorskip("matplotlib.image").imread(path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    height, width = picture.shape[:2]
    assert width == 1600 and 800 <= height <= 1600
    assert picture[..., :3].std() > 0.1  # Not blank.


@pytest.mark.extended
def test_optimize(tmp_path):
    require_extras()
    source, output = tmp_path / "photo.png", tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 40, 3))
    keras.utils.save_img(source, pixels, scale=False)
    finished = run("optimize", source, output, "--size", 48, "--steps", 3)
    assert str(output) in finished.stdout
    assert "3/3" in finished.stderr  # The progress bar.
    check_picture(output)

    steps_table, _, loss_table = finished.stdout.partition("The Sobel loss and its gradient")
    final_losses = []
    for title in TITLES:
        (line,) = [line for line in steps_table.splitlines() if line.startswith(title)]
        taken, final_loss = line[len(title) :].split()[:2]
        assert taken == "3"
        final_losses.append(float(final_loss))
        assert title in loss_table
    np.testing.assert_allclose(final_losses, final_losses[0], rtol=1e-4)


def check_table(table):
    """The table of a tiny training: of every network, and the same loss by both libraries."""
    assert "3 steps of 2 depth maps, 32 x 32" in table
    for title in ("(measured)", "L2 alone", "L2 + gradients, gradops"):
        (line,) = [line for line in table.splitlines() if line.startswith(title + "  ")]
        f_score, gradient_error, rmse = map(float, line.split()[-3:])
        assert 0.1 < f_score < 0.9 and 0.1 < gradient_error < 3 and 0.05 < rmse < 1
    assert "L2 + gradients, TensorFlow" in table
    difference = re.search(r"in 3 steps, they differ by (\S+) at most", table)
    assert float(difference[1]) < 1e-4


def test_training_in_this_process(tmp_path):
    require_extras()
    from gradops.demo.training import measure, report

    options = training._parse(TINY)
    results, test = measure.train(options)
    memory = {name: 2**20 for name in measure.LIBRARIES}
    check_table(report.format_table(results, memory, test, options))
    report.write_picture(results, test, options, tmp_path / "depths.png")
    check_picture(tmp_path / "depths.png")


@pytest.mark.extended
def test_training(tmp_path):
    require_extras()
    output = tmp_path / "new" / "folder"
    finished = run("demo", *TINY, "--output", output)
    table = (output / "table.txt").read_text()
    assert table in finished.stdout
    check_table(table)
    check_picture(output / "depths.png")


def test_quality_of_depths():
    require_extras()
    from gradops.demo.training import scenes

    step = np.zeros((1, 8, 8, 1), np.float32)
    step[:, :, 4:] = 1  # a Sobel magnitude of 4 in columns 3 and 4
    moved = np.roll(step, 1, axis=2)  # in 4 and 5, and in 0 and 1
    assert scenes.quality(step, step) == {"f_score": 1, "gradient_error": 0, "rmse": 0}
    found = scenes.quality(moved[:, :, 1:], step[:, :, 1:])
    assert found["f_score"] == pytest.approx(0.5)
    assert found["gradient_error"] == pytest.approx(8 / 7)
    assert found["rmse"] == pytest.approx(np.sqrt(1 / 7))


@pytest.mark.parametrize("pixels, power", [("l1", 1), ("l2", 2)])
def test_losses_of_the_training(pixels, power, rng):
    require_extras()
    from gradops.demo.training import measure

    y_true, y_pred = rng.random((2, 1, 16, 16, 1), np.float32)
    y_true[0, 3, 4] = np.nan
    options = training._parse(["--pixels", pixels, "--gradient-weight", "0.5"])
    of_pixels = np.nanmean(np.abs(y_pred - y_true) ** power)
    edges = 0.0
    for level in range(4):
        images = [each[:, :: 2**level, :: 2**level] for each in (y_true, y_pred)]
        hidden = {"mask": np.isfinite(images[0]), "penalty": "log", "epsilon": 0.5}
        edges += reference.gradient_loss(*images, **hidden)[0]
    expected = {"plain": of_pixels, "gradops": of_pixels + 0.5 * edges}
    expected["tensorflow"] = expected["gradops"]
    for name, value in expected.items():
        loss = measure._loss(name, options)(tf.constant(y_true), tf.constant(y_pred))
        np.testing.assert_allclose(loss, value, rtol=1e-5)
