"""The reference's image gradients and their adjoint against definitions typed on their own."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from reference_tools import (
    BORDERS,
    SHAPES,
    STENCILS,
    UNITS,
    brute_adjoint,
    brute_gradients,
    first,
    grid,
    pair,
    smallest,
)

from gradops import reference

SMALL = [(1, 1), (1, 4), (3, 1), *SHAPES]
# By hand.


def test_ramp_by_hand():
    columns = grid([[0, 1, 2]] * 3)
    gradients = reference.image_gradients(columns)
    assert gradients.shape == (1, 3, 3, 1, 2)
    np.testing.assert_array_equal(gradients[0, :, :, 0, 0], np.zeros((3, 3)))
    np.testing.assert_array_equal(gradients[0, :, :, 0, 1], [[0, 8, 0]] * 3)
    rows = reference.image_gradients(columns.transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(rows[0, :, :, 0, 0], [[0, 0, 0], [8, 8, 8], [0, 0, 0]])
    np.testing.assert_array_equal(rows[0, :, :, 0, 1], np.zeros((3, 3)))
    for stencil, border in itertools.product(STENCILS, BORDERS):
        # Second differences see how a slope grows: here by 1.
        rows, columns = np.mgrid[:9, :11]
        if stencil.startswith("laplace"):
            rows, columns = rows * (rows - 1) // 2, columns * (columns - 1) // 2
        for down, right in [(1, 0), (0, 1), (2, -3)]:
            options = {"stencil": stencil, "border": border, "scale": "unit"}
            found = reference.image_gradients(grid(down * rows + right * columns), **options)
            wanted = np.broadcast_to([down, right], (7, 9, 2))
            np.testing.assert_allclose(found[0, 1:-1, 1:-1, 0], wanted, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    "border, expected",
    [
        ("reflect", [[0, 0, 0], [-2, -1, 0], [0, 0, 0]]),
        ("replicate", [[-3, -1, 0], [-3, -1, 0], [0, 0, 0]]),
        ("zero", [[0, 0, 0], [-2, -1, 0], [0, 0, 0]]),
        ("circular", [[0, 0, 0], [-2, -1, -1], [2, 1, 1]]),
        ("valid", [[0, 0, 0], [0, -1, 0], [0, 0, 0]]),
    ],
)
def test_borders_by_hand(border, expected):
    """Gy of sobel for a 1 in the top left corner; replicate repeats it in the ghost row above."""
    image = grid([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    gradients = reference.image_gradients(image, border=border)[0, :, :, 0]
    np.testing.assert_array_equal(gradients[..., 0], expected)
    np.testing.assert_array_equal(gradients[..., 1], np.transpose(expected))


# Independent definitions, for every stencil and border.


@pytest.mark.parametrize("stencil", STENCILS)
def test_image_gradients_and_adjoint(stencil):
    for border, shape in itertools.product(BORDERS, SMALL):
        options = {"stencil": stencil, "border": border}
        if min(shape) < smallest(stencil, border):
            continue
        x, _ = pair(1, 2, *shape, 3)
        u, _ = pair(4, 2, *shape, 3, 2)
        for scale in ("raw", "unit"):
            unit = UNITS[stencil] if scale == "unit" else 1
            gradients = reference.image_gradients(x, **options, scale=scale)
            expected = brute_gradients(x, **options) / unit
            assert gradients.dtype == np.float64
            np.testing.assert_allclose(gradients, expected, rtol=0, atol=1e-13)
            adjoint = reference.image_gradients_adjoint(u, **options, scale=scale)
            assert adjoint.shape == x.shape and adjoint.dtype == np.float64
            expected = brute_adjoint(u, **options) / unit
            np.testing.assert_allclose(adjoint, expected, rtol=0, atol=1e-13)
            assert np.sum(gradients * u) == pytest.approx(np.sum(x * adjoint), rel=1e-12, abs=1e-11)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_tensorflow(channels):
    for shape in SHAPES:
        check_tensorflow(pair(1, 2, *shape, channels)[0])


def check_tensorflow(images):
    peer = tf.image.sobel_edges(tf.constant(images))
    np.testing.assert_allclose(reference.sobel_edges(images), peer, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(reference.sobel_edges(images), reference.image_gradients(images))
    peer = np.stack(tf.image.image_gradients(tf.constant(images)), axis=-1)
    np.testing.assert_array_equal(reference.image_gradients(images, stencil="forward"), peer)


@pytest.mark.parametrize(
    "stencil, kernel",
    [
        ("laplace", [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        ("laplace8", [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
    ],
)
def test_the_sum_of_second_differences_is_a_laplacian(stencil, kernel):
    for shape in SHAPES:
        images, _ = pair(3, 2, *shape, 1)
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        taps = tf.constant(np.reshape(kernel, (3, 3, 1, 1)), tf.float64)
        peer = tf.nn.conv2d(padded, taps, 1, "VALID")
        options = {"stencil": stencil, "border": "replicate"}
        found = reference.image_gradients(images, **options).sum(axis=-1)
        np.testing.assert_allclose(found, peer, rtol=0, atol=1e-13)
        loss = reference.gradient_loss(None, images, response="sum", **options)
        np.testing.assert_allclose(loss, np.abs(peer).mean(axis=(1, 2, 3)), rtol=1e-12)


# The magnitude, and the other data format.


@pytest.mark.parametrize("epsilon", [None, 0.0, 0.25])
def test_gradient_magnitude(epsilon):
    for stencil, border in itertools.product(STENCILS, BORDERS):
        check_magnitude(stencil, border, epsilon)


def check_magnitude(stencil, border, epsilon):
    images, upstream = pair(6, 2, 5, 6, 2)
    options = {"stencil": stencil, "border": border, "scale": "unit"}
    m = reference.gradient_magnitude(images, **options, response_epsilon=epsilon)
    g = reference.image_gradients(images, **options)
    inside = np.zeros((5, 6), bool)
    kept = slice(0 if stencil == "forward" else 1, None if stencil == "backward" else -1)
    inside[kept, kept] = True
    inside |= border != "valid"
    expected = np.sqrt(g[..., 0] ** 2 + g[..., 1] ** 2 + (epsilon or 0)) * inside[None, :, :, None]
    np.testing.assert_allclose(m, expected, rtol=1e-14)
    u = upstream[..., None] * g / np.where(m == 0, 1, m)[..., None] * inside[None, :, :, None, None]
    gradient = reference.gradient_magnitude_gradient(
        images, upstream, **options, response_epsilon=epsilon
    )
    adjoint = reference.image_gradients_adjoint(u, **options)
    np.testing.assert_allclose(gradient, adjoint, rtol=0, atol=1e-14)
    assert not np.any(reference.gradient_magnitude_gradient(images * 0, upstream, **options))


@pytest.mark.parametrize("stencil", STENCILS)
def test_channels_first(stencil):
    x, u = pair(7, 2, 4, 5, 3)
    both = pair(8, 2, 4, 5, 3, 2)[0]
    last, fst = {"stencil": stencil}, {"stencil": stencil, "data_format": "channels_first"}
    for name, arguments in [
        ("image_gradients", [x]),
        ("image_gradients_adjoint", [both]),
        ("gradient_magnitude", [x]),
        ("gradient_magnitude_gradient", [x, u]),
    ]:
        function = getattr(reference, name)
        np.testing.assert_array_equal(
            function(*map(first, arguments), **fst), first(function(*arguments, **last))
        )
