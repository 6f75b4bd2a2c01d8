"""Images and comparisons shared by the tests of the TensorFlow ops."""

import re

import numpy as np
import tensorflow as tf

import gradops

IS_FUSED = gradops.build_info()["backend"] == "fused"
PENALTIES = ["l1", "l2"]
SHAPES = [(1, 2, 2, 1), (2, 2, 7, 3), (3, 5, 2, 2), (2, 11, 13, 5), (2, 67, 9, 4), (1, 6, 5, 67)]
# The family, with parameters that are not the defaults.
FAMILY = {
    "l1": {},
    "l2": {},
    "charbonnier": {"epsilon": 0.3},
    "huber": {"delta": 2.0},
    "log": {"epsilon": 0.9},
    "power": {"alpha": 2.5},
}
RESPONSES = {
    "component": {},
    "magnitude": {"response_epsilon": 0.01},
    "absolute": {},
    "direction": {"response_epsilon": 0.5},
    "normal": {},
}
STENCILS = ["sobel", "scharr", "prewitt", "central", "forward"]
BORDERS = ["reflect", "replicate", "zero", "circular", "valid"]
LOSSES = [
    {"response": response, **epsilon, "penalty": penalty, **parameter}
    for response, epsilon in RESPONSES.items()
    for penalty, parameter in FAMILY.items()
]
# Every stencil with every border, and a response in turn.
EDGES = [
    {"stencil": stencil, "border": border, "response": list(RESPONSES)[(i + j) % 5]}
    for i, stencil in enumerate(STENCILS)
    for j, border in enumerate(BORDERS)
]
# Relative to the largest entry: rounding of a handful of additions in that type. The composition
# rounds each of its images and adds up in that type: what cancels is not exactly 0.
TOLERANCE = {"float32": 3e-6, "float64": 1e-14}
SLACK, FLOOR = (1, 1e-3) if IS_FUSED else (6, 2e-2)


def name_of(options):
    """A test's name for a member of the family."""
    return "-".join(value for value in options.values() if isinstance(value, str))


def first(array):
    """[B, H, W, C, ...] as [B, C, H, W, ...]."""
    return np.moveaxis(array, 3, 1)


def ops_of(function, *specs):
    """The types of our ops in a function's graph, also of those that will be pruned."""
    graph = function.get_concrete_function(*specs).graph
    return [op.type for op in graph.get_operations() if op.type.startswith("Gradops>")]


def images(rng, shape, dtype="float64"):
    return [tf.constant(rng.standard_normal(shape), dtype) for _ in range(2)]


def assert_close(actual, expected, dtype="float64", floor=FLOOR, factor=1):
    """Differences are at most the tolerance times the largest entry, or floor if that is larger."""
    expected = np.asarray(expected)
    if actual is None and not IS_FUSED:  # TensorFlow's own ops are not connected where it is 0
        actual = np.zeros_like(expected)
    scale = max(np.abs(expected).max(), floor) if expected.size else floor
    atol = SLACK * factor * TOLERANCE[dtype] * scale
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def assert_same(actual, expected, dtype="float64"):
    """The same bits, which the fused ops promise; the composition's may differ in rounding."""
    if IS_FUSED:
        np.testing.assert_array_equal(actual, expected)
    else:
        assert_close(actual, expected, dtype)


def at_run_time(message):
    """A message about what a graph learns when it runs: the composition shows shapes otherwise."""
    return message if IS_FUSED else re.split(r"[,']|\\? ?\\?\[", message)[0]
