"""The kernels: the gradient through a memo is the recomputed one, for the whole family."""

import itertools

import numpy as np
import pytest
from family_tools import (
    COMPUTE,
    DATA_FORMATS,
    DTYPES,
    MODULES,
    NARROW,
    RESPONSES,
    call,
    decode,
    encode,
    example,
    kernel_options,
    members,
)
from kernel_tools import ULP, assert_same_bits, generator, normal

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_response = pytest.mark.parametrize("response", RESPONSES)
SHAPE = (4, 67, 6, 2)


def cases(response, dtype):
    """(example, options, recomputed): the last maps an upstream to the gradient."""
    rng = generator(190)
    for member, data_format in zip(members(), itertools.cycle(DATA_FORMATS), strict=False):
        if member["response"] != response:
            continue
        for normalizer in ("residuals", "none", "batch"):
            options = {**member, "normalizer": normalizer, "data_format": data_format}
            data = example(rng, SHAPE, dtype, options, normal)
            options["mask"] = rng.random(data.y_pred.shape) > 0.05

            def recomputed(upstream, data=data, options=options):
                how = {"upstream": upstream, "dtype": dtype, **options}
                return call("loss_and_gradient", data.y_true, data.y_pred, **how)[1]

            yield data, options, recomputed


def through_memo(data, memo, expected, upstream, dtype, options):
    """The memo as the kernels have it."""
    compute = COMPUTE[dtype]
    return MODULES[dtype].loss_gradient(
        encode(data.y_true, dtype),
        encode(data.y_pred, dtype),
        memo,
        np.asarray(expected, compute),
        np.asarray(upstream, compute),
        **kernel_options(options, dtype),
    )


@each_dtype
@each_response
def test_a_memo_of_the_same_upstream_comes_back_bit_for_bit(response, dtype):
    for data, options, _ in cases(response, dtype):
        memo = encode(data.vector, dtype)  # which no gradient is
        upstream = data.upstream
        assert_same_bits(through_memo(data, memo, upstream, upstream, dtype, options), memo)


@each_dtype
@each_response
def test_a_memo_of_another_upstream_gives_the_recomputed_gradient(response, dtype):
    """Rounded once: a narrow memo is left aside."""
    for data, options, recomputed in cases(response, dtype):
        factors = np.array([0.3, 1, -7, 1e-3])
        expected = (data.upstream.T * factors).T
        memo = recomputed(expected)
        found = through_memo(data, memo, expected, data.upstream, dtype, options)
        wanted = recomputed(data.upstream)
        assert_same_bits(found[1], wanted[1])
        if dtype in NARROW:
            assert_same_bits(found, wanted)
        else:
            np.testing.assert_allclose(found, wanted, rtol=4 * ULP[dtype], atol=0)


@each_dtype
@each_response
def test_axes_whose_upstreams_differ_by_other_factors_are_recomputed(response, dtype):
    for data, options, recomputed in cases(response, dtype):
        if options["normalizer"] != "none" or data.upstream.shape[1] != 2:
            continue
        expected = data.upstream * [[0.5, 2]]
        found = through_memo(data, recomputed(expected), expected, data.upstream, dtype, options)
        wanted = recomputed(data.upstream)
        largest = np.abs(decode(wanted, dtype)).max()
        tolerance = 4 * ULP.get(dtype, 0) * largest
        np.testing.assert_allclose(
            decode(found, dtype), decode(wanted, dtype), rtol=0, atol=tolerance
        )


@each_dtype
@each_response
@pytest.mark.parametrize("expected", [0.0, np.nan, np.inf])
def test_a_memo_that_can_hold_nothing_is_left_aside(expected, response, dtype):
    for data, options, recomputed in cases(response, dtype):
        memo = encode(data.vector, dtype)
        foreseen = np.full(data.upstream.shape, expected)
        found = through_memo(data, memo, foreseen, data.upstream, dtype, options)
        assert_same_bits(found, recomputed(data.upstream))
