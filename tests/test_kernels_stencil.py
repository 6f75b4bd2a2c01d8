"""The kernels: the stencil and its transpose."""

import numpy as np
import pytest
from kernel_tools import (
    EMPTY,
    SHAPES,
    SMALL,
    TALL,
    TOLERANCE,
    assert_close,
    count_of,
    dyadic,
    each_dtype,
    each_penalty,
    generator,
    normal,
    pair,
)

from gradops import _kernels, reference


@each_dtype
@pytest.mark.parametrize("shape", SHAPES[:-12] + EMPTY)
def test_image_gradients_and_their_adjoint_equal_the_oracle(shape, dtype):
    images = normal(generator(15, *shape), shape, dtype)
    upstream = normal(generator(16, *shape), (*shape, 2), dtype)
    assert_close(_kernels.image_gradients(images), reference.image_gradients(images), dtype)
    assert_close(
        _kernels.image_gradients_adjoint(upstream),
        reference.image_gradients_adjoint(upstream),
        dtype,
    )


@each_dtype
@pytest.mark.parametrize("shape", [*SMALL, (2, 130, 5, 3), (1, 3, 350, 3), (1, 64, 2, 67)])
def test_image_gradients_and_their_adjoint_are_exact_on_integers(shape, dtype):
    rng = generator(17, *shape)
    x = rng.integers(-99, 100, shape).astype(dtype)
    y = rng.integers(-99, 100, (*shape, 2)).astype(dtype)
    np.testing.assert_array_equal(_kernels.image_gradients(x), reference.image_gradients(x))
    np.testing.assert_array_equal(
        _kernels.image_gradients_adjoint(y), reference.image_gradients_adjoint(y)
    )


@each_dtype
@pytest.mark.parametrize("shape", [*SMALL, *TALL, (1, 3, 350, 3), (1, 4, 1025, 1), (2, 3, 3, 67)])
def test_adjoint_identity_holds_exactly_on_integers(shape, dtype):
    """<S x, y> = <x, S^T y>."""
    rng = generator(18, *shape)
    x = rng.integers(-9, 10, shape).astype(dtype)
    y = rng.integers(-9, 10, (*shape, 2)).astype(dtype)
    forward = np.sum(_kernels.image_gradients(x).astype("float64") * y)
    assert forward == np.sum(x.astype("float64") * _kernels.image_gradients_adjoint(y))


@each_dtype
@pytest.mark.parametrize("shape", [(2, 11, 13, 5), (1, 129, 7, 3), (1, 3, 1025, 1)])
def test_adjoint_identity_holds_on_real_numbers(shape, dtype):
    x = normal(generator(19, *shape), shape, dtype)
    y = normal(generator(20, *shape), (*shape, 2), dtype)
    forward = _kernels.image_gradients(x).astype("float64")
    backward = _kernels.image_gradients_adjoint(y).astype("float64")
    difference = np.sum(forward * y) - np.sum(x * backward)
    assert abs(difference) <= TOLERANCE[dtype] * np.sum(np.abs(forward * y))


@each_dtype
@each_penalty
def test_the_gradient_is_the_adjoint_of_the_penaltys_slope(penalty, dtype):
    shape = (2, 67, 9, 3)
    y_true, y_pred = pair(dyadic, 21, shape, dtype)
    residuals = _kernels.image_gradients(y_pred - y_true)
    slopes = np.sign(residuals) if penalty == "l1" else 2 * residuals
    one = np.ones(2, dtype)
    _, gradient = _kernels.loss_and_gradient(y_true, y_pred, one, penalty=penalty)
    adjoint = _kernels.image_gradients_adjoint(slopes).astype("float64")
    assert_close(gradient, adjoint / count_of(shape), dtype)
