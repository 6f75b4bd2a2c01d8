"""GMSD and MS-GMSD: parity with their definitions and with piq, and their singular points."""

import keras
import numpy as np
import preset_references_restoration as references
import pytest
import tensorflow as tf
from preset_tools import (
    assert_narrow_is_computed_in_float32,
    assert_same_in_channels_first,
    assert_same_in_every_mode,
    relative,
    step,
    value_and_gradient,
    worst,
)

from gradops import presets

NAMES = ["gmsd", "ms_gmsd"]
LOSSES = {"gmsd": presets.GMSDLoss, "ms_gmsd": presets.MSGMSDLoss}
METRICS = {"gmsd": presets.GMSDMetric, "ms_gmsd": presets.MSGMSDMetric}
each = pytest.mark.parametrize("name", NAMES)
# float32: the direction of a gradient has few digits where it is small, and slopes have it.
TOLERANCE = {"float64": 1e-12, "float32": 5e-5}
SHAPE = (2, 19, 22, 3)


def images(rng, shape=SHAPE):
    return [rng.random(shape) for _ in range(2)]


@each
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_parity(name, dtype):
    found = worst(references.PRESETS[name], dtype)
    assert found.loss <= min(TOLERANCE[dtype], 2e-6), found
    assert found.gradient <= TOLERANCE[dtype], found


@pytest.mark.extended
@each
@pytest.mark.parametrize("seed", range(20))
def test_parity_of_other_numbers(name, seed):
    found = worst(references.PRESETS[name], "float64", seed)
    assert max(found) <= TOLERANCE["float64"], found


@pytest.mark.extended
@each
@pytest.mark.parametrize("shape", [(2, 32, 48, 3), (2, 33, 47, 1), (1, 17, 20, 3), (3, 21, 34, 3)])
@pytest.mark.parametrize("value_range", [1.0, 255.0])
def test_parity_with_piq(rng, name, shape, value_range):
    """Losses and gradients, in float64."""
    piq, torch = pytest.importorskip("piq"), pytest.importorskip("torch")
    target, prediction = (value_range * x for x in images(rng, shape))
    upstream = np.linspace(0.5, 1.5, shape[0])
    options = {"value_range": value_range}
    ours = value_and_gradient(
        getattr(presets, name), tf.constant(target), tf.constant(prediction), upstream, options
    )
    of_target, of_prediction = (torch.tensor(np.moveaxis(x, 3, 1)) for x in (target, prediction))
    of_prediction.requires_grad_()
    function = {"gmsd": piq.gmsd, "ms_gmsd": piq.multi_scale_gmsd}[name]
    losses = function(of_prediction, of_target, data_range=value_range, reduction="none")
    (gradient,) = torch.autograd.grad(losses @ torch.tensor(upstream), of_prediction)
    assert relative(ours[0], losses.detach().numpy()) < 1e-12
    assert relative(ours[1], np.moveaxis(gradient.numpy(), 1, 3)) < 1e-12


@each
def test_every_mode(rng, name):
    assert_same_in_every_mode(getattr(presets, name), *images(rng), {}, TOLERANCE["float32"])


@each
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_first(rng, name, channels):
    shape = (*SHAPE[:3], channels)
    assert_same_in_channels_first(getattr(presets, name), *images(rng, shape), {})


@each
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(rng, name, dtype):
    """Also of values whose squares float16 does not have."""
    target, prediction = (255 * x for x in images(rng))
    options = {"value_range": 255}
    function = getattr(presets, name)
    assert_narrow_is_computed_in_float32(function, target, prediction, options, dtype)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_images_are_the_best(rng, name, dtype):
    """Exactly 0, and so is the gradient, in every mode; others are worse, those farther more so."""
    target, noise = (tf.constant(x, dtype) for x in images(rng))
    run = step(getattr(presets, name), {})
    for call in (run, tf.function(run), tf.function(run, jit_compile=True)):
        for value in call(target, target):
            np.testing.assert_array_equal(value, np.zeros(value.shape))
    worse = [getattr(presets, name)(target, target + x * noise).numpy() for x in (0.01, 0.1, 0.4)]
    assert (worse[0] > 0).all() and (worse[0] < worse[1]).all() and (worse[1] < worse[2]).all()


@each
def test_images_that_hardly_differ_keep_their_digits(rng, name):
    """float32: S is 1 to all digits, and its deviation is not rounding noise."""
    target, noise = images(rng)
    target, prediction = (tf.constant(x, "float32") for x in (target, target + 1e-4 * noise))
    found = getattr(presets, name)(target, prediction)
    wide = references.PRESETS[name].reference(
        *(tf.cast(x, "float64") for x in (target, prediction))
    )
    assert wide.numpy().max() < 1e-6
    np.testing.assert_allclose(found, wide, rtol=1e-2)


@each
@pytest.mark.parametrize("pair", [(0.0, 0.0), (0.5, 0.5), (0.0, 0.5), (0.5, 0.0)])
def test_flat_images_have_finite_gradients(name, pair):
    """Magnitudes that are 0 within the image; and of two black ones everywhere."""
    target, prediction = (tf.fill(SHAPE, value) for value in pair)
    for value in step(getattr(presets, name), {})(target, prediction):
        assert np.isfinite(value).all()


