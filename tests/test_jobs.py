"""optimize_image and residual_map."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from op_tools import images

import gradops
from gradops import reference


@pytest.mark.parametrize("graph", [False, True])
def test_optimizing_descends_and_keeps_the_range(rng, graph):
    target = tf.constant(rng.random((1, 12, 12, 3)), tf.float32)
    start = tf.constant(rng.random((1, 12, 12, 3)), tf.float32)
    seen = []

    def loss(image):
        return tf.reduce_mean(tf.square(image - 2 * target)) + gradops.SobelLoss()(target, image)

    image, history = gradops.optimize_image(
        start,
        loss,
        optimizer=keras.optimizers.SGD(0.1),
        steps=7,
        value_range=(0, 1),
        graph=graph,
        callback=lambda number, value: seen.append((number, value)),
    )
    assert seen == list(enumerate(history, start=1)) and len(history) == 7
    assert history[-1] < history[0]
    assert np.min(image) >= 0 and np.max(image) <= 1 and image.dtype == tf.float32


def test_optimizing_stops_at_the_tolerance_and_with_any_loss():
    target = tf.ones([1, 8, 8, 1])
    loss = gradops.presets.TotalVariationLoss()
    image, history = gradops.optimize_image(target, lambda x: loss(x, x), steps=50, tolerance=0.1)
    assert len(history) == 11  # nothing to gain over the window
    np.testing.assert_array_equal(image, target)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"initial": tf.zeros([1, 4, 4, 1], tf.int32)}, ValueError, "initial must .* got int32"),
        ({"steps": 0}, ValueError, "steps must be an integer of at least 1, got 0"),
        ({"tolerance": 1.0}, ValueError, "tolerance must be at least 0 and below 1, got 1.0"),
        ({"value_range": (1, 0)}, ValueError, "value_range must be two rising numbers"),
        ({"loss": lambda x: x}, ValueError, "loss must return a scalar, got shape"),
        ({"loss": lambda x: tf.constant(1.0)}, ValueError, "loss must depend on the image"),
        ({"loss": lambda x: tf.reduce_sum(x) / 0.0}, FloatingPointError, "loss must be finite"),
    ],
)
def test_bad_optimizations(arguments, error, message):
    given = {"initial": tf.ones([1, 4, 4, 1]), "loss": tf.reduce_sum, **arguments}
    initial, loss = given.pop("initial"), given.pop("loss")
    with pytest.raises(error, match=message):
        gradops.optimize_image(initial, loss, **given)


@pytest.mark.parametrize("response", ["component", "magnitude", "absolute", "direction", "normal"])
@pytest.mark.parametrize("border", ["reflect", "zero", "circular"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_mean_of_the_map_is_the_loss(rng, response, border, data_format):
    y_true, y_pred = images(rng, (2, 7, 9, 8), "float64")
    options = dict(response=response, border=border, penalty="huber", data_format=data_format)
    found = gradops.residual_map(y_true, y_pred, **options)
    assert found.shape == ([2, 7, 9] if data_format == "channels_last" else [2, 9, 8])
    residuals = 2 if response in ("component", "absolute") else 1
    wanted = residuals * reference.gradient_loss(y_true.numpy(), y_pred.numpy(), **options)
    np.testing.assert_allclose(tf.reduce_mean(found, axis=[1, 2]), wanted, rtol=1e-12)


def test_the_map_of_masked_pixels_is_zero(rng):
    y_true, y_pred = images(rng, (1, 9, 9, 2), "float64")
    mask = np.ones((1, 9, 9, 1), bool)
    mask[0, 4, 4] = False
    holes = tf.where(mask, y_true, np.nan)
    found = gradops.residual_map(holes, y_pred, mask=mask, channels="each").numpy()
    sums, _ = reference.gradient_sums(holes.numpy(), y_pred.numpy(), mask=mask)
    np.testing.assert_allclose(found.sum(), sums.sum(), rtol=1e-12)
    assert found.shape == (1, 9, 9, 2) and np.all(found[0, 3:6:2, 3:6:2] == 0)
    assert found[0, 2, 2].min() > 0


def test_maps_of_videos_and_bad_options(rng):
    video = images(rng, (2, 3, 6, 6, 1), "float64")
    assert gradops.residual_map(*video).shape == [2, 3, 6, 6]
    with pytest.raises(ValueError, match="channels must be one of 'mean', 'each', got 'sum'"):
        gradops.residual_map(*video, channels="sum")
