"""The composition's derivatives by weights, which are TensorFlow's own, against the reference."""

import numpy as np
import pytest
import tensorflow as tf
from composite_tools import check_close, upstream
from composite_tools import pair as dyadic_pair
from op_tools import pairs_of
from reference_tools import NORMALIZERS, RESPONSES, TUNED, TWO_RESIDUALS
from test_reference_weights import CASES, problem

from gradops import composite, reference
from gradops._backend import composition
from gradops._inputs import checks
from gradops._inputs.convert import inputs as converted

modes = pytest.mark.parametrize("graph", [False, True])


def gradients(y_true, y_pred, weights, graph=False, call=composite.gradient_loss, **options):
    """[of the losses times the upstream above by the weights, by y_pred]."""

    def step(y_pred, weights):
        with tf.GradientTape() as tape:
            tape.watch([y_pred, weights])
            losses = call(y_true, y_pred, weights=weights, **options)
        factors = tf.cast(upstream(y_pred.shape), losses.dtype)
        return tape.gradient(losses, [weights, y_pred], output_gradients=factors)

    return (tf.function(step) if graph else step)(tf.constant(y_pred), tf.constant(weights))


def check(y_true, y_pred, weights, graph=False, **options):
    found = gradients(y_true, y_pred, weights, graph, **options)
    factors, options = upstream(y_pred.shape), {**options, "weights": weights}
    check_close(
        found[0], reference.multi_scale_weights_gradient(y_true, y_pred, factors, **options)
    )
    expected = reference.multi_scale_gradients(y_true, y_pred, factors, **options)[1]
    check_close(found[1], expected)
    return found


@pytest.mark.parametrize("part", range(4))
def test_every_pair_of_options(part):
    for case in CASES[part::4]:
        options = {**case, **TUNED[case["penalty"]]}
        data_format = options.pop("data_format")
        sizes = options.pop("channels"), options.pop("masked")
        y_true, y_pred, given = problem(*sizes, data_format)
        check(y_true, y_pred, **given, **options)


@modes
@pytest.mark.parametrize("downsample", ["stride", "average"])
def test_several_scales(downsample, graph):
    for normalizer in NORMALIZERS[2:4] if graph else NORMALIZERS:
        y_true, y_pred, options = problem(1, masked=True, shape=(2, 9, 8, 2))
        options["weights"][:, :4, 4:] = 0
        options |= {"scales": 3, "downsample": downsample, "scale_weights": [1, 0.5, 2]}
        check(y_true, y_pred, graph=graph, normalizer=normalizer, border="replicate", **options)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_nan_that_counts(normalizer):
    y_true, y_pred = dyadic_pair(92, (2, 5, 6, 1))
    y_pred[0, 2, 2] = np.nan
    weights = np.ones(y_pred.shape)
    weights[0, 1, 1] = weights[0, 4, 5] = 0
    check(y_true, y_pred, weights, normalizer=normalizer, stencil="prewitt")


@pairs_of(response=RESPONSES, graph=[False, True])
def test_sums_and_counts(response, graph):
    """The counts do not depend on images, whatever these hold."""
    y_true, y_pred, options = problem(1, masked=True)
    y_pred[0, 3, 2] = np.nan
    weights = options.pop("weights")
    factors = np.array([[0.3, -2], [0.7, 1.1]])[:, : 2 if response in TWO_RESIDUALS else 1]
    options["response"] = response

    def step(weights):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(weights)
            both = composite.gradient_sums(y_true, y_pred, weights=weights, **options)
        return [tape.gradient(values, weights, factors) for values in both]

    found = (tf.function(step) if graph else step)(tf.constant(weights))
    options["weights"] = weights
    expected = reference.sums_weights_gradients(y_true, y_pred, factors, **options)
    for ours, theirs in zip(found, expected, strict=True):
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


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_term_of_the_pixels(normalizer, channels):
    """dL/dw = (v - L n) / D with v = |p - t|, 0 at w = 0 where that is NaN."""
    y_true, y_pred, given = problem(channels, masked=True)
    y_pred[0, 0, 0, 0] = np.nan
    given["weights"][0, 0, 0] = 0
    weights, mask = given["weights"], given["mask"]
    options = checks.options(
        **{"stencil": "sobel", "border": "reflect", "scale": "raw", "response": "component"},
        **{"response_epsilon": None, "penalty": "l1", "data_format": "channels_last"},
        normalizer=normalizer,
    )

    def call(y_true, y_pred, weights):
        tensors, _ = converted(y_true, y_pred, weights, mask)
        return composition().pixel_loss(tensors, options)

    by_w, by_p = gradients(y_true, y_pred, weights, call=call)
    assert np.isfinite(by_p).all()
    valid = np.broadcast_to(mask, y_pred.shape)

    def loss(w):
        v = np.where(valid & (w > 0), np.abs(y_pred - y_true) * w, 0).sum(axis=(1, 2, 3))
        sums = np.where(valid, w, 0).sum(axis=(1, 2, 3))
        counts = valid.sum(axis=(1, 2, 3))
        divisor = {"batch": np.full(2, sums.mean())}.get(normalizer, sums)
        return upstream(y_pred.shape) @ (v / (counts if "count" in normalizer else divisor))

    for i in np.ndindex(*weights.shape):
        up = weights.copy()
        up[i] += 1e-7
        expected = (loss(up) - loss(weights)) / 1e-7
        if np.isnan(expected):
            expected = 0
        np.testing.assert_allclose(by_w[i], expected, rtol=1e-4, atol=1e-6)


def test_xla():
    y_true, y_pred, options = problem(1, masked=True)
    weights = options.pop("weights")

    @tf.function(jit_compile=True)
    def step(w):
        with tf.GradientTape() as tape:
            tape.watch(w)
            loss = tf.reduce_sum(composite.gradient_loss(y_true, y_pred, weights=w, **options))
        return tape.gradient(loss, w)

    expected = reference.weights_gradient(y_true, y_pred, weights=weights, **options)
    check_close(step(tf.constant(weights)), expected)
