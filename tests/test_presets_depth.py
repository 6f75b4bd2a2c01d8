"""What the losses of depth promise beyond their definitions."""

import numpy as np
import preset_references_depth as references
import pytest
import tensorflow as tf
from preset_tools import step, tolerance

from gradops import presets

SHAPE = (2, 37, 33, 2)


def images(rng):
    return references.depths(rng, SHAPE, 0.5)


@pytest.mark.parametrize("name", ["midas_gradient_matching", "zoedepth_grad_l1"])
def test_batch_based_losses_have_the_mean_of_one_quotient(rng, name):
    """The example with more valid pixels weighs more, and one without any is no matter."""
    target, prediction = images(rng)
    mask = rng.random((*SHAPE[:3], 1)) < [[[[0.95]]], [[[0.7]]]]
    call = getattr(presets, name)
    both = tf.reduce_mean(call(target, prediction, mask=mask, normalizer="batch"))
    stacked = [np.concatenate([x, x, x]) for x in (target, prediction)]
    empty = np.concatenate([mask, np.zeros_like(mask), mask])
    np.testing.assert_allclose(
        tf.reduce_mean(call(*stacked, mask=empty, normalizer="batch")),
        both,
        rtol=tolerance(target.size, "float64"),
    )
    by_image = tf.reduce_mean(call(target, prediction, mask=mask))
    assert abs(both / by_image - 1) > 1e-4


def test_zoedepth_s_angle_and_its_stable_form():
    """atan takes g for -g, which 1 - cos does not; near a flat image its slope explodes."""
    ramp = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
    loss = presets.zoedepth_grad_l1
    np.testing.assert_allclose(loss(ramp, -ramp), [0], atol=1e-6)
    np.testing.assert_allclose(loss(ramp, -ramp, direction="stable"), [2], rtol=1e-6)
    nearly_flat = 1e-9 * tf.reshape(tf.range(16.0) % 5, [1, 4, 4, 1])
    slopes = {}
    for direction in ("atan", "stable"):
        _, _, gradient = step(loss, {"direction": direction})(ramp, nearly_flat)
        slopes[direction] = np.abs(gradient).max()
    assert slopes["atan"] > 1e6 and slopes["stable"] < 100


def test_zoedepth_s_angle_has_a_gradient_where_its_quotient_is_0_by_0():
    target = tf.reshape(tf.range(9.0, dtype=tf.float64), [1, 3, 3, 1])
    columns = tf.constant([0.0, -1e-10, -2e-10], tf.float64)
    prediction = tf.tile(tf.reshape(columns, [1, 1, 3, 1]), [1, 3, 1, 1])
    for value in step(presets.zoedepth_grad_l1, {})(target, prediction):
        assert np.isfinite(value).all()


def test_hu_loss_of_equal_images_is_its_lower_bound(rng):
    target, _ = images(rng)
    np.testing.assert_allclose(presets.hu_loss(target, target), [3 * np.log(0.5)] * 2, rtol=1e-12)
    bound = presets.hu_loss(target, target, depth_weight=2, gradient_weight=0, epsilon=0.1)
    np.testing.assert_allclose(bound, [2 * np.log(0.1)] * 2, rtol=1e-12)


@pytest.mark.parametrize("preset", [presets.hu_loss, presets.zoedepth_grad_l1, presets.mprnet_edge])
def test_images_without_channels_have_a_loss_of_zero(preset):
    nothing = tf.zeros([2, 8, 8, 0])
    of_any_shape = tf.function(preset, [tf.TensorSpec([None] * 4)] * 2)
    for call in (preset, of_any_shape):
        np.testing.assert_array_equal(call(nothing, nothing), [0, 0])
