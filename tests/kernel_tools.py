"""Shapes, images and comparisons shared by the tests of the kernels.

Images with l1 are multiples of 1/256: every residual is then exact in float32, so a sign never
depends on rounding. Tolerances are relative to the largest entry of the expected array; measured
errors are at most 1.5e-7 (float32) and 3e-16 (float64).
"""

import numpy as np
import pytest

DTYPES = ["float32", "float64"]
PENALTIES = ["l1", "l2"]
TOLERANCE = {"float32": 5e-7, "float64": 2e-15}
LOSS_TOLERANCE = {"float32": 2e-7, "float64": 2e-15}  # relative to each loss
ULP = {dtype: float(np.finfo(dtype).eps) for dtype in DTYPES}

SMALL = [
    *[(1, 2, 2, 1), (2, 2, 2, 3), (1, 2, 7, 1), (3, 2, 9, 2), (1, 7, 2, 1), (2, 9, 2, 5)],
    *[(1, 3, 3, 1), (1, 3, 2, 4), (1, 5, 7, 3), (3, 11, 13, 5), (1, 17, 19, 1), (2, 23, 29, 2)],
]
CHANNELS = [(2, 5, 6, c) for c in (1, 2, 3, 4, 5, 16, 67, 400, 1500)]
# Around multiples of 64 rows, where work is cut into strips.
TALL = [
    *[(1, h, 6, 2) for h in (61, 62, 63, 64, 65, 66, 67, 126, 127, 128, 129, 130, 191, 193)],
    *[(3, 130, 5, 3), (1, 65, 2, 400), (2, 66, 350, 3), (1, 321, 4, 1)],
]
# W * C of 1000 to 1100, 2048 and around, 5000.
WIDE = [
    *[(1, 3, 1000, 1), (1, 3, 1023, 1), (1, 4, 1025, 1), (1, 3, 512, 2), (1, 5, 341, 3)],
    *[(2, 3, 11, 100), (1, 3, 2047, 1), (1, 2, 2049, 1), (1, 4, 1024, 2), (1, 3, 683, 3)],
    *[(1, 5, 128, 16), (2, 3, 31, 67), (1, 3, 1250, 4), (1, 3, 50, 100), (1, 2, 5000, 1)],
]
EMPTY = [(0, 5, 4, 3), (2, 5, 4, 0)]
SHAPES = SMALL + CHANNELS + TALL + WIDE + EMPTY
# At least 16 work units each: strips of 64 rows or more, times examples.
MANY_UNITS = [(4, 300, 200, 3), (17, 64, 30, 2), (1, 1100, 40, 5)]

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_penalty = pytest.mark.parametrize("penalty", PENALTIES)


def generator(*seed):
    return np.random.default_rng([20240607, *seed])


def dyadic(rng, shape, dtype="float64"):
    return (rng.integers(-4096, 4097, shape) / 256).astype(dtype)


def normal(rng, shape, dtype="float64"):
    return rng.standard_normal(shape).astype(dtype)


def small_integers(rng, shape, dtype="float64"):
    return rng.integers(0, 3, shape).astype(dtype)


def pair(draw, seed, shape, dtype="float64"):
    rng = generator(seed, *shape)
    return draw(rng, shape, dtype), draw(rng, shape, dtype)


def upstream_of(shape, dtype="float64"):
    """Values of both signs, different for every example, exact in float32."""
    factors = generator(1, *shape).uniform(0.5, 2.0, shape[0]).astype("float32").astype(dtype)
    factors[1::2] *= -1
    return factors


def count_of(shape):
    return 2 * shape[1] * shape[2] * shape[3]


def assert_close(actual, expected, dtype):
    """Elementwise, relative to the largest expected entry: all zeros means exactly zeros."""
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    largest = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[dtype] * largest)


def assert_same_bits(actual, expected):
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    bits = f"u{actual.dtype.itemsize}"
    np.testing.assert_array_equal(actual.view(bits), expected.view(bits))


def kinds(values):
    """0 where finite, +1 and -1 where infinite, 2 where NaN."""
    signs = np.where(np.isinf(values), np.sign(values), 0)
    return np.where(np.isnan(values), 2, signs)


def assert_same_kinds_and_close(actual, expected, dtype):
    np.testing.assert_array_equal(kinds(actual), kinds(expected))
    finite = np.isfinite(expected)
    assert_close(actual[finite], expected[finite], dtype)
