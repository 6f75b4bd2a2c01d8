"""The CUDA kernels against the oracle, and against those of the CPU.

Their programs run thread by thread on the host (cuda_tools.py says how they run on a device). What
that shows: index and border arithmetic, tiles and strips, maps and sums. What it does not: that the
barriers are where they must be, and speed.
"""

import itertools

import family_tools
import numpy as np
import pytest
from cuda_tools import CUDA, ON_DEVICE, cuda_kernels  # noqa: F401
from family_cases import EVERYTHING, check_case, pairs
from family_options import BORDERS, RESPONSES, SCALES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    HALF_ULP,
    assert_same_bits,
    decode,
    draw,
    encode,
    noisy,
    shifted,
    smallest,
)

from gradops import _kernels

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cuda_kernels")]

CPU = family_tools.MODULES
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_stencil = pytest.mark.parametrize("stencil", STENCILS)
# Smaller than the stencil's reach; of several tiles and strips, of odd sizes; channels in chunks.
SMALL = [(2, 5, 6, 2), (1, 3, 3, 1), (1, 1, 1, 1), (1, 2, 2, 3), (1, 4, 1, 2), (1, 70, 3, 1)]
LARGE = [(1, 3, 400, 3), (1, 130, 3, 1), (2, 66, 4, 3), (1, 6, 513, 1), (1, 3, 9, 64)]
CHUNKED = [(1, 5, 4, 129), (2, 4, 3, 200), (1, 3, 21, 130)]
# A device's own functions (log, power, roots) may differ from the host's by some roundings.
FACTOR = 8


@each_dtype
def test_every_pair_of_options_equals_the_oracle(dtype):
    for case in pairs(SMALL + LARGE + CHUNKED, **EVERYTHING):
        check_case(dtype=dtype, factor=FACTOR, **case)


@pytest.mark.extended
@each_dtype
@pytest.mark.parametrize("border", BORDERS)
@each_stencil
def test_every_pair_of_options_for_each_stencil_and_border(stencil, border, dtype):
    options = {**EVERYTHING, "stencil": [stencil], "border": [border]}
    for case in pairs(SMALL + LARGE + CHUNKED, **options):
        check_case(dtype=dtype, factor=FACTOR, **case)


@each_stencil
def test_every_stencil_border_and_response(stencil):
    shapes = itertools.cycle([(2, 5, 6, 2), (1, 3, 400, 3)])
    for border, response in itertools.product(BORDERS, RESPONSES):
        options = {"stencil": stencil, "border": border, "response": response, "penalty": "l2"}
        check_case(next(shapes), "float64", factor=FACTOR, **options)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_neighbours_at_every_distance(dtype):
    """Rows of whole vectors, so that threads read and write them at once."""
    for border, channels, width in itertools.product(BORDERS, (1, 2, 3, 4, 5, 8), (4, 64)):
        check_case((2, 9, width, channels), dtype, factor=FACTOR, border=border)


@pytest.mark.parametrize("response", RESPONSES)
def test_weights_of_zero_hide_nan(response):
    """In the loss, the gradient and the second derivatives; the same bits as of other numbers."""
    rng = np.random.default_rng(12)
    y_true, y_pred, vector = rng.random((3, 2, 9, 8, 1))
    weights = np.ones(y_pred.shape)
    weights[0, 2:6, 2:6] = 0
    options = {"response": response, "penalty": "charbonnier", "penalty_parameter": 0.1}
    upstream, found = np.ones(2), []
    for value in (0.5, np.nan):
        y_pred[0, 3:5, 3:5] = value
        images = y_true, y_pred
        given = {**options, "weights": weights}
        found.append(
            [
                *CUDA["float64"].loss_memo(*images, upstream, **given),
                *CUDA["float64"].loss_grad_grad(*images, vector, upstream, **given),
            ]
        )
    for clean, hidden in zip(*found, strict=True):
        assert np.isfinite(clean).all()
        np.testing.assert_array_equal(hidden, clean)


@pytest.mark.parametrize("penalty", ["l2", "log"])
@pytest.mark.parametrize("stencil", ["sobel", "central"])
def test_where_the_denominator_is_0_the_gradient_is_too(stencil, penalty):
    """All weight lies on one pixel, which is dropped; its residual does not need it, and counts."""
    for bad in (1.0, np.nan, np.inf):
        y_pred = np.zeros((1, 5, 6, 1), "float32")
        weights, mask = np.zeros_like(y_pred), np.ones(y_pred.shape, bool)
        y_pred[0, 2, 3], weights[0, 2, 2], mask[0, 2, 2] = bad, 1, False
        options = {"weights": weights, "mask": mask, "normalizer": "pixels"}
        loss, gradient = CUDA["float32"].loss_memo(
            None, y_pred, np.ones(1, "float32"), stencil=stencil, penalty=penalty, **options
        )
        assert loss == 0 and np.all(gradient == 0), bad


