"""The kernels: the gradient through a memo is the recomputed one."""

import numpy as np
import pytest
from family_checks import kinds
from family_options import BORDERS, DATA_FORMATS, NORMALIZERS, PENALTIES, RESPONSES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    EPSILON,
    MODULES,
    NARROW,
    TUNED,
    assert_same_bits,
    call,
    decode,
    encode,
    example,
    generator,
    kernel_options,
    noisy,
)
from pair_tools import covering

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_wide = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_penalty = pytest.mark.parametrize("penalty", ["l1", "l2"])
OPTIONS = {
    "shape": [(4, 67, 6, 2), (4, 130, 9, 3), (4, 3, 350, 3), (4, 3, 4, 1)],
    "response": RESPONSES,
    "penalty": PENALTIES,
    "normalizer": NORMALIZERS,
    "data_format": DATA_FORMATS,
    "stencil": STENCILS,
    "border": BORDERS,
    "has_mask": [False, True],
}


class MemoCase:
    """Images and options, the gradient of an upstream, and that through a memo."""

    def __init__(self, shape, dtype, has_mask=False, **options):
        self.dtype, self.options = dtype, {**options, **TUNED.get(options["penalty"], {})}
        rng = generator(190, *shape)
        self.data = example(rng, shape, dtype, self.options, noisy)
        self.upstream = self.data.upstream
        self.other = encode(self.data.vector, dtype)  # which no gradient is
        if has_mask:
            self.options["mask"] = rng.random(self.data.y_pred.shape) > 0.05

    def recomputed(self, upstream):
        how = {"upstream": upstream, "dtype": self.dtype, **self.options}
        with np.errstate(over="ignore"):
            return call("loss_memo", *self.data[:2], **how)[1]

    def through(self, memo, expected, upstream):
        """The memo as the kernels have it."""
        compute = COMPUTE[self.dtype]
        images = [encode(x, self.dtype) for x in self.data[:2]]
        how = kernel_options(self.options, self.dtype)
        factors = (np.asarray(x, compute) for x in (expected, upstream))
        return MODULES[self.dtype].loss_grad(*images, memo, *factors, **how)

    def assert_recomputed(self, expected, upstream):
        """Rounded once: a narrow memo is left aside, another may be scaled."""
        found = self.through(self.recomputed(expected), expected, upstream)
        wanted = self.recomputed(upstream)
        if self.dtype in NARROW:
            assert_same_bits(found, wanted)
            return
        np.testing.assert_array_equal(kinds(found), kinds(wanted))
        finite = np.isfinite(wanted)
        rtol, message = 4 * EPSILON[self.dtype], f"{expected} {upstream}"
        np.testing.assert_allclose(found[finite], wanted[finite], rtol, 0, err_msg=message)


def cases(dtype, **fixed):
    for case in covering({**OPTIONS, **fixed}):
        yield MemoCase(dtype=dtype, **case)


@each_dtype
def test_a_memo_of_the_same_upstream_comes_back_bit_for_bit(dtype):
    for case in cases(dtype):
        memo = case.through(case.other, case.upstream, case.upstream)
        assert memo is not case.other
        assert_same_bits(memo, case.other)


@each_dtype
def test_a_memo_of_another_upstream_gives_the_recomputed_gradient(dtype):
    for case in cases(dtype, normalizer=NORMALIZERS[:-1]):
        case.assert_recomputed(case.upstream * [0.3, 1, -7, 1e-3], case.upstream)


@each_dtype
def test_axes_whose_upstreams_differ_by_other_factors_are_recomputed(dtype):
    for case in cases(dtype, normalizer=["none"]):
        expected = case.upstream * ([[0.5, 2]] if case.upstream.shape[1] == 2 else [[0.5]])
        found = decode(case.through(case.recomputed(expected), expected, case.upstream), dtype)
        wanted = decode(case.recomputed(case.upstream), dtype)
        atol = 0 if dtype in NARROW else 4 * EPSILON[dtype] * np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=atol)


@each_dtype
def test_a_memo_that_can_hold_nothing_is_left_aside(dtype):
    for case in cases(dtype):
        for expected in (0.0, -0.0, np.nan, np.inf, -np.inf):
            foreseen = np.full(case.upstream.shape, expected)
            found = case.through(case.other, foreseen, case.upstream)
            assert_same_bits(found, case.recomputed(case.upstream))


