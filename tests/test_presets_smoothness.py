"""Edge-aware smoothness and total variation: beside other packages, and their properties."""

import numpy as np
import preset_references_smoothness as references
import pytest
import tensorflow as tf
from preset_tools import OPTIONS, assert_parity, function_of, step

from gradops import presets


def images(rng, channels=3):
    """An image and a disparity."""
    return rng.random((2, 9, 7, channels)), 0.1 + rng.random((2, 9, 7, 1))


FORMS = [
    (name, options)
    for name in ("edge_aware_smoothness", "total_variation")
    for options in OPTIONS[name]
]


@pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
def test_flat_images(name, options):
    """Nothing to smooth: no loss, no gradient, no NaN."""
    image, disparity = tf.fill([2, 5, 4, 3], 0.5), tf.fill([2, 5, 4, 1], 0.25)
    losses, _, gradient = step(function_of(name), options)(image, disparity)
    np.testing.assert_array_equal(losses, [0, 0])
    np.testing.assert_array_equal(gradient, np.zeros((2, 5, 4, 1)))


@pytest.mark.parametrize("normalize", [False, True])
def test_edge_aware_smoothness_by_the_image(rng, normalize):
    """Its gradient too, beside that of the definition."""
    case = references.PRESETS["edge_aware_smoothness"]._replace(
        preset=lambda d, i, **options: presets.edge_aware_smoothness(i, d, **options),
        reference=lambda d, i, **options: references.edge_aware(i, d, **options),
    )
    image, disparity = images(rng)
    assert_parity(case, (disparity, image, {"normalize": normalize}), "float64")


def test_normalized_disparities_cannot_shrink(rng):
    image, disparity = images(rng)
    for factor in (0.5, 100.0):
        plain = presets.edge_aware_smoothness(image, factor * disparity)
        np.testing.assert_allclose(
            plain, factor * presets.edge_aware_smoothness(image, disparity), rtol=1e-12
        )
        one, other = (
            presets.edge_aware_smoothness(image, x, normalize=True)
            for x in (disparity, factor * disparity)
        )
        np.testing.assert_allclose(one, other, rtol=1e-6)  # but for the 1e-7


def test_an_edge_of_the_image_excuses_one_of_the_disparity():
    disparity = np.zeros((1, 6, 6, 1))
    disparity[:, :, 3:] = 1
    plain = presets.edge_aware_smoothness(np.zeros((1, 6, 6, 3)), disparity)
    excused = presets.edge_aware_smoothness(np.repeat(5 * disparity, 3, axis=3), disparity)
    np.testing.assert_allclose(excused, np.exp(-5) * plain, rtol=1e-12)


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
