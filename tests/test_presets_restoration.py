"""The losses of restoration: parity with their definitions, and what those do not say."""

import keras
import numpy as np
import preset_references_restoration as references
import pytest
import tensorflow as tf
from op_tools import ops_of
from preset_tools import (
    assert_narrow_is_computed_in_float32,
    assert_same_in_channels_first,
    assert_same_in_every_mode,
    errors,
    step,
    worst,
)

import gradops
from gradops import presets

QUALITY = ("gmsd", "ms_gmsd")
CASES = {name: case for name, case in references.PRESETS.items() if name not in QUALITY}
each_case = pytest.mark.parametrize("name", CASES)
# float64: rounding of sums of a few thousand terms. float32: also that of L x, from which most of x
# cancels, and of the difference of two means, m(p) - m(t), which is a tenth to a hundredth of them.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
OF_MEANS = {"float64": 1e-12, "float32": 5e-5}
OPTIONS = {
    "gradient_difference": [{}, {"alpha": 2, "normalizer": "sum"}, {"normalizer": "axes"}],
    "spsr_gradient": [{}, {"padding": 2, "penalty": "l1"}],
    "mprnet_edge": [{}],
    "gradient_variance": [{"patch_size": 4}],
    "mean_magnitude": [{}],
    "pixel_and_gradient": [{}, {"stencil": "scharr", "penalty": "huber", "scales": 2}],
}
MASKED = ("gradient_difference", "spsr_gradient", "mean_magnitude", "pixel_and_gradient")
FORMS = [(name, options) for name, several in OPTIONS.items() for options in several]
each_form = pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
LOSSES = {
    "gradient_difference": presets.GradientDifferenceLoss,
    "spsr_gradient": presets.SPSRGradientLoss,
    "mprnet_edge": presets.MPRNetEdgeLoss,
    "gradient_variance": presets.GradientVarianceLoss,
    "mean_magnitude": presets.MeanMagnitudeLoss,
    "pixel_and_gradient": presets.PixelGradientLoss,
}
SHAPE = (2, 11, 14, 3)


def images(rng, shape=SHAPE):
    return [rng.random(shape) for _ in range(2)]


def with_mask(rng, name, options, channels=1):
    if name not in MASKED:
        return options
    return {**options, "mask": tf.constant(rng.random((*SHAPE[:3], channels)) < 0.9)}


def tolerances(name):
    return OF_MEANS if name == "mean_magnitude" else TOLERANCE


@each_case
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_parity(name, dtype):
    found = worst(CASES[name], dtype)
    assert max(found) <= tolerances(name)[dtype], found


@pytest.mark.extended
@each_case
@pytest.mark.parametrize("seed", range(20))
def test_parity_of_other_numbers(name, seed):
    found = worst(CASES[name], "float64", seed)
    # A chance difference of two means may be a ten-thousandth of them.
    assert max(found) <= (1e-10 if name == "mean_magnitude" else 1e-12), found


@each_case
def test_gradient_by_the_target(rng, name):
    case = CASES[name]
    preset = case._replace(preset=lambda p, t, **options: case.preset(t, p, **options))
    swapped = preset._replace(reference=lambda p, t, **options: case.reference(t, p, **options))
    for target, prediction, options in case.inputs(rng):
        if "mask" not in options:
            found = errors(swapped, (prediction, target, options), "float64")
            assert max(found) <= TOLERANCE["float64"]


@each_case
def test_every_mode(rng, name):
    options = with_mask(rng, name, OPTIONS[name][-1])
    tolerance = 5e-5 if name == "mean_magnitude" else 5e-6
    assert_same_in_every_mode(getattr(presets, name), *images(rng), options, tolerance)


@each_form
def test_channels_first(rng, name, options):
    for channels in (1, 3):
        masked = with_mask(rng, name, options, channels)
        assert_same_in_channels_first(getattr(presets, name), *images(rng), masked)


