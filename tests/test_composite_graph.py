"""The TensorFlow composition in graphs, under XLA, in narrow types, and on other inputs."""

import numpy as np
import pytest
import tensorflow as tf
from composite_tools import check_close, pair
from op_tools import each

from gradops import composite, reference

SHAPE = (2, 4, 5, 3)
# Every response and border once, and each penalty that has a selection inside.
CASES = [
    dict(response="component", border="reflect", stencil="scharr", penalty="huber"),
    dict(response="magnitude", border="replicate", stencil="prewitt", penalty="power", alpha=1.5),
    dict(response="absolute", border="zero", stencil="central", penalty="log", scale="unit"),
    dict(response="direction", border="circular", stencil="sobel", penalty="charbonnier"),
    dict(response="normal", border="valid", stencil="forward", normalizer="batch"),
]
UNKNOWN = {"unknown sizes": [None] * 4, "unknown rank": None}


def problem(shape, dtype):
    """Images with NaN under a mask, and weights of one channel."""
    rng = np.random.default_rng(1)
    y_true, y_pred = pair(1, shape, dtype)
    mask = rng.uniform(size=shape) > 0.05
    weights = rng.uniform(size=(*shape[:3], 1)).astype(dtype)
    return np.where(mask, y_true, np.nan), np.where(mask, y_pred, np.nan), weights, mask


def check(loss, gradient, y_true, y_pred, **options):
    dtype = y_pred.dtype.name
    check_close(loss, reference.gradient_loss(y_true, y_pred, **options), dtype)
    expected = reference.loss_gradients(y_true, y_pred, **options)[1]
    check_close(gradient, expected, dtype)


@pytest.mark.parametrize("border", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("sizes", UNKNOWN)
def test_cancelling_taps_with_unknown_static_shapes(sizes, border):
    """What cancels depends on sizes that only the run knows."""
    function = tf.function(
        lambda images: composite.image_gradients(images, stencil="scharr", border=border),
        input_signature=[tf.TensorSpec(UNKNOWN[sizes], tf.float64)],
    )
    for height, width in [(2, 2), (2, 3), (3, 3), (4, 5)] + [(1, 1), (1, 2)] * (
        border != "reflect"
    ):
        images = pair(3, (2, height, width, 1))[0]
        images[0, 0, 0] = np.nan
        expected = reference.image_gradients(images, stencil="scharr", border=border)
        check_close(function(images), expected)


@each(["float32", "float64"], ["float32"], name="dtype")
@each([{}, *CASES], [{}, CASES[1], CASES[4]], name="case")
def test_xla(case, dtype):
    y_true, y_pred, weights, mask = problem(SHAPE, dtype)

    @tf.function(jit_compile=True)
    def step(y_true, y_pred, weights, mask):
        options = dict(case, weights=weights, mask=mask)
        return composite.value_and_gradient(y_true, y_pred, reduction="none", **options)

    actual = step(y_true, y_pred, weights, mask)
    check(*actual, y_true, y_pred, weights=weights, mask=mask, **case)


def test_xla_second_order_and_images():
    y_true, y_pred = (tf.constant(y) for y in pair(4, SHAPE))

    @tf.function(jit_compile=True)
    def product(vector):
        with tf.GradientTape() as outer:
            outer.watch(y_pred)
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                losses = composite.gradient_loss(y_true, y_pred, response="magnitude")
                value = tf.reduce_sum(losses)
            gradient = inner.gradient(value, y_pred)
        return outer.gradient(gradient, y_pred, vector), composite.gradient_magnitude(y_pred)

    vector = pair(5, SHAPE)[0]
    by_pred, magnitude = product(vector)
    expected = reference.hessian_vector_product(y_true, y_pred, vector, response="magnitude")[1]
    check_close(by_pred, expected)
    check_close(magnitude, reference.gradient_magnitude(y_pred))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@each([{}, *CASES], [{}, *CASES[::2]], name="case")
def test_narrow_types_are_computed_in_float32(case, dtype):
    y_true, y_pred = (tf.cast(y, dtype) for y in pair(6, SHAPE))
    wide_true, wide_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    loss, gradient = composite.value_and_gradient(y_true, y_pred, **case)
    wide_loss, wide_gradient = composite.value_and_gradient(wide_true, wide_pred, **case)
    assert loss.dtype == tf.float32 and gradient.dtype == dtype
    np.testing.assert_array_equal(loss, wide_loss)
    np.testing.assert_array_equal(gradient, tf.cast(wide_gradient, dtype))  # Rounded once.
    expected = reference.gradient_loss(wide_true, wide_pred, **case)
    losses = composite.gradient_loss(y_true, y_pred, **case)
    check_close(losses, expected, "float32")
    sums, counts = composite.gradient_sums(y_true, y_pred)
    assert sums.dtype == counts.dtype == tf.float32


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_images(dtype):
    images = tf.cast(pair(7, SHAPE)[0], dtype)
    for name in ("image_gradients", "gradient_magnitude"):
        for options in ({}, {"stencil": "prewitt", "scale": "unit", "border": "valid"}):
            actual = getattr(composite, name)(images, **options)
            expected = getattr(composite, name)(tf.cast(images, tf.float32), **options)
            assert actual.dtype == dtype
            np.testing.assert_array_equal(actual, tf.cast(expected, dtype))
    assert composite.sobel_edges(images).dtype == dtype


def test_unknown_batch_may_be_empty_away_from_sobel_edges():
    function = tf.function(
        lambda y: composite.gradient_loss(None, y, response="magnitude"),
        input_signature=[tf.TensorSpec([None, 4, 5, 3])],
    )
    assert function(tf.zeros([0, 4, 5, 3])).shape == (0,)
