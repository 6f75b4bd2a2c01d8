"""The kernels: derivatives by the weights, of the losses and of their gradients."""

import itertools

import numpy as np
import pytest
from family_cases import FAMILY, fits, problem
from family_checks import TOLERANCE
from family_options import BORDERS, DATA_FORMATS, DOWNSAMPLES, NORMALIZERS, RESPONSES
from family_tools import COMPUTE, DTYPES, TWO_AXES, assert_same_bits, call, generator, smallest
from pair_tools import covering
from weights_tools import (
    MAPS,
    assert_near,
    by_weights,
    by_weights_of_gradient,
    for_kernels,
)

from gradops import reference

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
OPTIONS = {
    **FAMILY,
    "normalizer": NORMALIZERS,
    "data_format": DATA_FORMATS,
    "weights": MAPS,
    "mask": ["none", *MAPS],
    "target": ["given", "none"],
    "dtype": DTYPES,
}
# Tiles of columns, two strips of rows, chunks of 24 channels.
SHAPES = [(3, 5, 7, 2), (2, 130, 5, 3), (2, 3, 1040, 1), (1, 70, 350, 3), (2, 5, 4, 100)]
SHAPES += [(2, 6, 42, 25)]
LEVELS = {
    "downsample": DOWNSAMPLES,
    "scale_weights": [(1.0, 0.5), (0.75, 0.0, 2.0), (0.0, 1.0, 1.5)],
}
# Odd sizes; two strips; chunks of channels.
SHAPES_OF_LEVELS = [(2, 21, 18, 3), (1, 75, 345, 3), (1, 17, 160, 25)]


def has_levels_that_fit(case):
    """Whether the coarsest level is large enough, as far as the case says."""
    if not {"shape", "stencil", "border", "scale_weights"} <= case.keys():
        return fits(case)
    divisor = 2 ** (len(case["scale_weights"]) - 1)
    return min(case["shape"][1:3]) // divisor >= smallest(case["stencil"], case["border"])


def check(dtype, shape, **case):
    """Both derivatives are the oracle's; all ways to the first, and with it, give the same bits."""
    data, options = problem(shape, dtype, **case)
    how = {"dtype": dtype, **for_kernels(options)}
    images, upstream = data[:2], data.upstream
    loss, memo = call("loss_memo", *images, upstream=upstream, **how)
    also = call("loss_weights_memo", *images, upstream=upstream, **how)
    for one, other in zip((loss, memo), also[:2], strict=True):
        assert_same_bits(one, other)
    found = also[2]
    assert (found.dtype, found.shape) == (COMPUTE[dtype], options["weights"].shape)
    expected = by_weights(*images, upstream, **options)
    tolerance = TOLERANCE[COMPUTE[dtype]]
    # A value less the loss, both divided by the weights of two residuals an element at most.
    sizes = np.abs(upstream * loss).reshape(-1, len(found)).max(axis=0)
    terms = sizes[:, None, None, None] / (2 * options["weights"].sum())
    assert_near(found, expected, tolerance["gradient"], ("first", dtype, shape, case), terms)
    upstreams = {"upstreams": (3 * upstream, upstream)}
    assert_same_bits(call("loss_weights_grad", *images, **upstreams, **how), found)
    found = call("loss_weights_grad_grad", *data[:3], upstream=upstream, **how)
    expected = by_weights_of_gradient(data, **options)
    assert_near(found, expected, tolerance["second"], ("second", dtype, shape, case))


def cases(shapes, **others):
    return covering({"shape": shapes, **OPTIONS, **others}, has_levels_that_fit)


@pytest.mark.parametrize("part", range(2))
def test_every_pair_of_options(part):
    for case in cases(SHAPES)[part::2]:
        check(**case)


@pytest.mark.parametrize("part", range(2))
def test_every_pair_of_options_with_several_levels(part):
    normalizers = [name for name in NORMALIZERS if name != "none"]
    for case in cases(SHAPES_OF_LEVELS, **LEVELS, normalizer=normalizers)[part::2]:
        check(**case)


@each_dtype
def test_counts(dtype):
    axes = {"shape": [(2, 66, 5, 3), (2, 5, 6, 30)], "weights": MAPS, "mask": ["none", *MAPS]}
    for case in covering({**axes, "response": RESPONSES, "border": BORDERS}):
        check_counts(dtype, **case)