@each_wide
@each_penalty
def test_a_memo_off_by_powers_of_two_gives_the_bits_of_recomputation(penalty, dtype):
    case = MemoCase((4, 70, 11, 3), dtype, penalty=penalty)
    expected = np.array([1, 0.25, 0.3, -1.7])
    upstream = expected.astype(dtype) * [4, -0.5, 1024, -1]
    found = case.through(case.recomputed(expected), expected, upstream)
    np.testing.assert_array_equal(found, case.recomputed(upstream))


@each_wide
@each_penalty
def test_whatever_was_expected_the_gradient_is_the_recomputed_one(penalty, dtype):
    """The memo of a tiny upstream has lost its digits to underflow, that of a huge one is inf."""
    case = MemoCase((1, 9, 8, 3), dtype, penalty=penalty)
    exponents = range(-45, 39, 2) if dtype == "float32" else range(-320, 309, 13)
    extremes = [1e-40, 1e38, *((3e38,) if dtype == "float32" else (1e-310, 1.7e308))]
    for expected in [*(float(f"1e{k}") for k in exponents), *extremes]:
        for upstream in (1.0, -0.37, 1e5, 1e-5):
            case.assert_recomputed(np.array([expected]), np.array([upstream]))


@each_wide
@each_penalty
def test_an_extreme_upstream_gives_the_recomputed_gradient(penalty, dtype):
    case = MemoCase((1, 9, 8, 3), dtype, penalty=penalty)
    for value in (0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, 1e-30):
        case.assert_recomputed(np.ones(1), np.array([value]))


@each_wide
@each_penalty
def test_a_ratio_that_overflows_gives_the_recomputed_gradient(penalty, dtype):
    """The upstream gradients do not, nor do the products of the recomputation."""
    case = MemoCase((1, 9, 8, 3), dtype, penalty=penalty, scale="unit")
    for expected in (1e-3, 1e-9):
        upstream = np.array([float(np.finfo(dtype).max) / 4])
        assert np.isfinite(case.recomputed(upstream)).all()
        case.assert_recomputed(np.array([expected]), upstream)


@each_wide
def test_a_memo_that_overflowed_is_left_aside(dtype):
    case = MemoCase((1, 9, 8, 3), dtype, penalty="l2", stencil="scharr", normalizer="pixels")
    huge = np.array([np.finfo(dtype).max])
    assert np.any(np.isinf(case.recomputed(huge)))
    found = case.through(case.recomputed(huge), huge, np.ones(1))
    assert_same_bits(found, case.recomputed(np.ones(1)))


@each_wide
@each_penalty
def test_every_example_of_a_batch_treats_its_memo_on_its_own(penalty, dtype):
    case = MemoCase((7, 130, 5, 3), dtype, penalty=penalty)
    expected = np.array([0.5, 0, np.nan, 2, 1e-40, np.inf, 0.25])
    upstream = np.array([0.5, 1, 1, 3, 1, 0.7, 0.25])
    memo, wanted = case.recomputed(expected), case.recomputed(upstream)
    memo[6] = wanted[6] = 42  # matches, so this is what comes back
    found = case.through(memo, expected, upstream)
    for b in (0, 1, 2, 5, 6):
        assert_same_bits(found[b], wanted[b])
    np.testing.assert_allclose(found, wanted, rtol=4 * EPSILON[dtype], atol=0)


@each_wide
@each_penalty
def test_nan_in_an_image_comes_back_through_a_memo(penalty, dtype):
    case = MemoCase((3, 66, 5, 2), dtype, penalty=penalty)
    case.data.y_pred[:, 64, 2, 1] = np.nan
    expected, upstream = np.array([1, 0.3, 0]), np.ones(3)
    found = case.through(case.recomputed(expected), expected, upstream)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(case.recomputed(upstream)))
    assert np.isnan(found).any(axis=(1, 2, 3)).all()


@each_dtype
def test_no_examples_have_an_empty_memo(dtype):
    case = MemoCase((0, 4, 4, 1), dtype, penalty="l1")
    assert_same_bits(case.through(case.other, np.ones(0), np.ones(0)), case.other)
