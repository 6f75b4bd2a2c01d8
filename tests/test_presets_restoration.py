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
