"""The kernels: NaN and Inf are where the oracle has them."""

import numpy as np
import pytest
from kernel_tools import (
    assert_same_bits,
    assert_same_kinds_and_close,
    dyadic,
    each_dtype,
    each_penalty,
    generator,
    normal,
    pair,
    upstream_of,
)

from gradops import _kernels, reference


@each_dtype
@pytest.mark.parametrize("response", ["component", "absolute"])
@pytest.mark.parametrize("column", [0, 1, 4, 5])
def test_nan_beside_the_border_leaves_the_rows_around_it_as_they_are_in_the_oracle(
    column, response, dtype
):
    """Of an image tall enough for groups of rows: those with a NaN ghost go one by one."""
    shape = (1, 19, 6, 1)
    one = np.ones(1, dtype)
    for row in range(shape[1]):
        y_true, y_pred = pair(dyadic, 23, shape, dtype)
        y_pred[0, row, column, 0] = np.nan
        loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, one, response=response)
        expected = reference.gradient_loss(y_true, y_pred, response=response)
        _, expected_gradient = reference.loss_gradients(y_true, y_pred, response=response)
        assert_same_kinds_and_close(loss, expected, dtype)
        assert_same_kinds_and_close(gradient, expected_gradient, dtype)


@each_dtype
@each_penalty
@pytest.mark.parametrize("which", ["y_true", "y_pred"])
@pytest.mark.parametrize("size", [(2, 2), (2, 3), (3, 2), (3, 3), (2, 7), (6, 2), (4, 5), (6, 6)])
def test_nan_anywhere_reaches_exactly_the_pixels_it_reaches_in_the_oracle(
    size, which, penalty, dtype
):
    """Centre, neighbours of an edge, border and corner: every pixel of a small image in turn."""
    shape = (1, *size, 2)
    one = np.ones(1, dtype)
    for row, column in np.ndindex(*size):
        images = dict(
            zip(("y_true", "y_pred"), pair(dyadic, 22, shape, dtype), strict=True),
        )
        images[which][0, row, column, 1] = np.nan
        arrays = images["y_true"], images["y_pred"]
        loss, gradient = _kernels.loss_and_gradient(*arrays, one, penalty=penalty)
        expected = reference.gradient_loss(*arrays, penalty=penalty)
        _, expected_gradient = reference.loss_gradients(*arrays, penalty=penalty)
        assert_same_kinds_and_close(loss, expected, dtype)
        assert_same_kinds_and_close(gradient, expected_gradient, dtype)
        assert_same_bits(_kernels.loss(*arrays, penalty=penalty), loss)
        assert not np.isnan(gradient[..., 0]).any()


@each_dtype
@each_penalty
@pytest.mark.parametrize(
    "shape, pixel",
    [
        *[((3, 130, 5, 2), (row, 2, 0)) for row in (0, 1, 61, 62, 63, 64, 65, 66, 127, 128, 129)],
        *[((3, 3, 1030, 1), (1, c, 0)) for c in (0, 1, 2, 1021, 1023, 1024, 1028, 1029)],
        *[((3, 3, 350, 3), (1, c, 2)) for c in (0, 340, 341, 342, 349)],
        *[((3, 5, 4, 400), (2, 1, c)) for c in (0, 1, 255, 256, 399)],
    ],
)
def test_nan_reaches_no_other_example(shape, pixel, penalty, dtype):
    y_true, y_pred = pair(dyadic, 23, shape, dtype)
    upstream = upstream_of(shape, dtype)
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    y_pred[(1, *pixel)] = np.nan
    actual = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    np.testing.assert_array_equal(np.isnan(actual[0]), [False, True, False])
    for found, clean in zip(actual, (loss, gradient), strict=True):
        assert_same_bits(found[[0, 2]], clean[[0, 2]])
    _, expected = reference.loss_gradients(y_true[1:2], y_pred[1:2], penalty=penalty)
    reached = np.isnan(expected[0])
    np.testing.assert_array_equal(np.isnan(actual[1][1]), reached)
    assert_same_bits(actual[1][1][~reached], gradient[1][~reached])


@each_dtype
@each_penalty
def test_nan_in_a_2x2_image_is_in_no_support_and_gives_exactly_zero(penalty, dtype):
    y_true, y_pred = pair(normal, 24, (4, 2, 2, 3), dtype)
    for b in range(4):
        y_pred[b, b // 2, b % 2] = np.nan
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, np.ones(4, dtype), penalty=penalty)
    assert np.all(loss == 0)
    assert np.all(gradient == 0)
    assert np.all(_kernels.image_gradients(y_pred) == 0)


def with_specials(rng, array):
    """One to three NaN, inf or -inf at random places."""
    places = rng.integers(0, array.size, rng.integers(1, 4))
    array.flat[places] = rng.choice([np.nan, np.inf, -np.inf], places.size)
    return array


@each_dtype
@each_penalty
def test_nan_inf_and_finite_values_are_where_the_oracle_has_them(penalty, dtype):
    """An infinite pixel makes the loss inf, not NaN; l1's gradient stays finite (sign(inf) = 1),
    l2's is inf, and NaN where inf meets -inf. Found by the oracle's arithmetic, and asserted as is.
    """
    rng = generator(25)
    for _ in range(200):
        shape = (2, *rng.integers(2, 8, 2), rng.integers(1, 4))
        y_true, y_pred = dyadic(rng, shape, dtype), dyadic(rng, shape, dtype)
        with_specials(rng, y_pred)
        if rng.random() < 0.5:
            with_specials(rng, y_true)
        loss, gradient = _kernels.loss_and_gradient(
            y_true, y_pred, np.ones(2, dtype), penalty=penalty
        )
        with np.errstate(invalid="ignore"):
            expected = reference.gradient_loss(y_true, y_pred, penalty=penalty)
            _, expected_gradient = reference.loss_gradients(y_true, y_pred, penalty=penalty)
        assert_same_kinds_and_close(loss, expected, dtype)
        assert_same_kinds_and_close(gradient, expected_gradient, dtype)


@each_dtype
def test_nan_and_inf_pass_through_the_stencil_and_its_adjoint_as_in_the_oracle(dtype):
    rng = generator(26)
    for _ in range(200):
        shape = (1, *rng.integers(2, 8, 2), rng.integers(1, 4))
        images = with_specials(rng, dyadic(rng, shape, dtype))
        upstream = with_specials(rng, dyadic(rng, (*shape, 2), dtype))
        with np.errstate(invalid="ignore"):
            edges = reference.image_gradients(images)
            back = reference.image_gradients_adjoint(upstream)
        assert_same_kinds_and_close(_kernels.image_gradients(images), edges, dtype)
        assert_same_kinds_and_close(_kernels.image_gradients_adjoint(upstream), back, dtype)