def test_nan_reaches_what_its_residuals_reach_and_nothing_else(rng):
    """Also in the programs of fixed channels, whose strips meet in row 9."""
    shapes = {(2, 40, 16, channels): "float32" for channels in (1, 2, 3, 4)}
    for shape, dtype in {(2, 12, 11, 2): "float64", **shapes}.items():
        x, y = rng.random((2, *shape)).astype(dtype)
        places = [(shape[1] // 2, 5), (0, 0), (-1, -1), (9, 1)]
        for border, (row, column) in itertools.product(BORDERS, places):
            broken = y.copy()
            broken[0, row, column, 0] = np.nan
            images = x, broken, np.ones(2, dtype)
            found = CUDA[dtype].loss_memo(*images, border=border)
            wanted = _kernels.loss_memo(*images, border=border)
            for ours, theirs in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))


@each_dtype
def test_memo(rng, dtype):
    """Copied, scaled or left aside, by example: exactly the gradient of the upstream."""
    kernels, compute = CUDA[dtype], COMPUTE[dtype]
    for shape in ((4, 9, 40, 3), (4, 66, 7, 1)):
        y_true, y_pred = (encode(draw(rng, shape, dtype), dtype) for _ in range(2))
        expected = np.array([1, 2, 0.5, 1e-20], compute)
        upstream = np.array([1, 4, -0.25, 3], compute)
        _, memo = kernels.loss_memo(y_true, y_pred, expected)
        _, wanted = kernels.loss_memo(y_true, y_pred, upstream)
        found = kernels.loss_grad(y_true, y_pred, memo, expected, upstream)
        np.testing.assert_array_equal(decode(found, dtype), decode(wanted, dtype))
        other = encode(
            noisy(rng, shape, dtype), dtype
        )  # taken where it is foreseen, whatever it holds
        found = kernels.loss_grad(y_true, y_pred, other, upstream, upstream)
        assert_same_bits(found, other)


@each_dtype
def test_the_upstream_gradient_that_is_expected_is_the_callers(dtype):
    images = encode(np.zeros((2, 4, 5, 3)), dtype)
    for expected, options in (
        (3, {}),
        ([3, 5], {}),
        ([[1, 2], [3, 4]], {"normalizer": "none"}),
        (3, {"normalizer": "none"}),
    ):
        expected = np.array(expected, COMPUTE[dtype])
        found = CUDA[dtype].expected_upstream(images, expected, site="5", **options)
        wanted = np.broadcast_to(expected, (2, 2) if options else (2,))
        np.testing.assert_array_equal(found, wanted)


IMAGES = [(2, 5, 6, 2), (1, 3, 3, 1), (1, 1, 7, 3), (2, 66, 4, 3), (1, 4, 300, 3)]
IMAGES += [(2, 13, 20, 3), (1, 8, 24, 1), (1, 10, 5, 12), (1, 7, 8, 5)]  # most of it in packs


@each_dtype
@each_stencil
def test_image_functions(rng, stencil, dtype):
    """As the CPU's, but for the order of sums at the border."""
    for border, shape in itertools.product(BORDERS, IMAGES):
        if min(shape[1:3]) < smallest(stencil, border):
            continue
        options = {"stencil": stencil, "border": border, "scale": str(rng.choice(SCALES))}
        x, pixels = (encode(noisy(rng, shape, dtype), dtype) for _ in range(2))
        pairs = encode(noisy(rng, (*shape, 2), dtype), dtype)
        # Sums are exact, so that the direction of a short gradient has all of its digits.
        exact = encode(draw(rng, shape, dtype), dtype)
        magnitude = {**options, "response_epsilon": rng.choice([0, 1e-6, 0.5])}
        for name, images, names in (
            ("image_gradients", (x,), options),
            ("image_gradients_adjoint", (pairs,), options),
            ("gradient_magnitude", (x,), magnitude),
            ("gradient_magnitude_grad", (exact, pixels), magnitude),
        ):
            found, wanted = (
                decode(getattr(kernels[dtype], name)(*images, **names), dtype)
                for kernels in (CUDA, CPU)
            )
            atol = 16 * HALF_ULP[dtype] * max(np.abs(wanted).max(), 1e-3)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=atol, err_msg=name)


@each_dtype
def test_empty_images(dtype):
    kernels = CUDA[dtype]
    for shape in ((0, 5, 4, 3), (2, 5, 4, 0)):
        images = encode(np.zeros(shape), dtype)
        upstream = np.ones(shape[:1], COMPUTE[dtype])
        loss, gradient = kernels.loss_memo(images, images, upstream)
        assert loss.shape == shape[:1] and not loss.any() and gradient.shape == shape


OWNED = [(h, w, c) for h in (3, 4, 9, 65, 130) for w in (3, 4, 5, 8, 63, 64) for c in (1, 2, 3, 4)]
OWNED += [(3, w, c) for w in (3, 4, 17) for c in (5, 8, 31, 32, 33, 63, 64, 65, 66, 96, 128, 131)]
OWNED += [(3, w, c) for w in (255, 256, 257, 341, 342, 512, 1023, 1025, 2100) for c in (1, 2, 3, 4)]


@pytest.mark.skipif(ON_DEVICE, reason="of the host alone")
@pytest.mark.parametrize("border", ["reflect", "circular"])
@each_dtype
def test_every_number_has_one_owner(dtype, border):
    """All threads of all blocks are asked; none reads where there is nothing."""
    for height, width, channels in OWNED:
        images = encode(np.zeros((2, height, width, channels)), dtype)
        for array in (images, shifted(images)):  # the second is not aligned
            owners = CUDA[dtype].owners(array, border=border)
            assert (owners == 1).all(), (height, width, channels)
