"""Edge-aware smoothness and total variation: beside other packages, and their properties."""

import numpy as np
import pytest
import tensorflow as tf

from gradops import presets


def test_images_of_integers():
    """Converted to the dtype of the disparity."""
    image = np.arange(2 * 6 * 5 * 3, dtype="uint8").reshape(2, 6, 5, 3)
    disparity = np.random.default_rng(1).random((2, 6, 5, 1))
    np.testing.assert_array_equal(
        presets.edge_aware_smoothness(image, disparity),
        presets.edge_aware_smoothness(image.astype("float64"), disparity),
    )


def test_total_variation_is_tensorflow_s(rng):
    for shape in [(3, 8, 5, 3), (1, 2, 2, 1), (2, 31, 17, 2)]:
        image = tf.constant(rng.random(shape))
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(image)
            ours = presets.total_variation(image, total="sum", data_format="channels_last")
            theirs = tf.image.total_variation(image)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        np.testing.assert_array_equal(tape.gradient(ours, image), tape.gradient(theirs, image))


@pytest.mark.extended
@pytest.mark.parametrize("total", ["mean", "sum"])
def test_total_variation_is_kornia_s(rng, total):
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("kornia.losses")
    image = rng.random((3, 9, 8, 2))
    theirs = losses.total_variation(torch.tensor(image.transpose(0, 3, 1, 2)), reduction=total)
    ours = presets.total_variation(image, total=total)
    axes = tuple(range(1, theirs.ndim))  # of some versions, by channel
    reduce = np.mean if total == "mean" else np.sum
    np.testing.assert_allclose(ours, reduce(theirs.numpy(), axis=axes), rtol=1e-12)


@pytest.mark.extended
def test_total_variation_is_piq_s(rng):
    torch = pytest.importorskip("torch")
    piq = pytest.importorskip("piq")
    image = rng.random((3, 9, 8, 2))
    theirs = piq.total_variation(
        torch.tensor(image.transpose(0, 3, 1, 2)), reduction="none", norm_type="l1"
    )
    ours = presets.total_variation(image, total="sum")
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12)
