"""The kernels on NumPy arrays (gradops._kernels) against the float64 oracle, from the outside.

Images with l1 are multiples of 1/256: every residual is then exact in float32, so a sign never
depends on rounding. Tolerances are relative to the largest entry of the expected array; measured
errors are at most 1.5e-7 (float32) and 3e-16 (float64).
"""

import functools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from gradops import _kernels, reference

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


@functools.cache
def example(shape, penalty):
    """(y_true, y_pred, upstream, loss, gradient), float64; the first three exact in float32."""
    y_true, y_pred = pair(dyadic if penalty == "l1" else normal, 0, shape, "float32")
    images = y_true.astype("float64"), y_pred.astype("float64")
    upstream = upstream_of(shape)
    loss = reference.gradient_loss(*images, penalty=penalty)
    _, gradient = reference.loss_gradients(*images, upstream, penalty=penalty)
    return *images, upstream, loss, gradient


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


def shifted(array, elements):
    """The same values in a C-contiguous array that starts that many elements into its buffer."""
    buffer = np.empty(array.size + elements, array.dtype)
    view = buffer[elements:].reshape(array.shape)
    view[...] = array
    assert view.flags.c_contiguous
    return view


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


# The gradient through a memo.


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


# The stencil and its transpose.


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


# NaN and Inf.


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


# Memory: any alignment, nothing outside the output written, everything inside it written.

# The last two are larger than caches, where stores may bypass them.
PLACED = [(1, 2, 2, 1), (2, 5, 7, 3), (3, 67, 5, 2), (1, 3, 1031, 1), (2, 600, 300, 4)]
PLACED = [*PLACED, (1, 1000, 999, 3)]
GUARD = 64


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", PLACED)
def test_only_the_output_is_written_and_all_of_it_at_any_offset(shape, penalty, dtype):
    y_true, y_pred = pair(normal, 27, shape, dtype)
    upstream = upstream_of(shape, dtype)
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    size = gradient.size
    for offset in range(17) if size < 100_000 else (1, 4, 15):
        buffer = np.full(size + 2 * GUARD + offset, 12345, dtype)
        out = buffer[GUARD + offset :][:size].reshape(shape)
        out[...] = np.nan
        actual = _kernels.loss_and_gradient(y_true, y_pred, upstream, out=out, penalty=penalty)
        assert actual[1] is out
        assert_same_bits(actual[0], loss)
        assert_same_bits(out, gradient)
        assert np.all(buffer[: GUARD + offset] == 12345)
        assert np.all(buffer[GUARD + offset + size :] == 12345)


@each_dtype
@each_penalty
@pytest.mark.parametrize(
    "shape, offsets",
    [
        *[(shape, o) for shape in PLACED[:-2] for o in [(1, 0), (0, 1), (1, 1), (3, 2), (7, 13)]],
        *[(shape, (1, 3)) for shape in PLACED[-2:]],
    ],
)
def test_offset_inputs_give_the_bits_of_aligned_ones(shape, offsets, penalty, dtype):
    first, second = offsets
    y_true, y_pred = pair(normal, 28, shape, dtype)
    upstream, expected = upstream_of(shape, dtype), np.full(shape[0], 0.3, dtype)
    expected[0] = upstream[0]  # one memo is copied, the others are scaled
    moved = shifted(y_true, first), shifted(y_pred, second)
    wanted = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    out = shifted(np.full(shape, np.nan, dtype), first + second)
    actual = _kernels.loss_and_gradient(*moved, shifted(upstream, 1), out=out, penalty=penalty)
    assert_same_bits(actual[0], wanted[0])
    assert_same_bits(actual[1], wanted[1])
    assert_same_bits(_kernels.loss(*moved, penalty=penalty), wanted[0])
    memo = _kernels.loss_and_gradient(y_true, y_pred, expected, penalty=penalty)[1]
    assert_same_bits(
        _kernels.loss_gradient(
            *moved, shifted(memo, first), shifted(expected, 1), upstream, penalty=penalty
        ),
        _kernels.loss_gradient(y_true, y_pred, memo, expected, upstream, penalty=penalty),
    )
    if penalty == "l2":
        return  # the rest knows no penalty
    edges = _kernels.image_gradients(y_pred)
    assert_same_bits(_kernels.image_gradients(moved[1]), edges)
    assert_same_bits(
        _kernels.image_gradients_adjoint(shifted(edges, first)),
        _kernels.image_gradients_adjoint(edges),
    )


@each_dtype
@each_penalty
def test_inputs_are_left_as_they_were(penalty, dtype):
    y_true, y_pred = pair(normal, 29, (2, 70, 9, 3), dtype)
    upstream = upstream_of(y_pred.shape, dtype)
    memo = y_pred + 1
    inputs = y_true, y_pred, memo, 2 * upstream, upstream
    copies = [array.copy() for array in inputs]
    for array in inputs:
        array.flags.writeable = False
    _kernels.loss(y_true, y_pred, penalty=penalty)
    _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    _kernels.loss_gradient(*inputs, penalty=penalty)
    _kernels.image_gradients_adjoint(_kernels.image_gradients(y_pred))
    for array, copy in zip(inputs, copies, strict=True):
        assert_same_bits(array, copy)


