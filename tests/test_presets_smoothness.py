"""Edge-aware smoothness and total variation: parity with their definitions, and other packages."""

import numpy as np
import preset_references_smoothness as references
import pytest
import tensorflow as tf
from preset_tools import (
    assert_narrow_is_computed_in_float32,
    assert_same_in_channels_first,
    assert_same_in_every_mode,
    errors,
    step,
    worst,
)

from gradops import presets

NAMES = ["edge_aware_smoothness", "total_variation"]
CASES = {name: references.PRESETS[name] for name in NAMES}
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
FORMS = [
    (presets.edge_aware_smoothness, {}),
    (presets.edge_aware_smoothness, {"normalize": True}),
    (references.variation_of_prediction, {}),
    (references.variation_of_prediction, {"total": "sum"}),
]
each_form = pytest.mark.parametrize(
    ("function", "options"), FORMS, ids=lambda x: getattr(x, "__name__", str(x))
)


def images(rng, channels=3):
    """An image and a disparity."""
    return rng.random((2, 9, 7, channels)), 0.1 + rng.random((2, 9, 7, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_parity(name, dtype):
    found = worst(CASES[name], dtype)
    assert max(found) <= TOLERANCE[dtype], found


@pytest.mark.extended
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(20))
def test_parity_of_other_numbers(name, seed):
    found = worst(CASES[name], "float64", seed)
    assert max(found) <= TOLERANCE["float64"], found


@each_form
def test_every_mode(rng, function, options):
    assert_same_in_every_mode(function, *images(rng), options)


@each_form
def test_channels_first(rng, function, options):
    assert_same_in_channels_first(function, *images(rng), options)


@each_form
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(rng, function, options, dtype):
    assert_narrow_is_computed_in_float32(function, *images(rng), options, dtype)


@each_form
def test_flat_images(function, options):
    """Nothing to smooth: no loss, no gradient, no NaN."""
    image, disparity = tf.fill([2, 5, 4, 3], 0.5), tf.fill([2, 5, 4, 1], 0.25)
    losses, _, gradient = step(function, options)(image, disparity)
    np.testing.assert_array_equal(losses, [0, 0])
    np.testing.assert_array_equal(gradient, np.zeros((2, 5, 4, 1)))


@pytest.mark.parametrize("normalize", [False, True])
def test_edge_aware_smoothness_by_the_image(rng, normalize):
    """Its gradient too, beside that of the definition."""
    case = CASES["edge_aware_smoothness"]._replace(
        preset=lambda d, i, **options: presets.edge_aware_smoothness(i, d, **options),
        reference=lambda d, i, **options: references.edge_aware(i, d, **options),
    )
    image, disparity = images(rng)
    found = errors(case, (disparity, image, {"normalize": normalize}), "float64")
    assert max(found) <= TOLERANCE["float64"], found


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


def test_total_variation_of_one_image_and_of_videos(rng):
    video = rng.random((2, 3, 6, 5, 1))
    losses = presets.total_variation(video)
    assert losses.shape == (2, 3)
    np.testing.assert_array_equal(presets.total_variation(video[1, 2]), losses[1, 2])


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
