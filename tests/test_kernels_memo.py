"""The kernels: the gradient through a memo equals recomputation."""

import numpy as np
import pytest
from kernel_tools import (
    ULP,
    assert_same_bits,
    each_dtype,
    each_penalty,
    generator,
    kinds,
    normal,
    pair,
    upstream_of,
)

from gradops import _kernels


def memo_example(shape, dtype, penalty, seed=12):
    """(y_true, y_pred) and a function: upstream -> gradient, recomputed."""
    y_true, y_pred = pair(normal, seed, shape, dtype)

    def recomputed(upstream):
        upstream = np.asarray(upstream, dtype)
        return _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)[1]

    return y_true, y_pred, recomputed


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", [(3, 130, 9, 3), (2, 3, 350, 3), (1, 2, 3, 1), (0, 4, 4, 1)])
def test_a_memo_of_the_same_upstream_is_returned_bit_for_bit(shape, penalty, dtype):
    """Even if it holds something else, which shows that it was the memo."""
    y_true, y_pred, recomputed = memo_example(shape, dtype, penalty)
    upstream = upstream_of(shape, dtype)
    for memo in (recomputed(upstream), normal(generator(13), shape, dtype)):
        gradient = _kernels.loss_gradient(y_true, y_pred, memo, upstream, upstream, penalty=penalty)
        assert gradient is not memo
        assert_same_bits(gradient, memo)


@each_dtype
@each_penalty
def test_a_memo_of_another_upstream_gives_the_recomputed_gradient_to_four_ulp(penalty, dtype):
    shape = (5, 70, 11, 3)
    y_true, y_pred, recomputed = memo_example(shape, dtype, penalty)
    expected = np.array([1, 0.2, -0.7, 1e-3, 50], dtype)
    upstream = np.array([0.3, 1.7, 1.1, 7, -0.01], dtype)
    gradient = _kernels.loss_gradient(
        y_true, y_pred, recomputed(expected), expected, upstream, penalty=penalty
    )
    np.testing.assert_allclose(gradient, recomputed(upstream), rtol=4 * ULP[dtype], atol=0)


@each_dtype
@each_penalty
def test_a_memo_off_by_powers_of_two_gives_the_bits_of_recomputation(penalty, dtype):
    shape = (4, 70, 11, 3)
    y_true, y_pred, recomputed = memo_example(shape, dtype, penalty)
    expected = np.array([1, 0.25, 0.3, -1.7], dtype)
    upstream = expected * np.array([4, -0.5, 1024, -1], dtype)
    gradient = _kernels.loss_gradient(
        y_true, y_pred, recomputed(expected), expected, upstream, penalty=penalty
    )
    np.testing.assert_array_equal(gradient, recomputed(upstream))


@each_dtype
@each_penalty
@pytest.mark.parametrize("expected", [0.0, -0.0, np.inf, -np.inf, np.nan])
def test_a_memo_that_can_hold_nothing_is_left_aside(expected, penalty, dtype):
    shape = (2, 70, 5, 3)
    y_true, y_pred, recomputed = memo_example(shape, dtype, penalty)
    upstream = np.array([0.7, -3], dtype)
    for memo in (recomputed([expected] * 2), np.full(shape, 7, dtype)):
        gradient = _kernels.loss_gradient(
            y_true, y_pred, memo, np.full(2, expected, dtype), upstream, penalty=penalty
        )
        assert_same_bits(gradient, recomputed(upstream))


