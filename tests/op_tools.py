"""Images, members of the family and comparisons shared by the tests of the TensorFlow ops."""

import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
from family_options import BORDERS, RESPONSES, STENCILS
from pair_tools import covering

from gradops import _backend

# Parameters that are not the defaults.
PENALTY_PARAMETERS = {
    "l1": {},
    "l2": {},
    "charbonnier": {"epsilon": 0.3},
    "huber": {"delta": 2.0},
    "log": {"epsilon": 0.9},
    "power": {"alpha": 2.5},
    "truncated": {"delta": 2.1},
}
RESPONSE_PARAMETERS = {
    "magnitude": {"response_epsilon": 0.01},
    "direction": {"response_epsilon": 0.5},
}


def with_parameters(case):
    """The options of a case and the parameters of its penalty and its response."""
    penalty = PENALTY_PARAMETERS.get(case.get("penalty"), {})
    return {**case, **penalty, **RESPONSE_PARAMETERS.get(case.get("response"), {})}


# Every pair of a response, a penalty, a stencil and a border.
MEMBERS = [
    with_parameters(case)
    for case in covering(
        {
            "response": RESPONSES,
            "penalty": list(PENALTY_PARAMETERS),
            "stencil": STENCILS,
            "border": BORDERS,
        }
    )
]
# Every response, every stencil (the longest list) and every border, but not every pair of them.
FEW = [
    with_parameters({"response": response, "stencil": stencil, "border": border})
    for response, stencil, border in zip(
        itertools.cycle(RESPONSES), STENCILS, itertools.cycle(BORDERS), strict=False
    )
]


def name_of(options):
    """A test's name for a member of the family."""
    return "-".join(value for value in options.values() if isinstance(value, str))


def each(cases, quick=None, name="options"):
    """Parametrizes a test; cases that are not among the quick ones are of the extended suite."""
    return pytest.mark.parametrize(
        name,
        [
            pytest.param(
                case,
                id=name_of(case) if isinstance(case, dict) else str(case),
                marks=[] if quick is None or case in quick else pytest.mark.extended,
            )
            for case in cases
        ],
    )


def pairs_of(**axes):
    """Parametrizes a test by these axes: their covering pairs, and in the extended suite all."""
    quick = [tuple(case[axis] for axis in axes) for case in covering(axes)]
    cases = [
        pytest.param(*case, marks=[] if case in quick else pytest.mark.extended)
        for case in itertools.product(*axes.values())
    ]
    indirect = [axis for axis in axes if axis == "backend"]
    return pytest.mark.parametrize(list(axes), cases, indirect=indirect)


def in_modes(cases):
    """Parametrizes a test by backend, options and graph.

    Graphs of the composition take seconds: the quick suite has one of them.
    """
    return pytest.mark.parametrize(
        ("backend", "options", "graph"),
        [
            pytest.param(
                backend,
                options,
                graph,
                id=f"{backend}-{name_of(options)}-{'graph' if graph else 'eager'}",
                marks=pytest.mark.extended
                if backend == "composite" and graph and options != cases[0]
                else [],
            )
            for backend in ("fused", "composite")
            for options in cases
            for graph in (False, True)
        ],
        indirect=["backend"],
    )


def is_fused():
    """Whether the fused ops compute, here and now."""
    return _backend.choice().name == "fused"


def first(array):
    """[B, H, W, C, ...] as [B, C, H, W, ...]."""
    return np.moveaxis(array, 3, 1)


def ops_of(function, *specs):
    """The types of our ops in a function's graph, also of those that will be pruned."""
    graph = function.get_concrete_function(*specs).graph
    return [op.type for op in graph.get_operations() if op.type.startswith("Gradops>")]


def dyadic(rng, shape):
    """Multiples of 1/64 from -4 to 4.

    Every dtype holds them, and float32 holds their differences and sums with the weights of a
    stencil. So any order of summation gives the same residuals, those that cancel are exactly 0,
    and no slope depends on who rounds how.
    """
    return rng.integers(-256, 257, shape) / 64


def images(rng, shape, dtype="float64"):
    return [tf.constant(dyadic(rng, shape), dtype) for _ in range(2)]


# What follows the residuals is rounded: by half of this, relative to a number.
EPSILON = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
}
# So many roundings by epsilon of the largest number: the fused ops add up exactly or compensated,
# the composition adds up in the type, and what cancels there need not be 0.
ROUNDINGS = {"fused": 32, "composite": 256}
FLOOR = {"fused": 1e-3, "composite": 2e-2}


def assert_close(actual, expected, dtype="float64", floor=None, factor=1):
    """Differences are at most some roundings of the largest entry, or of floor if that is more."""
    backend = _backend.choice().name
    expected = np.asarray(expected)
    if actual is None and not is_fused():  # TensorFlow's own ops are not connected where it is 0
        actual = np.zeros_like(expected)
    floor = FLOOR[backend] if floor is None else floor
    scale = max(np.abs(expected).max(), floor) if expected.size else floor
    atol = factor * ROUNDINGS[backend] * EPSILON[dtype] * scale
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def assert_same(actual, expected, dtype="float64"):
    """The same bits, which the fused ops promise; the composition's may differ in rounding."""
    if is_fused():
        np.testing.assert_array_equal(actual, expected)
    else:
        assert_close(actual, expected, dtype)


def at_run_time(message):
    """A message about what a graph learns when it runs: the composition shows shapes otherwise."""
    return message if is_fused() else re.split(r"[,']|\\? ?\\?\[", message)[0]
