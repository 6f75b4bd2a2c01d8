"""The losses of depth: parity with their definitions, and what those do not say."""

import numpy as np
import preset_references_depth as references
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
from gradops import _backend, presets

CASES = references.PRESETS
each_case = pytest.mark.parametrize("name", CASES)
# float64: rounding of sums of a few thousand terms. float32: also that of logarithms and cosines,
# and of the determinant by which MiDaS aligns.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
OPTIONS = {
    "dense_depth_edges": [{}],
    "midas_gradient_matching": [{}, {"normalizer": "batch", "align": True, "scales": 3}],
    "megadepth_gradient_matching": [{}, {"normalizer": "batch", "scales": 2}],
    "hu_loss": [{}, {"depth_weight": 0, "epsilon": 0.2}],
    "zoedepth_grad_l1": [{}, {"direction": "stable"}, {"direction": "none"}],
}
FORMS = [(name, options) for name, several in OPTIONS.items() for options in several]
each_form = pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
SHAPE = (2, 37, 33, 2)


def images(rng, shape=SHAPE):
    return references.depths(rng, shape, 0.5)


def with_mask(rng, options, channels=1):
    return {**options, "mask": tf.constant(rng.random((*SHAPE[:3], channels)) < 0.9)}


@each_case
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_parity(name, dtype):
    found = worst(CASES[name], dtype)
    assert max(found) <= TOLERANCE[dtype], found


@pytest.mark.extended
@each_case
@pytest.mark.parametrize("seed", range(20))
def test_parity_of_other_numbers(name, seed):
    found = worst(CASES[name], "float64", seed)
    assert max(found) <= TOLERANCE["float64"], found


@each_case
def test_gradient_by_the_target(rng, name):
    case = CASES[name]
    preset = case._replace(preset=lambda p, t, **options: case.preset(t, p, **options))
    swapped = preset._replace(reference=lambda p, t, **options: case.reference(t, p, **options))
    for target, prediction, options in case.inputs(rng):
        if "mask" not in options:
            found = errors(swapped, (prediction, target, options), "float64")
            assert max(found) <= TOLERANCE["float64"]


@each_form
def test_every_mode(rng, name, options):
    options = with_mask(rng, options)
    assert_same_in_every_mode(getattr(presets, name), *images(rng), options, 2e-6)


@each_form
def test_channels_first(rng, name, options):
    for channels in (1, 2):
        masked = with_mask(rng, options, channels)
        assert_same_in_channels_first(getattr(presets, name), *images(rng), masked)


@each_form
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(rng, name, options, dtype):
    function = getattr(presets, name)
    assert_narrow_is_computed_in_float32(function, *images(rng), options, dtype)


@each_form
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -3.0])
def test_nothing_invalid_is_looked_at(rng, name, options, value):
    """What is under the mask changes neither losses nor gradients, also in the prediction."""
    options = with_mask(rng, options)
    run = step(getattr(presets, name), options)
    pair = images(rng)
    expected = run(*map(tf.constant, pair))
    spoilt = [np.where(options["mask"], x, value) for x in pair]
    for one, other in zip(run(*map(tf.constant, spoilt)), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@each_form
@pytest.mark.parametrize("other", [2.0, 3.0])
def test_flat_images_have_finite_gradients(name, options, other):
    flat = tf.fill(SHAPE, 2.0)
    for value in step(getattr(presets, name), options)(flat, tf.fill(SHAPE, other)):
        assert np.isfinite(value).all()


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
        tf.reduce_mean(call(*stacked, mask=empty, normalizer="batch")), both, rtol=1e-12
    )
    by_image = tf.reduce_mean(call(target, prediction, mask=mask))
    assert abs(both / by_image - 1) > 1e-4


@pytest.mark.fused
def test_midas_is_one_loss():
    """Of all scales, where the backend has them in one op."""
    spec = tf.TensorSpec([2, 16, 16, 1])
    for scales in (1, 3):
        function = tf.function(
            lambda t, p, scales=scales: presets.midas_gradient_matching(t, p, scales=scales)
        )
        assert ops_of(function, spec, spec) == ["Gradops>Loss"] * (
            1 if _backend.takes_scales() else scales
        )


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


def test_megadepth_is_blind_to_scale(rng):
    target, prediction = images(rng)
    losses = presets.megadepth_gradient_matching(target, prediction)
    scaled = presets.megadepth_gradient_matching(target, 7.3 * prediction)
    np.testing.assert_allclose(scaled, losses, rtol=1e-12)
    logarithms = presets.megadepth_gradient_matching(
        target, np.log(prediction), prediction="log_depth"
    )
    np.testing.assert_allclose(logarithms, losses, rtol=1e-12)


def test_presets_are_part_of_gradops():
    assert gradops.presets is presets and "presets" in gradops.__all__
