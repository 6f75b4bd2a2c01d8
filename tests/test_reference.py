"""The NumPy reference against independent definitions, TensorFlow, and finite differences."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from reference_tools import (
    KERNEL_X,
    KERNEL_Y,
    PENALTIES,
    SHAPES,
    SLOPES,
    brute_adjoint,
    brute_gradients,
    pair,
)

from gradops import reference


def tf_loss(y_true, y_pred, penalty):
    rho = {"l1": tf.abs, "l2": tf.square}[penalty]
    residuals = tf.image.sobel_edges(y_pred) - tf.image.sobel_edges(y_true)
    return tf.reduce_mean(rho(residuals), axis=[1, 2, 3, 4])


def grid(values):
    """A [1, H, W, 1] image from nested lists."""
    return np.asarray(values, np.float64)[None, :, :, None]


# Image gradients and their adjoint.


def test_ramp_by_hand():
    columns = grid([[0, 1, 2]] * 3)
    gradients = reference.image_gradients(columns)
    assert gradients.shape == (1, 3, 3, 1, 2)
    np.testing.assert_array_equal(gradients[0, :, :, 0, 0], np.zeros((3, 3)))
    np.testing.assert_array_equal(gradients[0, :, :, 0, 1], [[0, 8, 0]] * 3)
    rows = reference.image_gradients(columns.transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(rows[0, :, :, 0, 0], [[0, 0, 0], [8, 8, 8], [0, 0, 0]])
    np.testing.assert_array_equal(rows[0, :, :, 0, 1], np.zeros((3, 3)))


def test_corner_impulse_by_hand():
    gradients = reference.image_gradients(grid([[1, 0, 0], [0, 0, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(gradients[0, :, :, 0, 0], [[0, 0, 0], [-2, -1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(gradients[0, :, :, 0, 1], [[0, -2, 0], [0, -1, 0], [0, 0, 0]])


def test_border_impulse_by_hand():
    gradients = reference.image_gradients(grid([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    np.testing.assert_array_equal(
        gradients[0, :, :, 0, 0], [[0, 0, 0, 0], [-2, -2, -1, 0], [0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(
        gradients[0, :, :, 0, 1], [[0, 0, -2, 0], [0, 0, -1, 0], [0, 0, 0, 0]]
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_image_gradients_match_definition_and_tensorflow(shape, channels):
    images, _ = pair(1, 2, *shape, channels)
    gradients = reference.image_gradients(images)
    assert gradients.dtype == np.float64
    np.testing.assert_allclose(gradients, brute_gradients(images), rtol=0, atol=1e-13)
    peer = tf.image.sobel_edges(tf.constant(images))
    np.testing.assert_allclose(gradients, peer, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(reference.sobel_edges(images), gradients)


@pytest.mark.parametrize("shape", SHAPES)
def test_border_and_corner_pixels(shape):
    """np.pad's reflect mode is the border; every edge pixel is compared on its own."""
    height, width = shape
    images, _ = pair(2, 1, height, width, 1)
    padded = np.pad(images[0, :, :, 0], 1, mode="reflect")
    gradients = reference.image_gradients(images)
    for i, j in itertools.product(range(height), range(width)):
        if i in (0, height - 1) or j in (0, width - 1):
            window = padded[i : i + 3, j : j + 3]
            assert gradients[0, i, j, 0, 0] == pytest.approx(np.sum(window * KERNEL_Y), abs=1e-13)
            assert gradients[0, i, j, 0, 1] == pytest.approx(np.sum(window * KERNEL_X), abs=1e-13)
    assert not np.any(gradients[:, [0, -1], :, :, 0])  # The reflected taps cancel exactly.
    assert not np.any(gradients[:, :, [0, -1], :, 1])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_adjoint_identity(shape, channels):
    x, _ = pair(3, 2, *shape, channels)
    u, _ = pair(4, 2, *shape, channels, 2)
    adjoint = reference.image_gradients_adjoint(u)
    assert adjoint.shape == x.shape and adjoint.dtype == np.float64
    forward = np.sum(reference.image_gradients(x) * u)
    assert forward == pytest.approx(np.sum(x * adjoint), rel=1e-12, abs=1e-11)
    np.testing.assert_allclose(adjoint, brute_adjoint(u), rtol=0, atol=1e-13)


def test_adjoint_by_hand():
    """One residual's weights come back transposed; row 0 of gy has no support at all."""
    u = np.zeros((1, 3, 3, 1, 2))
    u[0, 1, 0, 0, 0] = 1
    expected = [[-2, -2, 0], [0, 0, 0], [2, 2, 0]]
    np.testing.assert_array_equal(reference.image_gradients_adjoint(u)[0, :, :, 0], expected)
    u = np.zeros((1, 3, 3, 1, 2))
    u[0, 0, :, 0, 0] = 1
    assert not np.any(reference.image_gradients_adjoint(u))