# Threads.


def everything(shape, dtype, penalty, **options):
    y_true, y_pred = pair(normal, 30, shape, dtype)
    upstream = upstream_of(shape, dtype)
    loss, gradient = _kernels.loss_and_gradient(
        y_true, y_pred, upstream, penalty=penalty, **options
    )
    edges = _kernels.image_gradients(y_pred, **options)
    memo, expected = y_true.copy(), upstream.copy()
    expected[::2] *= 3
    expected[::3] = 0
    return {
        "loss": loss,
        "gradient": gradient,
        "loss alone": _kernels.loss(y_true, y_pred, penalty=penalty, **options),
        "through a memo": _kernels.loss_gradient(
            y_true, y_pred, memo, expected, upstream, penalty=penalty, **options
        ),
        "edges": edges,
        "adjoint": _kernels.image_gradients_adjoint(edges, **options),
    }


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", MANY_UNITS)
def test_any_number_of_threads_and_every_run_give_the_same_bits(shape, penalty, dtype):
    first = everything(shape, dtype, penalty, threads=1)
    for threads in (1, 2, 3, 8, 0):
        again = everything(shape, dtype, penalty, threads=threads)
        for name, values in first.items():
            assert_same_bits(again[name], values)


# Errors.

IMAGES = np.zeros((2, 4, 5, 3), "float32")
ONES = np.ones(2, "float32")


def calls(images, *, y_true=None, upstream=ONES, **options):
    """Every function of the loss on these images."""
    y_true = images if y_true is None else y_true
    return [
        lambda: _kernels.loss(y_true, images, **options),
        lambda: _kernels.loss_and_gradient(y_true, images, upstream, **options),
        lambda: _kernels.loss_gradient(y_true, images, images, upstream, upstream, **options),
    ]


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 5), (60,), (1, 2, 4, 5, 3)])
def test_a_rank_other_than_4_is_an_error_that_says_so(shape):
    images = np.zeros(shape, "float32")
    for call in calls(images):
        with pytest.raises(ValueError, match=r"y_pred must have rank 4, got shape \("):
            call()
    with pytest.raises(ValueError, match=r"images must have rank 4, got shape \("):
        _kernels.image_gradients(images)


def test_an_upstream_of_the_adjoint_that_is_no_pair_per_pixel_is_an_error():
    with pytest.raises(ValueError, match="upstream must have rank 5"):
        _kernels.image_gradients_adjoint(IMAGES)
    for components in (1, 3):
        with pytest.raises(ValueError, match="upstream must have 2 components in its last axis"):
            _kernels.image_gradients_adjoint(np.zeros((1, 4, 5, 3, components), "float32"))


@pytest.mark.parametrize("shape", [(1, 4, 5, 3), (2, 4, 5, 1), (2, 5, 4, 3), (4, 5, 3), (120,)])
def test_images_of_different_shapes_are_an_error_that_names_both(shape):
    for call in calls(IMAGES, y_true=np.zeros(shape, "float32")):
        with pytest.raises(ValueError, match=r"y_true must have shape \(2, 4, 5, 3\), got \("):
            call()


@pytest.mark.parametrize("shape", [(1, 4, 5, 3), (2, 5, 4, 3), (120,)])
def test_a_memo_or_output_of_another_shape_is_an_error(shape):
    other = np.zeros(shape, "float32")
    with pytest.raises(ValueError, match=r"memo must have shape \(2, 4, 5, 3\), got \("):
        _kernels.loss_gradient(IMAGES, IMAGES, other, ONES, ONES)
    with pytest.raises(ValueError, match=r"out must have shape \(2, 4, 5, 3\), got \("):
        _kernels.loss_and_gradient(IMAGES, IMAGES, ONES, out=other)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 1)])
def test_an_upstream_that_is_not_one_value_per_example_is_an_error(shape):
    other = np.ones(shape, "float32")
    with pytest.raises(ValueError, match=r"upstream must have shape \(2,\), got \("):
        _kernels.loss_and_gradient(IMAGES, IMAGES, other)
    with pytest.raises(ValueError, match=r"upstream must have shape \(2,\), got \("):
        _kernels.loss_gradient(IMAGES, IMAGES, IMAGES, ONES, other)
    with pytest.raises(ValueError, match=r"expected must have shape \(2,\), got \("):
        _kernels.loss_gradient(IMAGES, IMAGES, IMAGES, other, ONES)


@pytest.mark.parametrize("size", [(1, 5), (5, 1), (1, 1), (0, 5), (5, 0)])
@pytest.mark.parametrize("batch", [0, 2])
def test_height_or_width_below_2_is_an_error_that_says_so(size, batch):
    images = np.zeros((batch, *size, 3), "float32")
    message = f"is too small.*at least 2, got height {size[0]} and width {size[1]}"
    for call in calls(images, upstream=ONES[:batch]):
        with pytest.raises(ValueError, match=f"y_pred {message}"):
            call()
    with pytest.raises(ValueError, match=f"images {message}"):
        _kernels.image_gradients(images)
    with pytest.raises(ValueError, match=f"upstream {message}"):
        _kernels.image_gradients_adjoint(np.zeros((batch, *size, 3, 2), "float32"))


