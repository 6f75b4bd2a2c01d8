"""The kernels: derivatives by the weights through a memo, and without weights."""

import numpy as np
import pytest
from family_cases import problem
from family_options import NORMALIZERS
from family_tools import (
    COMPUTE,
    DTYPES,
    assert_same_bits,
    call,
    example,
    generator,
)

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


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
