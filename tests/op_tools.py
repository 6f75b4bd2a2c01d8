"""Images and comparisons shared by the tests of the TensorFlow ops."""

import numpy as np
import tensorflow as tf

PENALTIES = ["l1", "l2"]
SHAPES = [(1, 2, 2, 1), (2, 2, 7, 3), (3, 5, 2, 2), (2, 11, 13, 5), (2, 67, 9, 4), (1, 6, 5, 67)]
# Relative to the largest entry: rounding of a handful of additions in that type.
TOLERANCE = {"float32": 3e-6, "float64": 1e-14}


def images(rng, shape, dtype="float64"):
    return [tf.constant(rng.standard_normal(shape), dtype) for _ in range(2)]


def assert_close(actual, expected, dtype="float64", floor=1e-3):
    """Differences are at most the tolerance times the largest entry, or floor if that is larger."""
    expected = np.asarray(expected)
    scale = np.abs(expected).max() if expected.size else 0.0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[dtype] * max(scale, floor))