@each
def test_a_nan_stays_in_its_example(rng, name):
    target, prediction = images(rng)
    prediction[1, 3, 4, 0] = np.nan
    losses = getattr(presets, name)(target, prediction).numpy()
    assert np.isfinite(losses[0]) and np.isnan(losses[1])


@each
def test_luma_and_range(rng, name):
    """Three equal channels are as one; the loss does not depend on the unit of the values."""
    target, prediction = images(rng, (2, 19, 22, 1))
    function = getattr(presets, name)
    losses = function(target, prediction)
    three = function(target.repeat(3, 3), prediction.repeat(3, 3))
    np.testing.assert_allclose(three, losses, rtol=1e-12)
    for value_range in (255, 1e-30, 1e30):
        scaled = function(value_range * target, value_range * prediction, value_range=value_range)
        np.testing.assert_allclose(scaled, losses, rtol=1e-12)


@each
def test_the_two_images_may_change_places(rng, name):
    target, prediction = (tf.constant(x) for x in images(rng))
    run = step(getattr(presets, name), {})
    losses, by_target, by_prediction = run(target, prediction)
    swapped = run(prediction, target)
    for one, other in zip(swapped, (losses, by_prediction, by_target), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)


def test_one_scale_without_masking_is_gmsd_of_the_image_itself(rng):
    target, prediction = (x[..., :1] for x in images(rng))
    one = presets.ms_gmsd(target, prediction, scale_weights=[3.0], masking=0)
    doubled = [x.repeat(2, 1).repeat(2, 2) for x in (target, prediction)]
    np.testing.assert_allclose(one, presets.gmsd(*doubled), rtol=1e-12)


@each
def test_second_derivatives(rng, name):
    """The Hessian's product with a vector, against differences of the gradient."""
    target, prediction = (tf.constant(x) for x in images(rng, (1, 18, 17, 3)))
    vector = tf.constant(rng.normal(size=prediction.shape))

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = getattr(presets, name)(target, x)
        return tape.gradient(loss, x)

    with tf.GradientTape() as tape:
        tape.watch(prediction)
        along = tf.reduce_sum(gradient(prediction) * vector)
    product = tape.gradient(along, prediction).numpy()
    ahead, behind = (gradient(prediction + x * vector).numpy() for x in (1e-6, -1e-6))
    assert relative(product, (ahead - behind) / 2e-6) < 1e-4


@each
def test_keras(rng, name, tmp_path):
    """Loss and metric of a model that is trained, saved and loaded."""
    x, y = (image.astype("float32") for image in images(rng))
    keras.utils.set_random_seed(1)
    layer = keras.layers.Conv2D(3, 3, padding="same")
    model = keras.Sequential([keras.Input(SHAPE[1:]), layer])
    options = {"value_range": 2.0}
    if name == "ms_gmsd":
        options |= {"scale_weights": [1.0, 2.0], "masking": 0.25}
    expected = getattr(presets, name)(y, model.predict(x, verbose=0), **options).numpy()
    weighted = METRICS[name](name="weighted", **options)
    model.compile(
        "sgd",
        loss=LOSSES[name](**options),
        metrics=[METRICS[name](**options)],
        weighted_metrics=[weighted],
    )
    weights = np.array([1.0, 3.0], "float32")
    found = model.evaluate(x, y, sample_weight=weights, return_dict=True, verbose=0)
    np.testing.assert_allclose(found["loss"], expected @ weights / 2, rtol=1e-5)
    np.testing.assert_allclose(found[name], expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["weighted"], expected @ weights / 4, rtol=1e-5)
    start = model.get_weights()[0]
    model.fit(x, y, batch_size=2, verbose=0)
    assert np.isfinite(model.get_weights()[0]).all() and np.any(model.get_weights()[0] != start)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is LOSSES[name]
    assert loaded.loss.get_config() == model.loss.get_config()
    metric = keras.metrics.deserialize(keras.metrics.serialize(weighted))
    assert type(metric) is METRICS[name] and metric.get_config() == weighted.get_config()


@each
def test_metrics_are_means_over_batches(rng, name):
    metric = METRICS[name]()
    losses = []
    for count in (3, 1):
        target, prediction = images(rng, (count, *SHAPE[1:]))
        metric.update_state(target, prediction)
        losses.extend(getattr(presets, name)(target, prediction).numpy())
    np.testing.assert_allclose(metric.result(), np.mean(losses), rtol=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_masking_near_2_keeps_its_digits(rng):
    """Where m^2 + n^2 - 2 m n cancels: images of 0..255, taken for 0..1."""
    target, prediction = (255 * x for x in images(rng))
    expected, found = (
        presets.ms_gmsd(*(tf.constant(x, dtype) for x in (target, prediction)), masking=2)
        for dtype in (tf.float64, tf.float32)
    )
    # Magnitudes of 500 are rounded by 6e-5; differences of 0.15, the root of T, decide S.
    np.testing.assert_allclose(found, expected, rtol=1e-3)
