"""The two jobs: the optimisation loop, the measurements, wrong options, and small runs of both."""

import gc
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradops import _measure
from gradops.demo import arguments, image, training
from gradops.demo.training import model
from gradops.demo.training.providers import PROVIDERS as TRAINED
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
        (training, "--patch=21"),
        (training, "--patch=25"),
        (training, "--gradient-weight=-1"),
        (training, "--gradient-weight=nan"),
        (training, "--batch=many"),
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
    ],
)
def test_wrong_files_of_optimize(source, output, named, tmp_path, capsys):
    require_extras()
    (tmp_path / "text.png").write_text("not an image")
    keras.utils.save_img(tmp_path / "tiny.png", np.zeros((4, 5, 3)), scale=False)
    path = "-" if source == "-" else str(tmp_path / source)
    assert image.main([path, str(tmp_path / output)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"error: {named}")


def test_wrong_output_and_patch_of_the_training(tmp_path, capsys):
    require_extras()
    (tmp_path / "file").write_text("in the way")
    assert training.main(["--output", str(tmp_path / "file")]) == 1
    assert "--output" in capsys.readouterr().err
    assert training.main(["--patch", "3000", "--output", str(tmp_path / "out")]) == 1
    assert "--patch" in capsys.readouterr().err and not (tmp_path / "out").exists()


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


@pytest.mark.fused
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


@pytest.mark.fused
def test_training(tmp_path):
    require_extras()
    output = tmp_path / "new" / "folder"
    options = ["--steps", 4, "--batch", 2, "--patch", 48, "--patches", 12]
    finished = run("demo", *options, "--output", output)
    table = (output / "table.txt").read_text()
    assert table in finished.stdout and "4 steps of 2 patches, 48 x 48" in table
    check_picture(output / "crops.png")

    psnr = {}
    for title in ("(bicubic)", *(provider.title for provider in TRAINED.values())):
        (line,) = [line for line in table.splitlines() if line.startswith(title + "  ")]
        psnr[title], gmsd = map(float, line.split()[-2:])
        assert 15 < psnr[title] < 40 and 0.01 < gmsd < 0.2
    ours, theirs = (psnr[TRAINED[name].title] for name in ("gradops", "tensorflow"))
    assert abs(ours - theirs) < 0.05
    difference = re.search(r"Loss at the end: .*, (\S+) apart", table)
    assert float(difference[1]) < 1e-4
    logs = {path.parent.parent.name for path in (output / "logs").rglob("events.*")}
    assert logs >= set(TRAINED)


def test_subpixel_network_begins_as_interpolation():
    keras.utils.set_random_seed(3)
    small = np.random.default_rng(0).uniform(size=(2, 5, 7, 3)).astype(np.float32)
    image = model.build()(small)
    assert image.shape == (2, 15, 21, 3)
    np.testing.assert_allclose(image, model.bicubic(small), atol=0.02)


def test_losses_of_the_training_agree():
    rng = np.random.default_rng(1)
    y_true, y_pred = (tf.constant(rng.uniform(size=(2, 9, 8, 3)), tf.float32) for _ in range(2))
    pixels = np.abs(y_true - y_pred).mean(axis=(1, 2, 3))
    edges = np.abs(tf.image.sobel_edges(y_pred) - tf.image.sobel_edges(y_true)).mean(
        axis=(1, 2, 3, 4)
    )
    expected = {"mae": pixels, "gradops": pixels + 0.3 * edges, "tensorflow": pixels + 0.3 * edges}
    for name, provider in TRAINED.items():
        loss = provider.loss(0.3)(y_true, y_pred)
        np.testing.assert_allclose(np.mean(loss), expected[name].mean(), rtol=1e-5)
