"""The reference's losses and sums against a loop, by hand, and against TensorFlow."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from reference_tools import (
    BORDERS,
    PENALTIES,
    RESPONSES,
    SHAPES,
    STENCILS,
    TUNED,
    brute_sums,
    first,
    grid,
    pair,
)

from gradops import reference

# By hand.


def test_loss_and_gradients_by_hand():
    """d is a corner impulse: residuals -2, -1 in gy and in gx, out of 2 * 3 * 3."""
    y_pred = grid([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    y_true = np.zeros_like(y_pred)
    assert reference.gradient_loss(y_true, y_pred) == pytest.approx([6 / 18])
    assert reference.gradient_loss(y_true, y_pred, penalty="l2") == pytest.approx([10 / 18])
    d_y_true, d_y_pred = reference.loss_gradients(y_true, y_pred)
    expected = np.array([[6, 4, -2], [4, 0, -4], [-2, -4, -2]])
    np.testing.assert_allclose(18 * d_y_pred[0, :, :, 0], expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(18 * d_y_true[0, :, :, 0], -expected, rtol=0, atol=1e-14)
    _, d_y_pred = reference.loss_gradients(y_true, y_pred, [0.5], penalty="l2")
    # 0.5 * 2 * S^T r: gy gives rows (5, 6, 1), 0, -(5, 6, 1), and gx the transpose of that.
    expected = [[5 + 5, 6, 1 - 5], [6, 0, -6], [1 - 5, -6, -1 - 1]]
    np.testing.assert_allclose(18 * d_y_pred[0, :, :, 0], expected, rtol=0, atol=1e-14)


# The whole family against a loop.


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("stencil", STENCILS)
def test_sums_and_losses_match_a_loop(stencil, response):
    y_true, y_pred = pair(20, 2, 4, 3, 2)
    weights = np.random.default_rng(21).random((2, 4, 3, 2))
    turns = itertools.cycle((True, False, True, True, False))  # no penalty is stuck at one
    for (border, penalty), tuned in zip(itertools.product(BORDERS, PENALTIES), turns, strict=False):
        options = {"stencil": stencil, "border": border, "response": response, "penalty": penalty}
        if tuned:
            options |= {"scale": "unit", **TUNED[penalty]}
            if response in ("magnitude", "direction"):
                options["response_epsilon"] = 0.3
        given = {"weights": weights} if tuned else {}
        sums, counts = brute_sums(y_true, y_pred, options, **given)
        actual = reference.gradient_sums(y_true, y_pred, **options, **given)
        np.testing.assert_allclose(actual[0], sums, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(actual[1], counts, rtol=1e-12)
        loss = reference.gradient_loss(y_true, y_pred, **options, **given)
        assert loss.shape == (2,) and loss.dtype == np.float64
        np.testing.assert_allclose(loss, sums.sum(1) / counts.sum(1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "response, dtype",
    list(zip(RESPONSES, (np.uint8, np.int16, np.float16, np.float32, bool, int), strict=True)),
)
def test_other_dtypes_and_channels_first(dtype, response):
    rng = np.random.default_rng(23)
    y_true, y_pred = rng.integers(0, 9, (2, 2, 4, 5, 3)).astype(dtype)
    weights, mask = rng.random((2, 4, 5, 3)), rng.random((2, 4, 5, 1)) < 0.9
    options = {"response": response, "penalty": "huber"}
    vector = y_pred.astype(np.float64)
    last = {**options, "weights": weights, "mask": mask}
    turned = {**options, "weights": first(weights), "mask": first(mask)}
    turned["data_format"] = "channels_first"
    for name, more in [("gradient_loss", []), ("loss_gradients", []), ("gradient_sums", [])]:
        function = getattr(reference, name)
        a = function(y_true, y_pred, *more, **last)
        b = function(first(y_true), first(y_pred), *more, **turned)
        for x, y in zip(a, b, strict=True):
            assert x.dtype == np.float64
            np.testing.assert_array_equal(first(x) if x.ndim == 4 else x, y)
    products = reference.hessian_vector_product(y_true, y_pred, vector, **last)
    images = [first(x) for x in (y_true, y_pred, vector)]
    for x, y in zip(products, reference.hessian_vector_product(*images, **turned), strict=True):
        np.testing.assert_array_equal(first(x) if x.ndim == 4 else x, y)


# Peers.


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_tensorflow(penalty):
    for shape in SHAPES:
        check_tensorflow(penalty, shape)


def check_tensorflow(penalty, shape):
    y_true, y_pred = pair(5, 3, *shape, 3)
    upstream = np.array([0.7, -1.3, 2.5])
    t, p = tf.constant(y_true), tf.constant(y_pred)
    rho = {"l1": tf.abs, "l2": tf.square}[penalty]
    with tf.GradientTape() as tape:
        tape.watch([t, p])
        residuals = tf.image.sobel_edges(p) - tf.image.sobel_edges(t)
        loss = tf.reduce_mean(rho(residuals), axis=[1, 2, 3, 4])
    expected = tape.gradient(loss, [t, p], output_gradients=tf.constant(upstream))
    actual = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    np.testing.assert_allclose(actual, loss, rtol=1e-13, atol=1e-13)
    # TensorFlow may round a residual with empty support to one ulp, whose l1 slope is +-1; it does
    # no harm, since the adjoint taps of such a residual cancel too.
    gradients = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
    for ours, theirs in zip(gradients, expected, strict=True):
        assert ours.shape == y_pred.shape and ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("downsample", ["stride", "average"])
def test_scales_are_losses_of_smaller_images(downsample):
    """The height is odd; a mean is valid if all of its pixels are."""
    y_true, y_pred = pair(25, 2, 13, 8, 2)
    rng = np.random.default_rng(26)
    weights, mask = rng.random((2, 13, 8, 1)), rng.random((2, 13, 8, 1)) > 0.1

    def halved(x):
        if downsample == "stride":
            return x[:, ::2, ::2]
        return x[:, :12].reshape(2, 6, 2, 4, 2, x.shape[3]).mean(axis=(2, 4))

    options = {"penalty": "l2", "response": "normal"}
    given = {"scales": 2, "downsample": downsample, "scale_weights": [1, 0.5], **options}
    given |= {"weights": weights, "mask": mask}
    small = {"weights": halved(weights), "mask": halved(mask) == 1}
    expected = reference.gradient_loss(y_true, y_pred, weights=weights, mask=mask, **options)
    level = reference.gradient_loss(halved(y_true), halved(y_pred), **small, **options)
    loss = reference.multi_scale_loss(y_true, y_pred, **given)
    np.testing.assert_allclose(loss, expected + 0.5 * level, rtol=1e-12)
    direction, _ = pair(27, *y_pred.shape)
    for which, slopes in enumerate(reference.multi_scale_gradients(y_true, y_pred, **given)):
        ends = []
        for step in (1e-6, -1e-6):
            images = [y_true, y_pred]
            images[which] = images[which] + step * direction
            ends.append(np.sum(reference.multi_scale_loss(*images, **given)))
        assert np.sum(slopes * direction) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)
