"""The composition's second derivatives by weights, which are TensorFlow's own, and its NaN.

test_ops_weights_gradient.py has the first derivatives, with the fused ops and with the composition.
"""

import numpy as np
import pytest
import tensorflow as tf
from composite_tools import check_close, pair
from op_weights_tools import gradients, wanted
from reference_tools import NORMALIZERS
from test_reference_weights import problem

from gradops import composite, reference

modes = pytest.mark.parametrize("graph", [False, True])


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_nan_that_counts(normalizer):
    y_true, y_pred = pair(92, (2, 5, 6, 1))
    y_pred[0, 2, 2] = np.nan
    weights = np.ones(y_pred.shape)
    weights[0, 1, 1] = weights[0, 4, 5] = 0
    options = {"normalizer": normalizer, "stencil": "prewitt"}
    found = gradients(y_true, y_pred, weights, call=composite.gradient_loss, **options)
    for ours, theirs in zip(found, wanted(y_true, y_pred, weights, **options), strict=True):
        check_close(ours, theirs)


@modes
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_second_derivatives(normalizer, graph):
    """<u, dL/dw> and <v, dL/dp> by w and by p, also where w is 0."""
    y_true, y_pred, options = problem(1, masked=True)
    weights = options.pop("weights")
    options |= {"response": "magnitude", "penalty": "charbonnier", "epsilon": 0.3}
    options["normalizer"] = normalizer
    along_w = np.random.default_rng(94).uniform(size=weights.shape)  # 0 has only one side
    along_p = np.random.default_rng(95).normal(size=y_pred.shape)

    def product(w, p):
        with tf.GradientTape() as outer:
            outer.watch([w, p])
            with tf.GradientTape() as inner:
                inner.watch([w, p])
                loss = tf.reduce_sum(composite.gradient_loss(y_true, p, weights=w, **options))
            by_w, by_p = inner.gradient(loss, [w, p])
            along = tf.reduce_sum(by_w * along_w) + tf.reduce_sum(by_p * along_p)
        return outer.gradient(along, [w, p])

    found = (tf.function(product) if graph else product)(*map(tf.constant, (weights, y_pred)))

    def slopes(w, p):
        by_w = reference.weights_gradient(y_true, p, weights=w, **options)
        return by_w, reference.loss_gradients(y_true, p, weights=w, **options)[1]

    step = 1e-5  # The second derivative is symmetric: the change of both slopes along both.
    moved = [slopes(weights, y_pred + sign * step * along_p) for sign in (1, -1)]
    by_p_part = [(up - down) / (2 * step) for up, down in zip(*moved, strict=True)]
    ends = [slopes(weights + k * step * along_w, y_pred) for k in (0, 1, 2)]
    by_w_part = [(-3 * a + 4 * b - c) / (2 * step) for a, b, c in zip(*ends, strict=True)]
    for ours, first_part, second_part in zip(found, by_p_part, by_w_part, strict=True):
        np.testing.assert_allclose(ours, first_part + second_part, rtol=1e-5, atol=1e-6)
