"""The kernels: each penalty's value, slope and curvature, in ulps of what NumPy has in long double.

One residual at a time: an image that is 0 up to some column and r from there on has one forward
difference that is not 0. Its sum is rho(r), its gradient in that column rho'(r).
"""

import numpy as np
import pytest
from family_tools import call, generator

WIDTH = 37
LONG = np.longdouble
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
pytestmark = pytest.mark.skipif(
    np.finfo(LONG).nmant < 60, reason="long double is no wider than double here"
)


def residuals(dtype, exponent):
    """Residuals of both signs and all sizes, mostly between 1/1000 and 1000."""
    rng = generator(150)
    sizes = [10.0 ** rng.uniform(-exponent, exponent, 6000), 10.0 ** rng.uniform(-3, 3, 6000)]
    sizes += [1 + rng.uniform(-1e-3, 1e-3, 2000), rng.uniform(0, 4, 6000)]
    r = np.concatenate(sizes).astype(dtype)
    r[::2] *= -1
    return r


def curve(r, dtype, **options):
    """rho(r), rho'(r), rho''(r)."""
    column = np.arange(r.size) % (WIDTH - 1) + 1
    step = (np.arange(WIDTH) >= column[:, None])[:, None, :, None]
    images, vector = np.where(step, r[:, None, None, None], 0), np.where(step, 1, 0)
    options |= {"stencil": "forward", "border": "zero", "normalizer": "none", "dtype": dtype}
    upstream = np.ones((r.size, 2))
    value, slope = call("loss_memo", None, images, upstream=upstream, **options)
    _, curvature, _ = call("loss_grad_grad", None, images, vector, upstream=upstream, **options)
    at = np.arange(r.size), 0, column, 0
    return value[:, 1], slope[at], curvature[at]


def ulps(actual, expected):
    """|actual - expected| in ulps of actual's dtype; 0 near and below its smallest normal number.

    A factor of expected may be 2000 times smaller.
    """
    info = np.finfo(actual.dtype)
    size = np.abs(expected)
    normal = (size > 2000 * info.tiny) & (size < info.max / 4)
    with np.errstate(all="ignore"):
        ulp = np.spacing(size.astype(actual.dtype)).astype(LONG)
        return np.where(normal, np.abs(actual.astype(LONG) - expected) / ulp, 0)


def worst(actual, expected, where=True):
    return float(np.max(ulps(actual, expected), initial=0, where=where))


def report(r, actual, expected):
    """The worst residual, for the message of a failure."""
    found = ulps(actual, expected)
    i = int(np.argmax(np.where(np.isnan(found), np.inf, found)))
    return f"r={r[i]!r}: {actual[i]!r} instead of {expected[i]!r}"


def mostly_extended(values, quick):
    """The values as parameters, those that are not quick in the extended suite alone."""
    marks = {value: [] if value in quick else [pytest.mark.extended] for value in values}
    return [pytest.param(value, marks=marks[value]) for value in values]


@each_dtype
@pytest.mark.parametrize(
    "epsilon", mostly_extended([0.5, 1, 1e-3, 1.9999, 1e-30], [0.5, 1.9999, 1e-30])
)
def test_log_is_right_to_a_few_ulps_for_residuals_of_any_size(epsilon, dtype):
    r = residuals(dtype, 34 if dtype == "float32" else 270)
    epsilon = float(np.dtype(dtype).type(epsilon))
    value, slope, curvature = curve(r, dtype, penalty="log", epsilon=epsilon)
    size, e = np.abs(r).astype(LONG), LONG(epsilon)
    bound = 2
    if dtype == "float32":  # found in floats: three roundings more if epsilon is no power of two
        bound = 1 if epsilon in (0.5, 1) else 2.5
    expected = np.log1p(size / e)
    assert worst(value, expected) <= bound, report(r, value, expected)
    expected = np.sign(r) / (e + size)
    assert worst(slope, expected) <= 2, report(r, slope, expected)
    expected = -1 / (e + size) ** 2
    assert worst(curvature, expected) <= 4, report(r, curvature, expected)


ALPHAS = [1.0, 1.1, 1.51, 2.0, 2.1, 2.3, 2.5, 3.0, 3.2, 4.0, 7.5, 10.0, 33.06, 200.3, 999.3]
QUICK_ALPHAS = [1.0, 1.1, 2.0, 2.1, 2.5, 3.2, 33.06, 999.3]
each_alpha = pytest.mark.parametrize("alpha", mostly_extended(ALPHAS, QUICK_ALPHAS))


def power(r, alpha):
    size, a = np.abs(r).astype(LONG), LONG(alpha)
    with np.errstate(over="ignore", under="ignore"):
        slope = np.sign(r) * a * size ** (a - 1)
        return size**a, slope, a * (a - 1) * size ** (a - 2)