@each_form
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(rng, name, options, dtype):
    function = getattr(presets, name)
    assert_narrow_is_computed_in_float32(function, *images(rng), options, dtype)


@pytest.mark.parametrize(("name", "options"), [form for form in FORMS if form[0] in MASKED])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_invalid_is_looked_at(rng, name, options, value):
    """What is under the mask changes neither losses nor gradients, also in the prediction."""
    options = with_mask(rng, name, options)
    run = step(getattr(presets, name), options)
    pair = images(rng)
    expected = run(*map(tf.constant, pair))
    spoilt = [np.where(options["mask"], x, value) for x in pair]
    for one, other in zip(run(*map(tf.constant, spoilt)), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", MASKED)
def test_nothing_valid_is_a_loss_of_0(name):
    options = {"mask": np.zeros((*SHAPE[:3], 1), bool)}
    nothing = tf.fill(SHAPE, np.nan)
    for value in step(getattr(presets, name), options)(nothing, nothing):
        np.testing.assert_array_equal(value, tf.zeros_like(value))


@each_form
@pytest.mark.parametrize("other", [2.0, 3.0])
def test_flat_images_have_finite_gradients(name, options, other):
    flat = tf.fill(SHAPE, 2.0)
    for value in step(getattr(presets, name), options)(flat, tf.fill(SHAPE, other)):
        assert np.isfinite(value).all()


@each_form
def test_equal_images_are_the_best(rng, name, options):
    target = tf.constant(images(rng)[0], tf.float32)
    loss, *gradients = step(getattr(presets, name), options)(target, target)
    least = 1e-3 if name == "mprnet_edge" else 0.0
    np.testing.assert_allclose(loss, [least] * 2, rtol=1e-6)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros(SHAPE))


def test_gradient_difference_is_blind_to_signs(rng):
    target, _ = images(rng)
    np.testing.assert_array_equal(presets.gradient_difference(target, 5 - target) < 1e-15, True)


def test_gradient_difference_of_videos(rng):
    target, prediction = images(rng, (2, 4, 9, 8, 3))
    for normalizer in ("residuals", "axes", "sum"):
        losses = presets.gradient_difference(target, prediction, normalizer=normalizer)
        frames = [x.reshape(-1, 9, 8, 3) for x in (target, prediction)]
        expected = presets.gradient_difference(*frames, normalizer=normalizer)
        np.testing.assert_array_equal(losses, tf.reshape(expected, [2, 4]))


def test_gradient_difference_without_inner_absolute_values(rng):
    """What its docstring says of the programs that leave them out."""
    target, prediction = images(rng)
    down, along = references.differences(tf.constant(prediction - target))
    number = tf.size(down[0]) + tf.size(along[0])
    expected = (references.total(tf.abs(down)) + references.total(tf.abs(along))) / float(number)
    losses = gradops.gradient_loss(target, prediction, stencil="forward", border="valid")
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_the_ring_of_spsr_counts_the_edge_of_the_image(rng):
    """A constant difference is seen at the border alone, and the ring sees it once more."""
    target = rng.random((1, 6, 7, 3)) + 1
    inner, ring = (presets.spsr_gradient(target, target + 3, padding=p).numpy() for p in (1, 2))
    assert (inner > 0).all() and (ring * 8 * 9 > inner * 6 * 7 + 1).all()


@pytest.mark.fused
@pytest.mark.parametrize(
    ("name", "options", "ops"),
    [
        ("gradient_difference", {}, ["Loss"]),
        ("gradient_difference", {"normalizer": "sum"}, ["LossCounts", "Loss"]),
        ("spsr_gradient", {}, ["Loss"]),
        ("mean_magnitude", {}, ["LossCounts", "Loss"] * 2),
    ],
)
def test_fused_presets_are_fused(name, options, ops):
    spec = tf.TensorSpec([2, 16, 16, 1])
    function = tf.function(lambda t, p: getattr(presets, name)(t, p, **options))
    found = [op for op in ops_of(function, spec, spec) if op.startswith("Gradops>")]
    assert sorted(found) == sorted(f"Gradops>{op}" for op in ops)


