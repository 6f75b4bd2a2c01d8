"""Outcomes of `family_tools` compared, relative to the largest expected value of the example."""

import numpy as np
from family_tools import COMPUTE, EPSILON, HALF_ULP, NARROW, NUMPY, SUBNORMAL, expect

# Relative to the largest of an example, in epsilons of the type it is computed in. The kernels give
# the same bits on every processor, so these only have to bound the arithmetic and the oracle's own
# float64. Slopes amplify the rounding of a residual that is a small difference; none of the images
# here is so close to a kink that this is more than 20 times.
_AMPLIFIED = 20
_EPSILONS = {
    "sums": 9,  # terms of one sign, each of a stencil's 9 taps
    "gradient": 18 * _AMPLIFIED,  # 18 slopes
    "second": 4 * _AMPLIFIED**2,  # products of two slopes, of 4 roundings each
}
TOLERANCE = {
    dtype: {what: number * EPSILON[dtype] for what, number in _EPSILONS.items()}
    for dtype in ("float32", "float64")
}


def kinds(values):
    """0 where finite, +1 and -1 where infinite, 2 where NaN."""
    signs = np.where(np.isinf(values), np.sign(values), 0)
    return np.where(np.isnan(values), 2, signs)


def assert_same_outcome(actual, expected, context=None):
    for name, found, wanted in zip(expected._fields, actual, expected, strict=True):
        np.testing.assert_array_equal(found, wanted, err_msg=f"{name} {context}")


def largest(values):
    """The largest of each example, so shaped that it broadcasts; infinite and NaN left out."""
    sizes = np.where(np.isfinite(values), np.abs(values), 0)
    axes = tuple(range(1, values.ndim))
    return sizes.max(axis=axes, keepdims=True, initial=0) if axes else sizes


def errors(actual, expected, scale=None):
    """|actual - expected| relative to the largest of the example (or the scale); 0 for equal."""
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    with np.errstate(all="ignore"):
        difference = np.where(np.isnan(expected) | (actual == expected), 0, actual - expected)
        scale = largest(expected) if scale is None else scale
        return np.where(difference == 0, 0, np.abs(difference) / scale)


def assert_image_near(actual, expected, dtype, what="gradient", context=None, **how):
    """Within the error of the arithmetic and one rounding; all zeros means exactly zeros."""
    with np.errstate(over="ignore"):
        too_large = np.isinf(expected.astype(NUMPY[dtype]))
    expected = np.where(too_large, np.copysign(np.inf, expected), expected)
    scale = how.get("scale", largest(expected))
    allowed = how.get("factor", 1) * TOLERANCE[COMPUTE[dtype]][what]
    allowed = np.full(expected.shape, max(allowed, how.get("inherent", 0)))
    if dtype in NARROW:
        with np.errstate(all="ignore"):
            rounding = HALF_ULP[dtype] * np.abs(expected) + SUBNORMAL[dtype]
            allowed += np.nan_to_num(rounding / scale)
    found = errors(actual, expected, scale)
    assert np.all(found <= allowed), (what, context, float(found.max()))


def inherent_error(data, expected, dtype, options):
    """What twice the last bit of y_pred changes in the gradient, relative to the largest: where a
    gradient is nearly 0, its direction depends on little more than rounding."""
    bit = 2 * EPSILON[COMPUTE[dtype]]
    signs = np.random.default_rng(0).choice([-1, 1], data.y_pred.shape)
    moved = expect(data._replace(y_pred=data.y_pred * (1 + bit * signs)), **options)
    found = float(errors(moved.gradient, expected.gradient).max(initial=0))
    return min(found, 10 * TOLERANCE[COMPUTE[dtype]]["gradient"])


def assert_outcome_near(actual, expected, data, dtype, options, context=None, factor=1, inherent=0):
    """As above for all of the outcome; a factor allows for images that are ill conditioned, and
    `inherent` is an error of the gradient that its arithmetic cannot avoid."""
    scalars = {name: x for name, x in options.items() if not isinstance(x, np.ndarray)}
    context = dtype, scalars, context
    allowed = {what: factor * x for what, x in TOLERANCE[COMPUTE[dtype]].items()}
    with np.errstate(all="ignore"):
        # Directions along the same axis differ by a rounding, of which the square is counted.
        least = 1e-9 if options.get("response") == "direction" else 0
        found = errors(actual.loss, expected.loss, np.maximum(np.abs(expected.loss), least))
        # A truncated loss stays small however large the gradients are that were rounded.
        amplified = _AMPLIFIED if options.get("penalty") == "truncated" else 1
        assert np.all(found <= amplified * allowed["sums"]), ("loss", context, found)
        # A sum of many products, which may cancel.
        terms = np.abs(data.vector * expected.gradient).sum(axis=(1, 2, 3))
        upstream = np.abs(data.upstream).min(axis=tuple(range(1, data.upstream.ndim)))
        scale = (terms / upstream).reshape(-1, *[1] * (data.upstream.ndim - 1))
        found = errors(actual.by_upstream, expected.by_upstream, scale)
        assert np.all(found <= allowed["gradient"]), ("by_upstream", context, found)
    how = {"factor": factor}
    assert_image_near(
        actual.gradient, expected.gradient, dtype, "gradient", context, inherent=inherent, **how
    )
    for name in ("by_pred", "by_true"):
        wanted = getattr(expected, name)
        if wanted is None:
            continue
        scale = largest(wanted)
        if options.get("response") == "magnitude":
            # Its curvature is a difference, which is 0 where the gradient has one component only.
            terms = largest(expected.gradient) * largest(data.vector)
            scale = np.maximum(scale, 1e-3 * terms)
        found = getattr(actual, name)
        assert_image_near(found, wanted, dtype, "second", (name, context), scale=scale, **how)
