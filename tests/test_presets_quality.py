"""GMSD and MS-GMSD: parity with piq, their symmetries and their singular points."""

import warnings

import numpy as np
import preset_references_restoration as references
import pytest
import tensorflow as tf
from preset_tools import relative, value_and_gradient

from gradops import presets

NAMES = ["gmsd", "ms_gmsd"]
each = pytest.mark.parametrize("name", NAMES)
SHAPE = (2, 19, 22, 3)


def images(rng, shape=SHAPE):
    return [rng.random(shape) for _ in range(2)]


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
def test_values_beyond_the_range_are_noticed(rng, name):
    """Of 0 to 255 and a range of 1 it would be a measure of other things."""
    target, prediction = images(rng)
    function = getattr(presets, name)
    for values in ((255 * target, prediction), (target, 255 * prediction)):
        with pytest.warns(RuntimeWarning, match="value_range must be .* such as 1 or 255, got 1"):
            function(*values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(target, 1.5 * prediction)
        function(255 * target, 255 * prediction, value_range=255)
        tf.function(function)(255 * target, prediction)


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


def test_masking_near_2_keeps_its_digits(rng):
    """Where m^2 + n^2 - 2 m n cancels: images of 0..255, taken for 0..1."""
    target, prediction = (255 * x for x in images(rng))
    expected, found = (
        presets.ms_gmsd(*(tf.constant(x, dtype) for x in (target, prediction)), masking=2)
        for dtype in (tf.float64, tf.float32)
    )
    # Magnitudes of 500 are rounded by 6e-5; differences of 0.15, the root of T, decide S.
    np.testing.assert_allclose(found, expected, rtol=1e-3)