def power_bound(dtype, alpha):
    """2^(alpha log2 |r|) has alpha times the error of the logarithm's fraction."""
    if dtype == "float32":
        return max(1.6, 0.25 * alpha)  # of a logarithm of 30 bits; and roundings of two products
    return 2 + 0.65 * alpha


@each_dtype
@each_alpha
def test_power_is_as_right_as_its_exponent_for_residuals_of_any_size(alpha, dtype):
    r = residuals(dtype, 37 if dtype == "float32" else 300)
    value, _, _ = curve(r, dtype, penalty="power", alpha=alpha)
    expected, _, _ = power(r, alpha)
    assert worst(value, expected) <= power_bound(dtype, alpha), report(r, value, expected)


def usual(dtype, *curves):
    """Where all of these are normal numbers, and not nearly none."""
    info = np.finfo(dtype)
    sizes = [np.abs(curve) for curve in curves]
    return np.all([(x > 1000 * info.tiny) & (x < info.max / 1000) for x in sizes], axis=0)


@each_dtype
@each_alpha
def test_slope_and_curvature_of_power_are_as_right_for_residuals_of_any_size(alpha, dtype):
    """Also where the value is too large or too small to be a number of the dtype."""
    r = residuals(dtype, 37 if dtype == "float32" else 300)
    _, slope, curvature = curve(r, dtype, penalty="power", alpha=alpha)
    _, wanted, bent = power(r, alpha)
    assert not np.any(np.isnan(slope)) and not np.any(np.isnan(curvature))
    bound = power_bound(dtype, alpha) + 2
    error = np.where(usual(dtype, wanted), ulps(slope, wanted), 0)
    assert np.all(error <= bound), report(r, slope, wanted)
    error = np.where(usual(dtype, wanted, bent), ulps(curvature, bent), 0)
    assert np.all(error <= bound), report(r, curvature, bent)


@each_dtype
@pytest.mark.parametrize("alpha", [1e5, 1e9, 1e30])
def test_huge_powers_are_infinite_or_vanish(alpha, dtype):
    value, slope, _ = curve(np.array([0, 0.5, 1, 2], dtype), dtype, penalty="power", alpha=alpha)
    np.testing.assert_array_equal(value, [0, 0, 1, np.inf])
    np.testing.assert_array_equal(slope, np.array([0, 0, alpha, np.inf], dtype))


@each_dtype
@pytest.mark.parametrize("times", [0, 2])
def test_normals_are_right_for_surfaces_of_any_steepness(dtype, times):
    """Beside one that is flat, or twice as steep: 1 - cos = sin^2 / (1 + cos)."""
    k = residuals(dtype, 14 if dtype == "float32" else 99)
    images = np.zeros((k.size, 1, 2, 1), dtype)
    images[:, 0, 1, 0] = k
    options = {"stencil": "forward", "border": "zero", "response": "normal", "penalty": "l1"}
    options |= {"normalizer": "none", "dtype": dtype, "upstream": np.ones((k.size, 1))}
    loss, gradient = call("loss_memo", times * images, images, **options)
    p = k.astype(LONG)
    t = times * p
    heights = np.hypot(LONG(1), p), np.hypot(LONG(1), t)
    both = heights[0] * heights[1]
    wanted = ((p - t) / both) ** 2 / (1 + (1 + p * t) / both)
    assert worst(loss[:, 0], wanted) <= 8, report(k, loss[:, 0], wanted)
    wanted = (p - t) / both / heights[0] ** 2
    found = gradient[:, 0, 1, 0]
    assert worst(found, wanted) <= 8, report(k, found, wanted)


@each_dtype
def test_the_other_penalties_are_right_to_a_few_ulps_for_residuals_of_any_size(dtype):
    r = residuals(dtype, 17 if dtype == "float32" else 150)
    size = np.abs(r).astype(LONG)
    e, d = (LONG(np.dtype(dtype).type(x)) for x in (0.3, 0.7))
    root = np.hypot(size, e)
    inside = size <= d
    curves = {
        ("l1", None): (size, np.sign(r).astype(LONG), 0 * size),
        ("l2", None): (size**2, 2 * r.astype(LONG), 2 + 0 * size),
        ("charbonnier", 0.3): (root, r / root, e**2 / root**3),
        ("huber", 0.7): (
            np.where(inside, size**2 / 2, d * (size - d / 2)),
            np.where(inside, r, d * np.sign(r)),
            inside.astype(LONG),
        ),
    }
    names = {"charbonnier": "epsilon", "huber": "delta"}
    for (penalty, parameter), expected in curves.items():
        options = {} if parameter is None else {names[penalty]: parameter}
        actual = curve(r, dtype, penalty=penalty, **options)
        if penalty == "charbonnier":  # with rho(0) of all the other residuals
            expected = ((WIDTH - 1) * e + root, *expected[1:])
        for number, (found, wanted) in enumerate(zip(actual, expected, strict=True)):
            bound = (4, 2, 8)[number]  # value (a sum of all), slope, curvature
            assert worst(found, wanted) <= bound, (penalty, number, report(r, found, wanted))
