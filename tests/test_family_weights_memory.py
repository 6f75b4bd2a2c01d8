"""The kernels: derivatives by the weights through a memo, and where they are written."""

import numpy as np
import pytest
from family_options import BORDERS, DATA_FORMATS, NORMALIZERS
from family_tools import (
    COMPUTE,
    DTYPES,
    TWO_AXES,
    assert_same_bits,
    call,
    example,
    generator,
    shifted,
)
from pair_tools import covering
from weights_tools import MAPS, problem

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


# How a memo is used: copied, scaled, or not at all


@each_dtype
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_memo_is_copied_or_scaled_where_that_is_right(normalizer, dtype):
    """Which is seen by a memo that is no derivative."""
    data, options = problem((2, 5, 6, 3), dtype, normalizer=normalizer, response="component")
    other = generator(212).integers(1, 9, options["weights"].shape) / 8

    def through(expected, upstream, memo=other):
        upstreams = {"upstreams": (expected, upstream)}
        memo = memo.astype(COMPUTE[dtype])
        return call(
            "loss_weights_grad", *data[:2], weights_memo=memo, dtype=dtype, **upstreams, **options
        )

    def recomputed(upstream):
        upstreams = {"upstreams": (upstream, upstream)}
        return call("loss_weights_grad", *data[:2], dtype=dtype, **upstreams, **options)

    upstream = data.upstream
    np.testing.assert_array_equal(through(upstream, upstream), other)
    for factors in [(4, 4), (4, 0.5), (1, 2)]:
        factors = np.array(factors).reshape(-1, *[1] * (upstream.ndim - 1))
        found, scaled = through(upstream, factors * upstream), factors.reshape(-1, 1, 1, 1) * other
        # In "batch" the losses of others are in each entry, in "none" two upstreams are.
        if normalizer in ("batch", "none"):
            assert_same_bits(found, recomputed(factors * upstream))
        else:
            np.testing.assert_array_equal(found, scaled)
        memo = recomputed(upstream)
        found, again = through(upstream, factors * upstream, memo), recomputed(factors * upstream)
        assert_same_bits(found, again)
    for expected in (0, 1e-30, 1e-12, 1e12):
        assert_same_bits(through(expected * upstream, upstream), recomputed(upstream))
    if normalizer == "none":
        assert_same_bits(through(upstream * [1, 2], upstream), recomputed(upstream))


# Memory

GUARD = 64
# (function, output, images)
OUTPUTS = [
    ("loss_weights_memo", "weights_memo", slice(2)),
    ("loss_weights_grad", "by_weights", slice(2)),
    ("loss_weights_grad_grad", "by_weights", slice(3)),
    ("loss_counts_grad", "by_weights", slice(1, 2)),
]
PLACES = {
    "shape": [(2, 5, 7, 3), (2, 67, 5, 30), (1, 4, 1031, 1)],
    "weights": MAPS,
    "mask": ["none", *MAPS],
    "data_format": DATA_FORMATS,
    "response": ["component", "normal"],
    "normalizer": NORMALIZERS,
    "border": BORDERS,
}


def last_of(results):
    return results[-1] if isinstance(results, tuple) else results


@each_dtype
def test_all_of_the_map_is_written_and_nothing_else(dtype):
    """At any offset, whatever was there before; and the weights may begin anywhere."""
    for number, case in enumerate(covering(PLACES)):
        data, options = problem(dtype=dtype, **case)
        weights = options.pop("weights").astype(COMPUTE[dtype])
        offset = number % 19
        buffer = np.empty(weights.size + 2 * GUARD + offset, weights.dtype)
        out = buffer[GUARD + offset :][: weights.size].reshape(weights.shape)
        for function, name, which in OUTPUTS:
            upstreams = [data.upstream]
            if function == "loss_weights_grad":
                upstreams *= 2
            if function == "loss_counts_grad":
                residuals = 2 if case["response"] in TWO_AXES else 1
                upstreams = [np.full((weights.shape[0], residuals), 1.5)]
            images = ([None] if function == "loss_counts_grad" else []) + list(data[which])
            how = {"dtype": dtype, "upstreams": upstreams, **options}
            wanted = last_of(call(function, *images, weights=weights, **how))
            buffer[...] = 12345
            out[...] = np.nan
            elsewhere = shifted(weights, 1 + number % 7)
            found = call(function, *images, weights=elsewhere, **{name: out}, **how)
            assert last_of(found) is out
            assert_same_bits(out, wanted)
            assert np.all(buffer[: GUARD + offset] == 12345)
            assert np.all(buffer[GUARD + offset + weights.size :] == 12345)


def test_without_weights():
    data = example(generator(213), (2, 5, 6, 1))
    upstreams = {"upstreams": (data.upstream, data.upstream), "dtype": "float64"}
    for function, images in (("loss_weights_grad", data[:2]), ("loss_weights_grad_grad", data[:3])):
        given = (
            upstreams
            if function == "loss_weights_grad"
            else {**upstreams, "upstreams": [data.upstream]}
        )
        with pytest.raises(ValueError, match="weights must be given, got none"):
            call(function, *images, **given)
    with pytest.raises(ValueError, match="weights must be given, got none"):
        call("loss_weights_memo", *data[:2], upstream=data.upstream, dtype="float64")
