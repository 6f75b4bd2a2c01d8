"""What the losses of restoration promise beyond their definitions."""

import numpy as np
import preset_references_restoration as references
import tensorflow as tf
from preset_tools import step

import gradops
from gradops import presets

SHAPE = (2, 11, 14, 3)


def images(rng, shape=SHAPE):
    return [rng.random(shape) for _ in range(2)]


def test_gradient_difference_is_blind_to_signs():
    target = np.arange(2 * 11 * 14 * 3.0).reshape(SHAPE) % 17
    np.testing.assert_array_equal(presets.gradient_difference(target, 5 - target), [0, 0])


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


def test_the_ring_of_spsr_is_valid_under_a_mask(rng):
    target, prediction = images(rng)
    for mask in (np.ones((*SHAPE[:3], 1), bool), np.ones(SHAPE, bool)):
        expected = presets.spsr_gradient(target, prediction, padding=2)
        losses = presets.spsr_gradient(target, prediction, padding=2, mask=mask)
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


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