@each_dtype
@each_penalty
def test_whatever_was_expected_the_gradient_is_the_recomputed_one(penalty, dtype):
    """The memo of a tiny upstream has lost its digits to underflow, that of a huge one is inf."""
    shape = (1, 9, 8, 3)
    y_true, y_pred, recomputed = memo_example(shape, dtype, penalty)
    exponents = range(-45, 39) if dtype == "float32" else range(-320, 309, 7)
    extremes = [1e-40, 1e38, *((3e38,) if dtype == "float32" else (1e-310, 1.7e308))]
    for expected in [*(float(f"1e{k}") for k in exponents), *extremes]:
        foreseen = np.array([expected], dtype)
        with np.errstate(over="ignore"):
            memo = recomputed(foreseen)
        for value in (1.0, -0.37, 1e5, 1e-5):
            upstream = np.array([value], dtype)
            gradient = _kernels.loss_gradient(
                y_true, y_pred, memo, foreseen, upstream, penalty=penalty
            )
            np.testing.assert_allclose(
                gradient, recomputed(upstream), rtol=4 * ULP[dtype], atol=0, err_msg=f"{foreseen}"
            )


@each_dtype
def test_a_memo_that_overflowed_is_left_aside(dtype):
    y_true, y_pred = pair(normal, 14, (1, 9, 8, 3), dtype)
    y_true, y_pred = 1000 * y_true, 1000 * y_pred
    one, huge = np.ones(1, dtype), np.array([np.finfo(dtype).max], dtype)
    _, memo = _kernels.loss_and_gradient(y_true, y_pred, huge, penalty="l2")
    assert np.any(np.isinf(memo))
    gradient = _kernels.loss_gradient(y_true, y_pred, memo, huge, one, penalty="l2")
    assert_same_bits(gradient, _kernels.loss_and_gradient(y_true, y_pred, one, penalty="l2")[1])


@each_dtype
@each_penalty
@pytest.mark.parametrize("value", [0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, 1e-30])
def test_an_extreme_upstream_gives_the_recomputed_gradient(value, penalty, dtype):
    y_true, y_pred, recomputed = memo_example((1, 9, 8, 3), dtype, penalty)
    expected, upstream = np.ones(1, dtype), np.array([value], dtype)
    gradient = _kernels.loss_gradient(
        y_true, y_pred, recomputed(expected), expected, upstream, penalty=penalty
    )
    wanted = recomputed(upstream)
    np.testing.assert_array_equal(kinds(gradient), kinds(wanted))
    finite = np.isfinite(wanted)
    np.testing.assert_allclose(gradient[finite], wanted[finite], rtol=4 * ULP[dtype], atol=0)


@each_dtype
@each_penalty
def test_every_example_of_a_batch_treats_its_memo_on_its_own(penalty, dtype):
    shape = (7, 130, 5, 3)
    y_true, y_pred, recomputed = memo_example(shape, dtype, penalty)
    expected = np.array([0.5, 0, np.nan, 2, 1e-40, np.inf, 0.25], dtype)
    upstream = np.array([0.5, 1, 1, 3, 1, 0.7, 0.25], dtype)
    memo = recomputed(expected)
    memo[6] = 42  # matches, so this is what comes back
    wanted = recomputed(upstream)
    wanted[6] = 42
    gradient = _kernels.loss_gradient(y_true, y_pred, memo, expected, upstream, penalty=penalty)
    for b in (0, 1, 2, 5, 6):
        assert_same_bits(gradient[b], wanted[b])
    np.testing.assert_allclose(gradient, wanted, rtol=4 * ULP[dtype], atol=0)


@each_dtype
@each_penalty
def test_nan_in_an_image_comes_back_through_a_memo(penalty, dtype):
    y_true, y_pred, recomputed = memo_example((3, 66, 5, 2), dtype, penalty)
    y_pred[:, 64, 2, 1] = np.nan
    expected, upstream = np.array([1, 0.3, 0], dtype), np.array([1, 1, 1], dtype)
    gradient = _kernels.loss_gradient(
        y_true, y_pred, recomputed(expected), expected, upstream, penalty=penalty
    )
    np.testing.assert_array_equal(np.isnan(gradient), np.isnan(recomputed(upstream)))
    assert np.isnan(gradient).any(axis=(1, 2, 3)).all()
