"""The losses' derivatives by weights through the ops, against the oracle.

Others have loops and forward mode (test_ops_weights_modes.py), zeros, NaN and the term of the
pixels (test_ops_weights_zeros.py), and second derivatives (test_ops_weights_second.py and, of the
composition, test_composite_weights.py).
"""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, images, pairs_of
from op_weights_tools import MODES, check, constants, gradients, wanted
from reference_tools import NORMALIZERS, RESPONSES, TUNED, TWO_RESIDUALS
from test_reference_weights import CASES, UPSTREAM, problem

import gradops
from gradops import reference

both_backends = pytest.mark.usefixtures("backend")
graphs = pytest.mark.parametrize("graph", [False, True])
# Two of the predicted upstream gradient, 1/2; scaled; where scaling would lose digits; 0.
UPSTREAMS = [[0.5, 0.5], [1.0, -2.0], [0.5, 3.0], [1e-30, 5.0], [0.0, 0.5], [0.5, 0.5]]


@both_backends
@pytest.mark.parametrize("part", range(4))
def test_every_pair_of_options(part):
    for case in CASES[part::4]:
        options = {**case, **TUNED[case["penalty"]]}
        data_format = options.pop("data_format")
        sizes = options.pop("channels"), options.pop("masked")
        y_true, y_pred, given = problem(*sizes, data_format)
        check(y_true, y_pred, **given, **options)


@pairs_of(
    mode=MODES[1:],
    normalizer=NORMALIZERS,
    response=["component", "magnitude", "normal"],
    backend=["fused", "composite"],
)
def test_modes(backend, mode, normalizer, response):
    y_true, y_pred, given = problem(1 if response == "component" else 2, masked=True)
    check(y_true, y_pred, mode=mode, normalizer=normalizer, response=response, **given)


@both_backends
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(rng, dtype):
    """The derivative has the dtype of the weights, whether that is the one of the losses or not."""
    y_true, y_pred = images(rng, (2, 6, 5, 2), dtype)
    weights = rng.integers(1, 17, (2, 6, 5, 1)) / 8  # which every dtype has
    wide = [np.asarray(x, np.float64) for x in (y_true, y_pred)]
    for normalizer in ("residuals", "residual_count"):
        expected = wanted(*wide, weights, normalizer=normalizer)[2]
        for given in {"float64" if dtype == "float64" else "float32", dtype}:
            options = {"normalizer": normalizer}
            found = gradients(y_true, y_pred, tf.constant(weights, given), **options)[2]
            assert found.dtype == given
            assert_close(np.asarray(found, np.float64), expected, given)


@both_backends
@graphs
def test_a_variable(rng, graph):
    """Which an optimizer moves, so that the loss becomes smaller."""
    y_true, y_pred = images(rng, (2, 6, 5, 2))
    variable = tf.Variable(rng.uniform(0.5, 2, (2, 6, 5, 1)))
    before = variable.numpy()

    def step():
        with tf.GradientTape() as tape:
            losses = gradops.gradient_loss(y_true, y_pred, weights=variable)
            loss = tf.reduce_mean(losses)
        gradient = tape.gradient(loss, variable)
        variable.assign_sub(1e-3 * gradient)
        return loss, gradient

    step = tf.function(step) if graph else step
    loss, gradient = step()
    assert_close(gradient, wanted(y_true, y_pred, before, [0.5, 0.5])[2])
    assert step()[0] < loss


@both_backends
@graphs
def test_weights_that_are_made_of_the_prediction(rng, graph):
    """The derivative by y_pred has both parts; with stopped weights it has one."""
    y_true, y_pred = images(rng, (2, 6, 5, 2))

    def step(y_pred, stops):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            weights = tf.exp(-y_pred / 4)
            weights = tf.stop_gradient(weights) if stops else weights
            losses = gradops.gradient_loss(y_true, y_pred, weights=weights, normalizer="pixels")
        return tape.gradient(losses, y_pred, UPSTREAM)

    run = tf.function(step) if graph else step
    weights = np.exp(-y_pred / 4)
    _, by_pred, by_weights = wanted(y_true, y_pred, weights, normalizer="pixels")
    assert_close(run(y_pred, stops=True), by_pred)
    assert_close(run(y_pred, stops=False), by_pred - by_weights * weights / 4)


@pairs_of(normalizer=NORMALIZERS, channels=[1, 2], graph=[False, True])
def test_upstreams_other_than_the_predicted(normalizer, channels, graph):
    """One persistent tape, called for each of them: memos are copied, scaled and not used."""
    y_true, y_pred, given = problem(channels, masked=True)
    options = {"normalizer": normalizer, "mask": given["mask"]}

    def step(y_pred, weights):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([y_pred, weights])
            losses = gradops.gradient_loss(y_true, y_pred, weights=weights, **options)
        return [
            tape.gradient(losses, [y_pred, weights], tf.constant(upstream, tf.float64))
            for upstream in UPSTREAMS
        ]

    run = tf.function(step) if graph else step
    tensors = constants(y_pred, given["weights"])
    for upstream, found in zip(UPSTREAMS, run(*tensors), strict=True):
        expected = wanted(y_true, y_pred, given["weights"], upstream, **options)[1:]
        for ours, theirs in zip(found, expected, strict=True):
            for one, other in zip(ours.numpy(), theirs, strict=True):
                assert_close(one, other, floor=1e-33)


@both_backends
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_value_and_gradient(reduction):
    y_true, y_pred, given = problem(1, masked=True)
    weights = tf.constant(given["weights"])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        value, gradient = gradops.value_and_gradient(
            y_true, y_pred, reduction=reduction, weights=weights, mask=given["mask"]
        )
    upstream = [0.5, 0.5] if reduction == "mean" else [1, 1]
    _, by_pred, by_weights = wanted(y_true, y_pred, upstream=upstream, **given)
    assert_close(tape.gradient(value, weights), by_weights)
    assert_close(gradient, by_pred)


@pairs_of(response=RESPONSES, mode=MODES, channels=[1, 2], backend=["fused", "composite"])
def test_sums_and_counts(backend, response, mode, channels):
    """The counts do not depend on images, whatever these hold."""
    y_true, y_pred, given = problem(channels, masked=True)
    upstream = np.array([[0.3, -2], [0.7, 1.1]])[:, : 2 if response in TWO_RESIDUALS else 1]
    expected = reference.sums_weights_gradients(
        y_true, y_pred, upstream, response=response, **given
    )
    for which, by_weights in enumerate(expected):

        def call(*images, **options):
            return gradops.gradient_sums(*images, response=response, **options)[which]  # noqa: B023

        arrays = y_true, y_pred if which == 0 else np.full_like(y_pred, np.nan)
        found = gradients(*arrays, mode=mode, call=call, upstream=upstream, **given)
        assert_close(found[2], by_weights)
        assert which == 0 or found[1] is None or not found[1].numpy().any()


@pairs_of(
    downsample=["stride", "average"],
    normalizer=NORMALIZERS,
    data_format=["channels_last", "channels_first"],
    channels=[1, 2],
    mode=["eager", "graph"],
    backend=["fused", "composite"],
)
def test_several_scales(backend, downsample, normalizer, data_format, channels, mode):
    y_true, y_pred, given = problem(channels, True, data_format, shape=(2, 17, 14, 2))
    options = {"scales": 3, "downsample": downsample, "scale_weights": [1, 0.5, 2]}
    check(y_true, y_pred, mode=mode, normalizer=normalizer, **options, **given)
