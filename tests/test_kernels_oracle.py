"""The kernels on NumPy arrays (gradops._kernels) against the float64 oracle, from the outside."""

import functools

import numpy as np
import pytest
from kernel_tools import (
    CHANNELS,
    LOSS_TOLERANCE,
    MANY_UNITS,
    SHAPES,
    SMALL,
    TALL,
    assert_close,
    assert_same_bits,
    count_of,
    dyadic,
    each_dtype,
    each_penalty,
    normal,
    pair,
    upstream_of,
)

from gradops import _kernels, reference


@functools.cache
def example(shape, penalty):
    """(y_true, y_pred, upstream, loss, gradient), float64; the first three exact in float32."""
    y_true, y_pred = pair(dyadic if penalty == "l1" else normal, 0, shape, "float32")
    images = y_true.astype("float64"), y_pred.astype("float64")
    upstream = upstream_of(shape)
    loss = reference.gradient_loss(*images, penalty=penalty)
    _, gradient = reference.loss_gradients(*images, upstream, penalty=penalty)
    return *images, upstream, loss, gradient


# The loss and its gradient.


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradient_equal_the_oracle(shape, penalty, dtype):
    *arrays, loss, gradient = example(shape, penalty)
    actual = _kernels.loss_and_gradient(*(a.astype(dtype) for a in arrays), penalty=penalty)
    assert (actual[0].dtype, actual[0].shape) == (dtype, shape[:1])
    np.testing.assert_allclose(actual[0], loss, rtol=LOSS_TOLERANCE[dtype], atol=0)
    assert_close(actual[1], gradient, dtype)


@each_penalty
@pytest.mark.parametrize("shape", SMALL + CHANNELS[:5] + TALL[::4])
def test_float64_images_of_full_precision_equal_the_oracle(shape, penalty):
    y_true, y_pred = pair(normal, 2, shape)
    upstream = upstream_of(shape)
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    assert_close(loss, reference.gradient_loss(y_true, y_pred, penalty=penalty), "float64")
    _, expected = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
    assert_close(gradient, expected, "float64")


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", SHAPES + MANY_UNITS)
def test_forward_only_loss_has_the_bits_of_the_loss_with_gradient(shape, penalty, dtype):
    y_true, y_pred = pair(normal, 3, shape, dtype)
    alone = _kernels.loss(y_true, y_pred, penalty=penalty)
    upstream = upstream_of(shape, dtype)
    assert_same_bits(
        alone, _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)[0]
    )
    assert alone.shape == shape[:1]


@each_dtype
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 1e-40, 1e38])
def test_the_upstream_of_an_example_leaves_every_loss_and_the_other_gradients_alone(value, dtype):
    shape = (3, 70, 8, 3)
    y_true, y_pred = pair(normal, 4, shape, dtype)
    upstream = upstream_of(shape, dtype)
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream)
    upstream[1] = value
    actual = _kernels.loss_and_gradient(y_true, y_pred, upstream)
    assert_same_bits(actual[0], loss)
    assert_same_bits(actual[1][[0, 2]], gradient[[0, 2]])


@each_dtype
@each_penalty
def test_each_example_of_a_batch_has_its_own_loss_and_gradient(penalty, dtype):
    """Examples whose sizes differ by orders of magnitude, each relative to itself."""
    shape = (5, 67, 9, 3)
    y_true, y_pred = pair(dyadic if penalty == "l1" else normal, 5, shape, dtype)
    factors = np.array([1, 1024, 2**-10, 0, 2**15], dtype)[:, None, None, None]
    y_true, y_pred = y_true * factors, y_pred * factors
    upstream = np.array([1, 2**-20, 3, 1, 2**-8], dtype)
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    expected = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    _, expected_gradient = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
    for b in range(shape[0]):
        assert_close(loss[b : b + 1], expected[b : b + 1], dtype)
        assert_close(gradient[b], expected_gradient[b], dtype)