def check_counts(dtype, shape, **case):
    """Without regard to the images, which may be NaN."""
    data, options = problem(shape, dtype, **case)
    losses = (shape[0], 2 if case["response"] in TWO_AXES else 1)
    upstream = generator(211).choice([-2.0, 0.5, 3], losses)
    images = np.full(data.y_pred.shape, np.nan)
    found = call("loss_counts_grad", None, images, upstream=upstream, dtype=dtype, **options)
    _, expected = reference.sums_weights_gradients(None, data.y_pred, upstream, **options)
    np.testing.assert_array_equal(found, expected)


# What is 0, and what is NaN


@each_dtype
def test_where_nothing_counts(dtype):
    """A denominator of 0 has derivative 0; those that count weights of 0 are not 0."""
    for normalizer, data_format in itertools.product(NORMALIZERS, DATA_FORMATS):
        data, options = problem(
            (3, 66, 5, 2),
            dtype,
            "per channel",
            "per pixel",
            "given",
            normalizer=normalizer,
            data_format=data_format,
        )
        options["mask"][0] = False
        data.y_pred[0] = np.nan
        upstreams = {"upstreams": (data.upstream, data.upstream)}
        found = call("loss_weights_grad", *data[:2], dtype=dtype, **upstreams, **options)
        assert not found[0].any() and found[1].any()
        # Of the last example, all weights are 0.
        divides_by_0 = normalizer in ("residuals", "pixels")
        assert found[2].any() != divides_by_0
        options["weights"] = 0 * options["weights"]
        found = call("loss_weights_grad", *data[:2], dtype=dtype, **upstreams, **options)
        divides_by_0 = divides_by_0 or normalizer == "batch"
        assert found[1].any() != divides_by_0


@each_dtype
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_a_weight_of_0_hides(dtype, bad):
    """Where the values that it hides are no numbers the derivative is 0, next to that it is not."""
    for response, normalizer, kind in itertools.product(RESPONSES, NORMALIZERS, MAPS):
        options = {"response": response, "normalizer": normalizer, "penalty": "l2"}
        data, options = problem((2, 9, 8, 2), dtype, kind, **options)
        weights = options["weights"]
        weights[0, 2:7, 2:7] = 0
        data.y_pred[0, 4, 4, 1] = bad
        expected = by_weights(*data[:2], data.upstream, **options)
        assert np.isfinite(expected).all()
        found = call("loss_weights_memo", *data[:2], upstream=data.upstream, dtype=dtype, **options)
        assert all(np.isfinite(x.view("uint16") if x.dtype == "uint16" else x).all() for x in found)
        tolerance = TOLERANCE[COMPUTE[dtype]]["gradient"]
        assert_near(found[2], expected, tolerance, (response, normalizer, kind))


@each_dtype
@pytest.mark.parametrize("weight", [0, 1])
def test_a_nan_that_counts(weight, dtype):
    """It reaches what the loss of its example reaches, and with "batch" all examples."""
    for normalizer in ("residuals", "pixels", "batch"):
        check_nan_that_counts(normalizer, weight, dtype)


@each_dtype
@pytest.mark.parametrize("normalizer", ["none", "residual_count", "pixel_count"])
@pytest.mark.parametrize("weight", [0, 1])
def test_a_nan_that_counts_in_sums_alone(normalizer, weight, dtype):
    check_nan_that_counts(normalizer, weight, dtype)


def check_nan_that_counts(normalizer, weight, dtype):
    options = {"normalizer": normalizer, "stencil": "prewitt", "response": "component"}
    data, options = problem((2, 5, 6, 1), dtype, **options)
    options["weights"] = np.ones((2, 5, 6, 1))
    options["weights"][0, 4, 4] = options["weights"][1, 1] = weight
    data.y_pred[0, 2, 2] = np.nan
    expected = by_weights(*data[:2], data.upstream, **options)
    found = call("loss_weights_memo", *data[:2], upstream=data.upstream, dtype=dtype, **options)[2]
    assert np.isnan(found[0]).any() and np.isnan(found[1]).any() == (normalizer == "batch")
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
