"""The demo: its optimisation loop, its measurements, and a small run of the whole."""

import gc
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradops import _measure, demo
from gradops.optimize import WINDOW, optimize_image

TITLES = [
    "gradops, eager",
    "TensorFlow, eager",
    "gradops, tf.function",
    "TensorFlow, tf.function",
]
MEGABYTE = 10**6


def mean_square(image):
    return tf.reduce_mean(tf.square(image))


def descend(loss=mean_square, steps=20, initial=None, **options):
    if initial is None:
        initial = np.random.default_rng(0).normal(size=(2, 3, 4, 1)).astype(np.float32)
    # The factor undoes the mean's 1/24 in the slope, so that a step shrinks the image by 0.9.
    optimizer = keras.optimizers.SGD(0.05 * initial.size)
    return optimize_image(initial, loss, optimizer=optimizer, steps=steps, **options)


@pytest.mark.parametrize("graph", [False, True])
def test_loss_decreases(graph):
    initial = np.full((1, 2, 2, 1), 2.0, np.float32)
    image, losses = descend(initial=initial, steps=8, graph=graph)
    np.testing.assert_allclose(losses, [4.0 * 0.9 ** (2 * step) for step in range(8)], rtol=1e-5)
    np.testing.assert_allclose(image, initial * 0.9**8, rtol=1e-5)
    assert (initial == 2.0).all()


def test_step_limit_and_callback():
    seen = []
    _, losses = descend(steps=4, callback=lambda number, loss: seen.append((number, loss)))
    assert seen == list(enumerate(losses, start=1)) and len(losses) == 4


def test_tolerance_stops_early():
    # Each step multiplies the loss by 0.81.
    over_window = 1 - 0.81**WINDOW
    assert len(descend(steps=30, tolerance=over_window + 0.01)[1]) == WINDOW + 1
    assert len(descend(steps=30, tolerance=over_window - 0.01)[1]) == 30


def test_tolerance_of_zero_takes_every_step():
    _, losses = descend(loss=lambda image: 0.0 * mean_square(image) + 1.0, steps=2 * WINDOW)
    assert losses == [1.0] * 2 * WINDOW


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


def test_missing_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert demo.main([]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "tqdm" in error and 'pip install "gradops[demo]"' in error


@pytest.mark.parametrize("argument", ["--steps=0", "--size=15", "--tolerance=1", "--seed=-1"])
def test_wrong_option(argument, capsys):
    with pytest.raises(SystemExit, match="2"):
        demo.main([argument])
    assert argument.split("=")[0] in capsys.readouterr().err


def test_missing_output_directory(tmp_path, capsys):
    for module in ("skimage", "matplotlib", "tqdm"):
        pytest.importorskip(module)
    assert demo.main(["--output", str(tmp_path / "none" / "demo.png")]) == 1
    assert "--output" in capsys.readouterr().err


def test_demo(tmp_path):
    pytest.importorskip("skimage")
    pytest.importorskip("tqdm")
    matplotlib_image = pytest.importorskip("matplotlib.image")
    output = tmp_path / "demo.png"
    command = [sys.executable, "-m", "gradops", "demo", "--size", "48", "--steps", "3"]
    finished = subprocess.run(
        [*command, "--output", str(output)], capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr
    assert str(output) in finished.stdout
    assert "3/3" in finished.stderr  # The progress bar.

    picture = matplotlib_image.imread(output)
    assert output.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    height, width = picture.shape[:2]
    assert width == 1600 and 800 <= height <= 1600
    assert picture[..., :3].std() > 0.1  # Not blank.

    steps_table, _, loss_table = finished.stdout.partition("The Sobel loss and its gradient")
    final_losses = []
    for title in TITLES:
        (line,) = [line for line in steps_table.splitlines() if line.startswith(title)]
        taken, final_loss = line[len(title) :].split()[:2]
        assert taken == "3"
        final_losses.append(float(final_loss))
        assert title in loss_table
    np.testing.assert_allclose(final_losses, final_losses[0], rtol=1e-4)