# Loss and gradients.


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


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_loss_and_gradients_match_tensorflow(penalty, shape, channels):
    y_true, y_pred = pair(5, 3, *shape, channels)
    upstream = np.array([0.7, -1.3, 2.5])
    t, p = tf.constant(y_true), tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch([t, p])
        loss = tf_loss(t, p, penalty)
    expected = tape.gradient(loss, [t, p], output_gradients=tf.constant(upstream))
    actual = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    assert actual.shape == (3,) and actual.dtype == np.float64
    np.testing.assert_allclose(actual, loss, rtol=1e-13, atol=1e-13)
    # TensorFlow may round a residual with empty support to one ulp, whose l1 slope is +-1; it does
    # no harm, since the adjoint taps of such a residual cancel too.
    gradients = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
    for ours, theirs in zip(gradients, expected, strict=True):
        assert ours.shape == y_pred.shape and ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", [(2, 5), (3, 2), (4, 5)])
def test_gradients_match_finite_differences(penalty, shape):
    y_true, y_pred = pair(6, 2, *shape, 2)
    upstream = np.array([1.5, -0.4])
    step = 1e-6
    residuals = np.abs(reference.image_gradients(y_pred - y_true))
    assert np.min(residuals[residuals > 0]) > 8 * step  # No residual crosses its kink.
    for which, gradient in enumerate(
        reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
    ):
        for index in np.ndindex(y_pred.shape):
            ends = []
            for sign in (1, -1):
                images = [y_true.copy(), y_pred.copy()]
                images[which][index] += sign * step
                ends.append(upstream @ reference.gradient_loss(*images, penalty=penalty))
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-8)


def test_options_given_explicitly_are_the_defaults():
    y_true, y_pred = pair(7, 2, 4, 5, 3)
    options = {"stencil": "sobel", "response": "component", "border": "reflect", "scale": "raw"}
    np.testing.assert_array_equal(
        reference.gradient_loss(y_true, y_pred, penalty="l1", **options),
        reference.gradient_loss(y_true, y_pred),
    )


def test_tables_list_exactly_what_exists():
    assert list(reference.STENCILS) == ["sobel"]
    assert list(reference.PENALTIES) == PENALTIES
    assert list(reference.RESPONSES) == ["component"]
    assert list(reference.BORDERS) == ["reflect"]
    assert list(reference.SCALES) == ["raw"]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_identical_images_are_exactly_zero(penalty):
    y_true, _ = pair(8, 2, 5, 4, 3)
    assert not np.any(reference.gradient_loss(y_true, y_true, penalty=penalty))
    for gradient in reference.loss_gradients(y_true, y_true, [3.0, -2.0], penalty=penalty):
        assert not np.any(gradient)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_zero_slope_at_ties(penalty):
    """Small integers make many residuals exactly 0; all arithmetic here is exact."""
    rng = np.random.default_rng(9)
    y_true = rng.integers(0, 2, size=(2, 8, 9, 3))
    y_pred = rng.integers(0, 2, size=(2, 8, 9, 3))
    residuals = brute_gradients((y_pred - y_true).astype(np.float64))
    interior = residuals[:, 1:-1, 1:-1]
    assert 0.05 < np.mean(interior == 0) < 0.5
    count = 2 * 8 * 9 * 3
    _, d_y_pred = reference.loss_gradients(y_true, y_pred, [count, count], penalty=penalty)
    np.testing.assert_array_equal(d_y_pred, brute_adjoint(SLOPES[penalty](residuals)))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_empty_batch(penalty):
    images = np.zeros((0, 4, 5, 3))
    loss = reference.gradient_loss(images, images, penalty=penalty)
    assert loss.shape == (0,) and loss.dtype == np.float64
    for gradient in reference.loss_gradients(images, images, np.zeros(0), penalty=penalty):
        assert gradient.shape == images.shape
    assert reference.image_gradients(images).shape == (0, 4, 5, 3, 2)
    assert reference.image_gradients_adjoint(np.zeros((0, 4, 5, 3, 2))).shape == images.shape
    product = reference.hessian_vector_product(images, images, images, penalty=penalty)
    assert product.shape == images.shape


# Second order.


@pytest.mark.parametrize("shape", [(2, 5), (3, 3), (4, 5)])
def test_hessian_vector_product_matches_finite_differences(shape):
    y_true, y_pred = pair(12, 2, *shape, 2)
    vector, _ = pair(13, 2, *shape, 2)
    upstream = np.array([1.5, -0.4])
    product = reference.hessian_vector_product(y_true, y_pred, vector, upstream, penalty="l2")
    step = 1e-4

    def gradient(at):
        return reference.loss_gradients(y_true, at, upstream, penalty="l2")[1]

    along = (gradient(y_pred + step * vector) - gradient(y_pred - step * vector)) / (2 * step)
    np.testing.assert_allclose(product, along, rtol=0, atol=1e-9)
    for index in np.ndindex(y_pred.shape):  # d/dp <v, dL/dp>, one pixel of p at a time.
        ends = []
        for sign in (1, -1):
            moved = y_pred.copy()
            moved[index] += sign * step
            ends.append(np.sum(vector * gradient(moved)))
        assert product[index] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-8)


def test_hessian_vector_product_of_l1_is_zero():
    y_true, y_pred = pair(14, 2, 4, 5, 3)
    product = reference.hessian_vector_product(y_true, y_pred, np.ones_like(y_pred), penalty="l1")
    assert product.shape == y_pred.shape and not np.any(product)