@pytest.mark.parametrize("option", ["stencil", "penalty", "response", "border", "scale"])
@pytest.mark.parametrize("value", ["", "L1", "no such thing"])
def test_an_unknown_value_of_an_option_is_an_error_that_lists_the_known_ones(option, value):
    known = _kernels.options()[option]
    for call in calls(IMAGES, **{option: value}):
        with pytest.raises(ValueError, match=f"{option} must be one of .*got '{value}'") as caught:
            call()
        assert all(repr(name) in str(caught.value) for name in known)


def test_an_unknown_option_is_an_error():
    for call in calls(IMAGES, penalti="l1"):
        with pytest.raises(ValueError, match="unknown option 'penalti'"):
            call()


@pytest.mark.parametrize("dtype", ["float16", "int32", "uint8", "complex64", ">f4", "object"])
def test_images_of_another_dtype_are_a_type_error(dtype):
    images = np.zeros((2, 4, 5, 3), dtype)
    for call in [*calls(images), *calls(IMAGES, y_true=images)]:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError):
        _kernels.image_gradients(images)
    with pytest.raises(TypeError):
        _kernels.image_gradients_adjoint(np.zeros((2, 4, 5, 3, 2), dtype))


def test_float32_and_float64_do_not_mix():
    wide = IMAGES.astype("float64")
    for call in [
        *calls(IMAGES, y_true=wide),
        *calls(wide, y_true=IMAGES),
        *calls(wide)[1:],  # with a float32 upstream
        *calls(IMAGES, upstream=ONES.astype("float64"))[1:],
        lambda: _kernels.loss_and_gradient(IMAGES, IMAGES, ONES, out=wide),
        lambda: _kernels.loss_gradient(IMAGES, IMAGES, wide, ONES, ONES),
    ]:
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    "rearranged",
    [
        np.asfortranarray(IMAGES),
        IMAGES[:, ::-1],
        IMAGES[..., ::-1],
        np.zeros((2, 4, 5, 6), "float32")[..., ::2],
        np.zeros((2, 4, 6, 3), "float32")[:, :, :5],
        np.broadcast_to(IMAGES[:1], IMAGES.shape),
        np.moveaxis(np.zeros((2, 3, 4, 5), "float32"), 1, -1),
    ],
    ids=["fortran", "upside down", "reversed", "every other", "cropped", "broadcast", "transposed"],
)
def test_images_that_are_not_contiguous_are_a_type_error(rearranged):
    for call in [
        *calls(rearranged),
        *calls(IMAGES, y_true=rearranged),
        lambda: _kernels.loss_and_gradient(IMAGES, IMAGES, ONES, out=rearranged),
        lambda: _kernels.loss_gradient(IMAGES, IMAGES, rearranged, ONES, ONES),
        lambda: _kernels.image_gradients(rearranged),
        lambda: _kernels.loss_and_gradient(IMAGES, IMAGES, np.ones(4, "float32")[::2]),
    ]:
        with pytest.raises(TypeError):
            call()


def test_lists_are_a_type_error():
    for call in calls(IMAGES.tolist()):
        with pytest.raises(TypeError):
            call()


def test_an_output_that_is_read_only_is_an_error():
    out = IMAGES.copy()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        _kernels.loss_and_gradient(IMAGES, IMAGES, ONES, out=out)


# Properties, on any shape.

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


def test_arrays_with_misaligned_elements_are_refused():
    shape = (1, 4, 8, 1)
    good = np.zeros(shape, "float32")
    misaligned = np.zeros(good.nbytes + 8, "uint8")[1 : good.nbytes + 1].view("float32")
    misaligned = misaligned.reshape(shape)
    ones = np.ones(1, "float32")
    with pytest.raises(ValueError, match="out must be an array with aligned elements"):
        _kernels.loss_and_gradient(good, good, ones, out=misaligned)
    with pytest.raises(ValueError, match="y_pred must be an array with aligned elements"):
        _kernels.loss(good, misaligned)
    with pytest.raises(ValueError, match="y_true must be an array with aligned elements"):
        _kernels.loss(misaligned, good)


@pytest.mark.parametrize("which", ["y_true", "y_pred"])
def test_out_that_overlaps_an_input_is_refused(which):
    memory = np.zeros(48, "float32")
    images = {
        "y_true": np.zeros((1, 4, 8, 1), "float32"),
        "y_pred": np.ones((1, 4, 8, 1), "float32"),
    }
    images[which] = memory[:32].reshape(1, 4, 8, 1)
    out = memory[16:].reshape(1, 4, 8, 1)
    with pytest.raises(ValueError, match=f"out must not overlap {which}"):
        _kernels.loss_and_gradient(*images.values(), np.ones(1, "float32"), out=out)