# A second oracle, vectorised over pixels: quick enough for every width in a range.


def padded(images):
    return np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")


def padded_forward(x):
    x = padded(x)
    rows, columns = x[:, 2:] - x[:, :-2], x[:, :, 2:] - x[:, :, :-2]
    gy = rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    gx = columns[:, :-2] + 2 * columns[:, 1:-1] + columns[:, 2:]
    return gy, gx


def padded_adjoint(gy, gx):
    batch, height, width, channels = gy.shape
    x = np.zeros((batch, height + 2, width + 2, channels))
    for offset, weight in enumerate((1, 2, 1)):
        x[:, 2:, offset : offset + width] += weight * gy
        x[:, :-2, offset : offset + width] -= weight * gy
        x[:, offset : offset + height, 2:] += weight * gx
        x[:, offset : offset + height, :-2] -= weight * gx
    for _ in range(2):  # fold the ghosts back, rows and then columns
        x[:, 2] += x[:, 0]
        x[:, -3] += x[:, -1]
        x = x[:, 1:-1].swapaxes(1, 2)
    return x


def padded_loss_gradient(y_true, y_pred, penalty):
    residuals = padded_forward(y_pred.astype("float64") - y_true)
    slopes = [np.sign(r) if penalty == "l1" else 2 * r for r in residuals]
    value = sum((np.abs(r) if penalty == "l1" else r * r).sum((1, 2, 3)) for r in residuals)
    count = count_of(y_true.shape)
    return value / count, padded_adjoint(*slopes) / count


@each_penalty
@pytest.mark.parametrize("shape", SMALL + TALL[-4:])
def test_the_second_oracle_equals_the_oracle(shape, penalty):
    y_true, y_pred = pair(normal, 6, shape)
    loss, gradient = padded_loss_gradient(y_true, y_pred, penalty)
    assert_close(loss, reference.gradient_loss(y_true, y_pred, penalty=penalty), "float64")
    _, expected = reference.loss_gradients(y_true, y_pred, penalty=penalty)
    assert_close(gradient, expected, "float64")


WIDTHS = {
    "2 to 150": [(1, 4, w, 1) for w in range(2, 151)],
    "2 to 60, 3 channels": [(1, 3, w, 3) for w in range(2, 61)],
    "narrow, 1 to 80 channels": [(1, 3, 2 + c % 3, c) for c in range(1, 81)],
    "250 to 264 and 505 to 520": [(1, 3, w, 1) for w in (*range(250, 265), *range(505, 521))],
    "1000 to 1100": [(1, 3, w, 1) for w in range(1000, 1101)],
    "2040 to 2060": [(1, 3, w, 1) for w in range(2040, 2061)],
    "1000 to 1100, 5 channels": [(1, 3, w, 5) for w in range(200, 221)],
    "4090 to 4103 and 5000": [(1, 3, w, 1) for w in (*range(4090, 4104), 5000)],
    "large": [(1, 700, 333, 3), (2, 200, 701, 4)],
}


@each_dtype
@each_penalty
@pytest.mark.parametrize("widths", WIDTHS)
def test_every_width_in_a_range_equals_the_second_oracle(widths, penalty, dtype):
    for shape in WIDTHS[widths]:
        y_true, y_pred = pair(dyadic if penalty == "l1" else normal, 7, shape, dtype)
        one = np.ones(shape[0], dtype)
        actual = _kernels.loss_and_gradient(y_true, y_pred, one, penalty=penalty)
        expected = padded_loss_gradient(y_true, y_pred, penalty)
        assert_close(actual[0], expected[0], dtype)
        assert_close(actual[1], expected[1], dtype)
        edges = _kernels.image_gradients(y_pred)
        assert_close(edges, np.stack(padded_forward(y_pred.astype("float64")), -1), dtype)
        back = _kernels.image_gradients_adjoint(edges)
        assert_close(back, padded_adjoint(*np.moveaxis(edges.astype("float64"), -1, 0)), dtype)