def test_pixel_and_gradient_takes_the_options_of_gradient_loss(rng):
    target, prediction = images(rng)
    options = {
        "stencil": "prewitt",
        "penalty": "huber",
        "delta": 0.3,
        "response": "magnitude",
        "response_epsilon": 0.1,
        "border": "replicate",
        "scale": "unit",
        "scales": 2,
        "downsample": "average",
        "scale_weights": [0.5, 2.0],
        "normalizer": "pixels",
    }
    weights = {"pixel_weight": 0.25, "gradient_weight": 3.0}
    losses = presets.pixel_and_gradient(target, prediction, **weights, **options)
    expected = 3 * gradops.gradient_loss(target, prediction, **options)
    expected += 0.25 * references.mean(tf.abs(prediction - target))
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_pixels_of_weight_0_are_not_looked_at(rng):
    target, prediction = images(rng)
    weights = (rng.random((*SHAPE[:3], 1)) < 0.8).astype(float)
    options = {"gradient_weight": 0.0, "weights": weights}
    run = step(presets.pixel_and_gradient, options)
    expected = run(tf.constant(target), tf.constant(prediction))
    spoilt = np.where(weights > 0, target, 1e30)
    for one, other in zip(run(tf.constant(spoilt), tf.constant(prediction)), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def small_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(SHAPE[1:]), keras.layers.Conv2D(3, 3, padding="same")])


@each_form
def test_keras_losses(rng, name, options):
    """The mean of the function, with and without weights; and its copy by its configuration."""
    target, prediction = (x.astype("float32") for x in images(rng))
    loss = LOSSES[name](**options)
    assert loss.name == name
    by_example = getattr(presets, name)(target, prediction, **options).numpy()
    np.testing.assert_allclose(loss(target, prediction), by_example.mean(), rtol=1e-6)
    weighted = loss(target, prediction, sample_weight=[1.0, 3.0])
    np.testing.assert_allclose(weighted, by_example @ [1, 3] / 2, rtol=1e-6)
    config = keras.losses.serialize(LOSSES[name](reduction="none", **options))
    copy = keras.losses.deserialize(config)
    assert type(copy) is LOSSES[name] and copy.get_config() == config["config"]
    np.testing.assert_array_equal(copy(target, prediction), by_example)


@pytest.mark.parametrize("name", LOSSES)
def test_fit_and_save(rng, name, tmp_path):
    x, y = (each.astype("float32") for each in images(rng))
    model = small_model()
    options = OPTIONS[name][-1]
    expected = getattr(presets, name)(y, model.predict(x, verbose=0), **options).numpy().mean()
    start = model.get_weights()[0]
    model.compile("sgd", loss=LOSSES[name](**options), jit_compile=False)
    history = model.fit(x, y, batch_size=2, verbose=0, shuffle=False)
    np.testing.assert_allclose(history.history["loss"], [expected], rtol=1e-4)
    assert np.isfinite(model.get_weights()[0]).all() and np.any(model.get_weights()[0] != start)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is LOSSES[name]
    assert loaded.loss.get_config() == model.loss.get_config()
    after = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(loaded.evaluate(x, y, verbose=0), after, rtol=1e-6)


@pytest.mark.parametrize("name", MASKED)
def test_losses_of_targets_with_holes(rng, name):
    target, prediction = (x.astype("float32") for x in images(rng))
    mask = rng.random(SHAPE) < 0.9
    expected = getattr(presets, name)(target, prediction, mask=mask).numpy().mean()
    for hole, options in ((np.nan, {"mask": "finite"}), (-1, {"mask_value": -1})):
        holed = np.where(mask, target, hole).astype("float32")
        value = LOSSES[name](**options)(holed, prediction)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
