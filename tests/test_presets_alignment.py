"""The scale and the shift of MiDaS: least squares, what is degenerate, and gradients."""

import numpy as np
import preset_references_depth as references
import pytest
import tensorflow as tf

from gradops.presets import align_scale_and_shift

SHAPE = (3, 7, 6, 2)


def pair(rng, dtype="float64"):
    return [rng.normal(size=SHAPE).astype(dtype) for _ in range(2)]


def by_pixel(values):
    return np.reshape(values, [-1, 1, 1, 1])


@pytest.mark.parametrize("channels", [None, 1, 2])
def test_least_squares(rng, channels):
    """As numpy.linalg.lstsq finds them for the valid pixels of each example."""
    y_true, y_pred = pair(rng)
    mask = None if channels is None else rng.random((*SHAPE[:3], channels)) < 0.7
    if mask is not None:
        y_true = np.where(mask, y_true, np.nan)
    aligned, scale, shift = align_scale_and_shift(y_true, y_pred, mask=mask)
    for b in range(len(y_true)):
        valid = np.full(SHAPE[1:], True) if mask is None else mask[b] & np.full(SHAPE[1:], True)
        p, t = y_pred[b][valid], y_true[b][valid]
        (a, c), *_ = np.linalg.lstsq(np.stack([p, np.ones_like(p)], 1), t, rcond=None)
        np.testing.assert_allclose([scale[b], shift[b]], [a, c], rtol=1e-10)
        np.testing.assert_allclose(aligned[b], a * y_pred[b] + c, rtol=1e-9, atol=1e-12)


def test_depths_that_vary_little(rng):
    """In float32, whose determinant of the normal equations would be rounding alone."""
    target = rng.random(SHAPE).astype("float32")
    prediction = (1000 + target).astype("float32")
    _, scale, shift = align_scale_and_shift(target, prediction)
    expected = [
        references.align(*(x[b : b + 1].astype("float64") for x in (target, prediction)))
        for b in range(len(target))
    ]
    np.testing.assert_allclose(scale, np.concatenate([a for a, _ in expected]), rtol=1e-5)
    np.testing.assert_allclose(shift, np.concatenate([c for _, c in expected]), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e-30])
def test_constant_predictions(rng, dtype, value):
    """The mean of the target, whatever rounding makes of the variance; gradients are finite."""
    target = rng.normal(size=(1, 300, 301, 1)).astype(dtype)
    prediction = tf.fill(target.shape, tf.constant(value, dtype))
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        aligned, scale, shift = align_scale_and_shift(target, prediction)
        losses = tf.reduce_sum(aligned**2) + scale + shift
    assert scale == 0
    mean = target.mean(dtype="float64")
    np.testing.assert_allclose(shift, [mean], rtol=1e-6)
    np.testing.assert_allclose(aligned, np.full(target.shape, mean), rtol=1e-6)
    assert np.isfinite(tape.gradient(losses, prediction)).all()


def test_one_float32_step_in_one_pixel_is_no_constant():
    prediction = np.ones((1, 500, 500, 1), "float32")
    prediction[0, 3, 4, 0] = np.nextafter(np.float32(1), np.float32(2))
    target = prediction * np.float32(3)
    _, scale, shift = align_scale_and_shift(target, prediction)
    np.testing.assert_allclose(scale * 1 + shift, [3], rtol=1e-6)
    assert abs(scale[0]) > 1


def test_examples_without_pixels(rng):
    target, prediction = pair(rng)
    mask = np.ones((*SHAPE[:3], 1), bool)
    mask[1] = False
    target[1] = np.nan
    aligned, scale, shift = align_scale_and_shift(target, prediction, mask=mask)
    assert scale[1] == 0 and shift[1] == 0 and np.isfinite(aligned).all()


def test_gradients(rng):
    """By both images, beside those of the normal equations."""
    target, prediction = map(tf.constant, pair(rng))
    vector = rng.normal(size=SHAPE)

    def ours(t, p):
        return tf.reduce_sum(align_scale_and_shift(t, p)[0] * vector)

    def theirs(t, p):
        scale, shift = (x[:, None, None, None] for x in references.align(t, p))
        return tf.reduce_sum((scale * p + shift) * vector)

    found = []
    for function in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch([target, prediction])
            value = function(target, prediction)
        found.append(tape.gradient(value, [target, prediction]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_stop_gradient(rng):
    """Scale and shift are numbers then: the gradient is the scale."""
    target, prediction = map(tf.constant, pair(rng))
    with tf.GradientTape() as tape:
        tape.watch([target, prediction])
        aligned, scale, _ = align_scale_and_shift(target, prediction, stop_gradient=True)
        total = tf.reduce_sum(aligned)
    by_true, by_pred = tape.gradient(total, [target, prediction])
    assert by_true is None
    np.testing.assert_array_equal(by_pred, np.broadcast_to(by_pixel(scale), SHAPE))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_invalid_predictions_stay_and_spoil_nothing(rng, value):
    target, prediction = pair(rng)
    mask = rng.random((*SHAPE[:3], 1)) < 0.7
    expected = align_scale_and_shift(target, prediction, mask=mask)
    spoilt = tf.constant(np.where(mask, prediction, value))
    with tf.GradientTape() as tape:
        tape.watch(spoilt)
        aligned, scale, shift = align_scale_and_shift(target, spoilt, mask=mask)
        total = tf.reduce_sum(tf.where(mask, aligned, 0))
    np.testing.assert_array_equal(scale, expected[1])
    np.testing.assert_array_equal(shift, expected[2])
    np.testing.assert_array_equal(aligned, np.where(mask, expected[0], value))
    assert np.isfinite(tape.gradient(total, spoilt)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(rng, dtype):
    images = [tf.cast(x, dtype) for x in pair(rng)]
    results = align_scale_and_shift(*images)
    wide = align_scale_and_shift(*(tf.cast(x, "float64") for x in images))
    for one, other in zip(results, wide, strict=True):
        assert one.dtype == (tf.float64 if dtype == "float64" else tf.float32)
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
