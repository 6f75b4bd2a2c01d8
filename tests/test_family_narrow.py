"""The kernels on float16 and bfloat16: any bit pattern, and one rounding."""

import numpy as np
import pytest
from family_tools import (
    MODULES,
    NARROW,
    NUMPY,
    assert_same_bits,
    call,
    generator,
    members,
    noisy,
)

each_narrow = pytest.mark.parametrize("dtype", NARROW)

PATTERNS = np.arange(65536, dtype="uint16")


def values_of(patterns, dtype):
    return patterns.view(NUMPY[dtype]).astype("float32")


def assert_same_numbers(actual, expected, dtype):
    """The same bits, but any NaN for a NaN."""
    nan = np.isnan(values_of(expected, dtype))
    np.testing.assert_array_equal(np.isnan(values_of(actual, dtype)), nan)
    np.testing.assert_array_equal(actual[~nan], expected[~nan])


def rounded(values, dtype):
    """float32 numbers as bits of the dtype, to nearest, ties to even."""
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(values).astype(NUMPY[dtype]).view("uint16")


@each_narrow
@pytest.mark.parametrize("width", [2, 3, 37])
def test_every_bit_pattern_goes_through_the_stencil_unchanged(width, dtype):
    """0 up to some column and x from there on: one difference, which is x."""
    column = PATTERNS % (width - 1) + 1
    step = np.arange(width) >= column[:, None]
    images = np.where(step, PATTERNS[:, None], 0).astype("uint16")[:, None, :, None]
    for border in ("zero", "valid"):
        if border == "valid":
            images = np.concatenate([images, images], axis=1)
        edges = MODULES[dtype].image_gradients(images, stencil="forward", border=border)
        found = edges[np.arange(65536), 0, column - 1, 0, 1]
        finite = np.isfinite(values_of(PATTERNS, dtype))
        zero = PATTERNS == 0x8000  # -0 - 0 is -0 and 0 + -0 is 0: either
        assert_same_numbers(found[finite & ~zero], PATTERNS[finite & ~zero], dtype)
        first_not_finite = (column == width - 1) & ~finite  # alone in its row: no inf - inf
        assert_same_numbers(found[first_not_finite], PATTERNS[first_not_finite], dtype)


@each_narrow
def test_every_bit_pattern_becomes_the_float32_it_is(dtype):
    images = np.stack([np.zeros_like(PATTERNS), PATTERNS], -1)[:, None, :, None]
    options = {"stencil": "forward", "border": "zero", "normalizer": "none"}
    sums = MODULES[dtype].loss(None, images, **options)[:, 1]
    np.testing.assert_array_equal(sums, np.abs(values_of(PATTERNS, dtype)))


@each_narrow
def test_differences_of_any_two_numbers_are_rounded_once(dtype):
    """To nearest, ties to even, overflow to inf, and underflow through subnormal numbers."""
    rng = generator(160)
    for number in range(6):
        other = rng.permutation(PATTERNS)
        if number % 2:  # of the same size, where differences are subnormal or tie
            other = PATTERNS + rng.integers(0, 3000, 65536).astype("uint16")
        with np.errstate(all="ignore"):
            exact = values_of(other, dtype) - values_of(PATTERNS, dtype)
        expected = rounded(exact, dtype)
        square = (1, 256, 256, 1)
        for triad in (MODULES[dtype].triad, MODULES[dtype].streaming_triad):
            out = triad(other.reshape(square), PATTERNS.reshape(square))
            assert_same_numbers(out.ravel(), expected, dtype)
        images = np.stack([PATTERNS, other], -1)[:, None, :, None]
        edges = MODULES[dtype].image_gradients(images, stencil="forward", border="zero")
        found = edges[:, 0, 0, 0, 1]
        zero = exact == 0
        assert_same_numbers(found[~zero], expected[~zero], dtype)
        assert np.all(found[zero] & 0x7FFF == 0)


@each_narrow
def test_gradients_are_rounded_once(dtype):
    """The gradient of l1 is the upstream, in one column: a float32 to be rounded."""
    rng = generator(161)
    exponents = rng.uniform(-27, 18, 60000) if dtype == "float16" else rng.uniform(-120, 120, 60000)
    upstream = (rng.choice([-1, 1], 60000) * 2.0**exponents).astype("float32")
    images = rounded(np.tile(np.float32([0, 1]), (60000, 1)), dtype)[:, None, :, None]
    options = {"stencil": "forward", "border": "zero", "normalizer": "none"}
    both = np.stack([upstream, upstream], -1)
    _, gradient = MODULES[dtype].loss_memo(None, images, both, **options)
    assert_same_numbers(gradient[:, 0, 1, 0], rounded(upstream, dtype), dtype)
    assert_same_numbers(gradient[:, 0, 0, 0], rounded(-upstream, dtype), dtype)


@each_narrow
def test_narrow_images_give_the_loss_of_the_same_float32_images(dtype):
    """Cast up first, nothing rounded before the end: the same bits, and the gradient's rounding."""
    shape = (2, 70, 9, 3)
    for member in members():
        rng = generator(163)
        arrays = noisy(rng, shape, dtype), noisy(rng, shape, dtype)
        upstream = np.array([3, -70.0])
        options = {"upstream": upstream, **member}
        loss, gradient = call("loss_memo", *arrays, dtype=dtype, **options)
        wide, wide_gradient = call("loss_memo", *arrays, dtype="float32", **options)
        assert_same_bits(loss, wide)
        assert_same_numbers(gradient, rounded(wide_gradient, dtype), dtype)
