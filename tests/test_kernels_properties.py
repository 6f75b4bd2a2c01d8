"""The kernels: properties that hold for any shape."""

import hypothesis
import numpy as np
from hypothesis import strategies as st
from kernel_tools import DTYPES, PENALTIES, assert_close, dyadic, normal, pair, small_integers

from gradops import _kernels, reference

properties = hypothesis.settings(
    deadline=None, max_examples=40, derandomize=True, database=None, print_blob=False
)
shapes = st.tuples(
    st.integers(1, 3), st.integers(2, 70), st.integers(2, 40), st.sampled_from([1, 2, 3, 5, 17])
)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(DTYPES)
penalties = st.sampled_from(PENALTIES)


def loss_and_gradient(y_true, y_pred, penalty):
    one = np.ones(y_pred.shape[0], y_pred.dtype)
    return _kernels.loss_and_gradient(y_true, y_pred, one, penalty=penalty)


@properties
@hypothesis.given(shapes, seeds, dtypes, penalties)
def test_swapping_the_images_keeps_the_loss_and_negates_the_gradient(shape, seed, dtype, penalty):
    y_true, y_pred = pair(normal, seed, shape, dtype)
    loss, gradient = loss_and_gradient(y_true, y_pred, penalty)
    swapped_loss, swapped_gradient = loss_and_gradient(y_pred, y_true, penalty)
    np.testing.assert_array_equal(swapped_loss, loss)
    np.testing.assert_array_equal(swapped_gradient, -gradient)


@properties
@hypothesis.given(shapes, seeds, dtypes, penalties, st.integers(-12, 12))
def test_l1_scales_linearly_and_l2_quadratically(shape, seed, dtype, penalty, exponent):
    """With a power of two, exactly."""
    factor = np.array(2.0**exponent, dtype)
    y_true, y_pred = pair(normal, seed, shape, dtype)
    loss, gradient = loss_and_gradient(y_true, y_pred, penalty)
    scaled_loss, scaled_gradient = loss_and_gradient(factor * y_true, factor * y_pred, penalty)
    degree = {"l1": 1, "l2": 2}[penalty]
    np.testing.assert_array_equal(scaled_loss, loss * factor**degree)
    np.testing.assert_array_equal(scaled_gradient, gradient * factor ** (degree - 1))


@properties
@hypothesis.given(shapes, seeds, dtypes, penalties, st.integers(-1000, 1000))
def test_a_constant_added_to_one_or_both_images_changes_nothing(
    shape, seed, dtype, penalty, constant
):
    """Exactly, on integers."""
    y_true, y_pred = pair(small_integers, seed, shape, dtype)
    loss, gradient = loss_and_gradient(y_true, y_pred, penalty)
    for moved in [(y_true + constant, y_pred + constant), (y_true, y_pred + constant)]:
        moved_loss, moved_gradient = loss_and_gradient(*moved, penalty)
        np.testing.assert_array_equal(moved_loss, loss)
        np.testing.assert_array_equal(moved_gradient, gradient)


@properties
@hypothesis.given(shapes, seeds, dtypes, penalties)
def test_flipped_and_transposed_images_have_the_same_loss_and_gradient(shape, seed, dtype, penalty):
    """Exactly, on integers whose sum is exact."""
    y_true, y_pred = pair(small_integers, seed, shape, dtype)
    loss, gradient = loss_and_gradient(y_true, y_pred, penalty)
    for axis in (1, 2, 3):
        flipped = [np.ascontiguousarray(np.flip(x, axis)) for x in (y_true, y_pred)]
        flipped_loss, flipped_gradient = loss_and_gradient(*flipped, penalty)
        np.testing.assert_array_equal(flipped_loss, loss)
        np.testing.assert_array_equal(flipped_gradient, np.flip(gradient, axis))
    transposed = [np.ascontiguousarray(x.swapaxes(1, 2)) for x in (y_true, y_pred)]
    transposed_loss, transposed_gradient = loss_and_gradient(*transposed, penalty)
    np.testing.assert_array_equal(transposed_loss, loss)
    np.testing.assert_array_equal(transposed_gradient, gradient.swapaxes(1, 2))


@properties
@hypothesis.given(shapes, seeds, dtypes, penalties)
def test_any_shape_equals_the_oracle(shape, seed, dtype, penalty):
    y_true, y_pred = pair(dyadic, seed, shape, dtype)
    loss, gradient = loss_and_gradient(y_true, y_pred, penalty)
    assert_close(loss, reference.gradient_loss(y_true, y_pred, penalty=penalty), dtype)
    _, expected = reference.loss_gradients(y_true, y_pred, penalty=penalty)
    assert_close(gradient, expected, dtype)
