"""The kernels: every stencil, border, response, penalty and scale against the oracle."""

import itertools

import numpy as np
import pytest
from family_checks import assert_outcome_near
from family_tools import (
    BORDERS,
    RESPONSES,
    SCALES,
    STENCILS,
    TWO_AXES,
    example,
    expect,
    members,
    run,
    smallest,
)
from kernel_tools import generator, normal

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_border = pytest.mark.parametrize("border", BORDERS)


def sweep(stencil, border, shapes, dtypes, factor=1):
    for shape, scale, member in itertools.product(shapes, SCALES, members()):
        options = {"stencil": stencil, "border": border, "scale": scale, **member}
        for dtype in dtypes:
            rng = generator(100, *shape)
            how = {"draw": normal} if dtype == "float64" else {}
            data = example(rng, shape, dtype, options, **how)
            outcome, expected = run(data, dtype, **options), expect(data, **options)
            assert_outcome_near(outcome, expected, data, dtype, options, shape, factor)


@each_stencil
@each_border
def test_loss_gradient_and_second_order_equal_the_oracle(stencil, border):
    sweep(stencil, border, [(2, 5, 6, 3)], ["float32"])


@each_stencil
@each_border
def test_loss_gradient_and_second_order_equal_the_oracle_in_float64(stencil, border):
    sweep(stencil, border, [(2, 4, 5, 1)], ["float64"])


@pytest.mark.extended
@each_stencil
@each_border
def test_loss_gradient_and_second_order_equal_the_oracle_at_more_shapes(stencil, border):
    shapes = [(2, 3, 4, 2), (1, 7, 3, 2), (3, 4, 19, 1), (2, 9, 8, 5), (1, 65, 2, 3), (1, 2, 33, 2)]
    shapes += [(1, 1, 9, 2), (1, 8, 1, 1), (2, 1, 1, 3), (1, 2, 2, 1)]
    least = smallest(stencil, border)
    shapes = [shape for shape in shapes if min(shape[1:3]) >= least]
    # Few residuals, some of them small differences.
    sweep(stencil, border, shapes, ["float32", "float64"], factor=20)


# The curves of the penalties, where component residuals are exact: any parameter, ties, r = 0.

PARAMETERS = [
    *[{"penalty": "charbonnier", "epsilon": value} for value in (1e-3, 0.25, 10)],
    *[{"penalty": "huber", "delta": value} for value in (0.25, 1, 2.5, 100)],
    *[{"penalty": "log", "epsilon": value} for value in (1e-3, 0.5, 7)],
    *[{"penalty": "power", "alpha": value} for value in (1, 1.25, 1.5, 2, 2.5, 3, 4)],
    *[{"penalty": "l1"}, {"penalty": "l2"}],
]


def quarters(rng, shape, dtype):
    """Half of the residuals of a forward stencil are 0, and many at the edge of a huber."""
    return (rng.integers(-10, 11, shape) * rng.integers(0, 2, shape) / 4).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options", PARAMETERS, ids=lambda o: " ".join(str(value) for value in o.values())
)
def test_any_parameter_equals_the_oracle_at_zero_and_at_the_ends_too(options, dtype):
    for stencil, response in itertools.product(("forward", "central"), TWO_AXES):
        all_options = {**options, "stencil": stencil, "response": response}
        for shape in [(2, 9, 21, 3), (1, 3, 40, 1)]:
            data = example(generator(101, *shape), shape, dtype, all_options, draw=quarters)
            outcome = run(data, dtype, **all_options)
            expected = expect(data, **all_options)
            assert_outcome_near(outcome, expected, data, dtype, all_options, shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("epsilon", [0, 1e-6, 0.5, 4])
@pytest.mark.parametrize("response", ["magnitude", "direction"])
def test_any_response_epsilon_equals_the_oracle_at_zero_and_below_it_too(response, epsilon, dtype):
    for penalty in ("l2", "huber"):
        options = {"response": response, "response_epsilon": epsilon, "penalty": penalty}
        options |= {"stencil": "forward", "border": "valid", "delta": 0.7}
        if penalty == "l2":
            del options["delta"]
        data = example(generator(102), (2, 9, 21, 3), dtype, options, draw=quarters)
        expected = expect(data, **options)
        assert np.any(expected.gradient == 0)
        assert_outcome_near(run(data, dtype, **options), expected, data, dtype, options)


@pytest.mark.parametrize("response", RESPONSES)
def test_a_changed_option_changes_the_outcome(response):
    """So that agreement of every combination means something."""
    losses = {}
    for stencil, border, member in itertools.product(STENCILS, BORDERS, members()):
        if member["response"] == response:
            options = {"stencil": stencil, "border": border, **member}
            data = example(generator(103), (1, 5, 6, 2), "float64", options, draw=normal)
            losses[stencil, border, member["penalty"]] = float(
                run(data, "float64", **options)[0][0]
            )
    alike = len(losses) - len(set(losses.values()))
    # forward knows no border but valid
    assert alike == 3 * 6
