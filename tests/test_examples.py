"""Every example runs, at a tiny size, and does what it says.

Those of more than a second are extended. distributed.py in several processes: test_multi_worker.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

EXAMPLES = Path(__file__).parent.parent / "examples"
ARGUMENTS = {
    "anomaly_map": ["--steps", "150", "--size", "48"],
    "custom_training_loop": ["--steps", "40", "--size", "24"],
    "depth_masks": ["--epochs", "6", "--size", "24"],
    "learned_confidence": ["--steps", "24", "--size", "32"],
    "mixed_precision": ["--epochs", "6", "--size", "16"],
    "optimize_image": ["--steps", "40", "--size", "32"],
    "style_transfer": ["--steps", "25", "--size", "32"],
    "train_super_resolution": ["--epochs", "4", "--size", "32"],
}


def run(name, *more):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]([*ARGUMENTS[name], *more])


@pytest.mark.parametrize(
    "name",
    [
        "custom_training_loop",
        "depth_masks",
        "mixed_precision",
        pytest.param("train_super_resolution", marks=pytest.mark.extended),
    ],
)
def test_training_examples_learn(name, capsys):
    losses = run(name)
    assert np.all(np.isfinite(losses)) and losses[-1] < 0.9 * losses[0]
    assert "loss" in capsys.readouterr().out


def test_confidence_is_learned_by_both_libraries(tmp_path, capsys):
    path = tmp_path / "picture.png"
    ours, theirs = run("learned_confidence", "--picture", str(path)).values()
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=1e-5)
    assert len(theirs) > 10 and np.mean(ours[-8:]) < 0.8 * np.mean(ours[:8])
    assert "TensorFlow's differ by" in capsys.readouterr().out
    height, width, _ = tf.io.decode_png(path.read_bytes()).shape
    assert (height, width) == (40, 160)


@pytest.mark.extended
def test_memory_of_learning_a_confidence(capsys):
    run("learned_confidence", "--memory", "--size", "256")
    words = [line.split() for line in capsys.readouterr().out.splitlines() if "MiB" in line]
    mib = {name: float(number) for name, number, *_ in words}
    if 0 in mib.values():
        pytest.skip("this system does not report peak memory")
    assert mib["gradops:"] < 0.5 * mib["TensorFlow:"]


@pytest.mark.extended
def test_confidence_is_low_where_targets_are_wrong():
    module = runpy.run_path(str(EXAMPLES / "learned_confidence.py"))
    model, *_ = module["train"](steps=80, size=48)
    images, depths = module["scenes"](4, 48)
    confidence, gloss = np.asarray(model(images)[1]), images[..., 1:] > 0.5
    assert confidence[gloss].mean() < 0.5 * confidence[~gloss].mean()
    assert 0.02 < np.isnan(depths).mean() < 0.4


def test_optimize_image_restores():
    heat = run("optimize_image")
    assert heat["result"] < 0.5 * heat["start"]


def test_anomalies_are_where_the_map_is_hot():
    heat, defect = run("anomaly_map")
    assert heat[defect].mean() > 10 * heat[~defect].mean()
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert defect[row - 1 : row + 2, column - 1 : column + 2].any()


@pytest.mark.extended
def test_styles_are_transferred():
    image, history = run("style_transfer")
    assert history[-1] < 0.7 * history[0]
    assert image.shape == (1, 32, 32, 3) and np.min(image) >= 0 and np.max(image) <= 1


def test_one_process_learns_what_several_would(capsys):
    module = runpy.run_path(str(EXAMPLES / "distributed.py"))
    found = module["train"](epochs=3)
    assert found["losses"][-1] < 0.9 * found["losses"][0] and found["replicas"] == 1
    module["report"](found, None)
    assert "worker 0 of 1: loss" in capsys.readouterr().out


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*ARGUMENTS, "distributed"}
