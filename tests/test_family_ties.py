"""The kernels where slopes and curvatures jump: residuals that are exactly 0, delta or epsilon.

The slope at 0 is 0, whatever the stencil is divided by: a tie that rounding breaks is a gradient of
the wrong size, not a small error. On integers, as those of cameras, ties are common.
"""

import itertools

import numpy as np
import pytest
from family_checks import assert_image_near, assert_outcome_near
from family_options import BORDERS, DATA_FORMATS, RESPONSES, SCALES, STENCILS
from family_tools import (
    DTYPES,
    EPSILON,
    TWO_AXES,
    call,
    decode,
    example,
    expect,
    first,
    generator,
    members,
    noisy,
    run,
    smallest,
)

from gradops import reference

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_wide = pytest.mark.parametrize("dtype", ["float32", "float64"])

# Their slopes are not continuous at 0.
KINKED = [{"penalty": "l1"}, {"penalty": "log", "epsilon": 2}, {"penalty": "power", "alpha": 1}]


@each_stencil
def test_ties_have_the_slope_of_the_oracle(stencil):
    turns = itertools.cycle(itertools.product(DATA_FORMATS, DTYPES))
    shapes = [(2, 9, 21, 3), (1, 67, 5, 1)]
    for border, scale, shape, top, response, penalty in itertools.product(
        BORDERS, SCALES, shapes, (4, 100), TWO_AXES, KINKED
    ):
        data_format, dtype = next(turns)
        options = {"stencil": stencil, "border": border, "scale": scale, "response": response}
        options |= {"data_format": data_format, **penalty}
        rng = generator(210, *shape)
        y_true, y_pred = (rng.integers(0, top, shape).astype("float64") for _ in range(2))
        edges = reference.image_gradients(y_pred - y_true, stencil=stencil, border=border)
        assert top == 100 or np.mean(edges == 0) > 0.01
        if data_format == "channels_first":
            y_true, y_pred = first(y_true), first(y_pred)
        upstream = np.array([300.0, -70])[: shape[0]]
        how = {"upstream": upstream, "dtype": dtype, **options}
        _, gradient = call("loss_memo", y_true, y_pred, **how)
        _, expected = reference.loss_gradients(y_true, y_pred, upstream, **options)
        context = (shape, top, dtype, options)
        assert_image_near(decode(gradient, dtype), expected, dtype, "gradient", context)


@each_stencil
def test_gradients_of_integers_are_rounded_once(stencil):
    """0 is exactly 0, and all else within an ulp of the quotient."""
    rng = generator(211)
    for border, scale, shape, dtype in itertools.product(
        BORDERS, SCALES, [(2, 9, 21, 3), (1, 3, 531, 1), (1, 1, 40, 2)], ("float32", "float64")
    ):
        if min(shape[1:3]) >= smallest(stencil, border):
            images = rng.integers(0, 256, shape).astype("float64")
            options = {"stencil": stencil, "border": border, "scale": scale}
            edges = call("image_gradients", images, dtype=dtype, **options)
            expected = reference.image_gradients(images, **options)
            np.testing.assert_allclose(edges, expected, rtol=EPSILON[dtype], atol=0)


# Component residuals of a forward stencil are exact: any parameter, at r = 0 and at its ends.

PARAMETERS = [
    *[{"penalty": "charbonnier", "epsilon": value} for value in (1e-3, 0.25, 10)],
    *[
        {"penalty": penalty, "delta": value}
        for penalty in ("huber", "truncated")
        for value in (0.25, 1, 2.5, 100)
    ],
    *[{"penalty": "log", "epsilon": value} for value in (1e-3, 0.5, 7)],
    *[{"penalty": "power", "alpha": value} for value in (1, 1.25, 1.5, 2, 2.5, 3, 4)],
    *[{"penalty": "l1"}, {"penalty": "l2"}],
]


def quarters(rng, shape, dtype):
    """Half of the residuals of a forward stencil are 0, and many at the edge of a huber."""
    return rng.integers(-10, 11, shape) * rng.integers(0, 2, shape) / 4


@pytest.mark.parametrize(
    "options", PARAMETERS, ids=lambda o: " ".join(str(value) for value in o.values())
)
def test_any_parameter_equals_the_oracle_at_zero_and_at_the_ends_too(options):
    for dtype, stencil, response, shape in itertools.product(
        DTYPES[2:], ("forward", "central"), TWO_AXES, [(2, 9, 21, 3), (1, 3, 40, 1)]
    ):
        how = {**options, "stencil": stencil, "response": response}
        data = example(generator(101, *shape), shape, dtype, how, draw=quarters)
        assert_outcome_near(run(data, dtype, **how), expect(data, **how), data, dtype, how, shape)


@each_wide
@pytest.mark.parametrize("response", ["magnitude", "direction"])
def test_any_response_epsilon_equals_the_oracle_at_zero_and_below_it_too(response, dtype):
    """Some gradients have exactly the size 0.5 or 4."""
    for epsilon, penalty in itertools.product((0, 1e-6, 0.5, 4), ("l2", "charbonnier")):
        options = {"response": response, "response_epsilon": epsilon, "penalty": penalty}
        options |= {"stencil": "forward", "border": "valid"}
        data = example(generator(102), (2, 9, 21, 3), dtype, options, draw=quarters)
        expected = expect(data, **options)
        assert np.any(expected.gradient == 0)
        assert_outcome_near(run(data, dtype, **options), expected, data, dtype, options)


@pytest.mark.parametrize("response", RESPONSES)
def test_identical_images_have_exactly_no_gradient(response):
    turns = zip(itertools.cycle(DTYPES), itertools.cycle(STENCILS), itertools.cycle(BORDERS))
    for shape in [(2, 3, 3, 1), (1, 66, 9, 4), (1, 4, 1050, 1)]:
        for member, (dtype, stencil, border) in zip(members(), turns, strict=False):
            if member["response"] != response:
                continue
            options = {**member, "stencil": stencil, "border": border}
            data = example(generator(212), shape, dtype, options, noisy)
            outcome = run(data._replace(y_true=data.y_pred.copy()), dtype, **options)
            assert np.all(outcome.gradient == 0) and np.all(outcome.by_upstream == 0)
            assert member["penalty"] == "charbonnier" or np.all(outcome.loss == 0)
