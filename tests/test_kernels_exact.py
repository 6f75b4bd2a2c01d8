"""The kernels on integer images: borders and ties, where nothing may round but the last factor."""

import numpy as np
import pytest
from kernel_tools import (
    ULP,
    count_of,
    each_dtype,
    each_penalty,
    generator,
    normal,
    pair,
    small_integers,
    upstream_of,
)

from gradops import _kernels, reference

# Borders and corners, pixel by pixel, where nothing large elsewhere can hide an error.

BORDERS = {
    "top left corner": np.s_[:, 0, 0],
    "top right corner": np.s_[:, 0, -1],
    "bottom left corner": np.s_[:, -1, 0],
    "bottom right corner": np.s_[:, -1, -1],
    "diagonal neighbours of the corners": np.s_[:, 1:-1:3, 1:-1:3],
    "top row": np.s_[:, 0],
    "second row": np.s_[:, 1],
    "last row but one": np.s_[:, -2],
    "bottom row": np.s_[:, -1],
    "left column": np.s_[:, :, 0],
    "second column": np.s_[:, :, 1],
    "last column but one": np.s_[:, :, -2],
    "right column": np.s_[:, :, -1],
}


@each_dtype
@each_penalty
@pytest.mark.parametrize("border", BORDERS)
def test_border_pixels_equal_the_oracle_each_relative_to_itself(border, penalty, dtype):
    """On integer images count * gradient is an integer: only the final factor may round."""
    nonzero = 0
    for shape in [(2, 6, 6, 3), (2, 66, 9, 1), (1, 6, 42, 25), (3, 2, 3, 2), (3, 3, 2, 2)]:
        if min(shape[1:3]) < 4 and border.startswith("diagonal"):
            continue
        rng = generator(8, *shape)
        y_true, y_pred = (rng.integers(-9, 10, shape).astype(dtype) for _ in range(2))
        upstream = upstream_of(shape, dtype)
        _, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
        _, expected = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
        pixels = BORDERS[border]
        nonzero += np.count_nonzero(expected[pixels])
        np.testing.assert_allclose(gradient[pixels], expected[pixels], rtol=2 * ULP[dtype], atol=0)
    assert nonzero > 10


# Ties: residuals that are exactly zero.


@each_dtype
@each_penalty
@pytest.mark.parametrize(
    "shape", [(1, 4, 8, 2), (3, 8, 16, 4), (2, 64, 8, 1), (1, 128, 16, 1), (2, 2, 4, 2)]
)
def test_small_integer_images_with_a_power_of_two_count_are_exact(shape, penalty, dtype):
    y_true, y_pred = pair(small_integers, 9, shape, dtype)
    upstream = np.array([1, -2, 0.5], dtype)[: shape[0]]
    residuals = reference.image_gradients(y_pred - y_true)
    assert np.mean(residuals == 0) > 0.05
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    _, expected = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
    np.testing.assert_array_equal(gradient, expected)
    np.testing.assert_array_equal(
        loss, reference.gradient_loss(y_true, y_pred, penalty=penalty).astype(dtype)
    )


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 65, 9, 1), (1, 3, 205, 5), (2, 2, 11, 2)])
def test_count_times_gradient_of_small_integer_images_is_the_oracles_integer(shape, penalty, dtype):
    y_true, y_pred = pair(small_integers, 10, shape, dtype)
    count = count_of(shape)
    one = np.ones(shape[0], dtype)
    _, gradient = _kernels.loss_and_gradient(y_true, y_pred, one, penalty=penalty)
    _, expected = reference.loss_gradients(y_true, y_pred, penalty=penalty)
    integers = np.rint(count * expected)
    np.testing.assert_allclose(integers, count * expected, rtol=1e-12, atol=1e-12)
    assert np.any(integers == 0)
    scaled = count * gradient.astype("float64")
    np.testing.assert_allclose(scaled, integers, rtol=2 * ULP[dtype], atol=0)


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", [(2, 2, 2, 1), (2, 5, 7, 3), (1, 130, 9, 4), (1, 4, 1050, 1)])
def test_identical_images_give_exactly_zero(shape, penalty, dtype):
    images, _ = pair(normal, 11, shape, dtype)
    loss, gradient = _kernels.loss_and_gradient(
        images, images.copy(), upstream_of(shape, dtype), penalty=penalty
    )
    assert np.all(loss == 0)
    assert np.all(gradient == 0)
