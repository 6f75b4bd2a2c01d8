"""Weights and masks through the ops; the derivative by weights is refused, and only where wanted.

test_ops.py has weights and masks of every kind against the oracle.
"""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, first, images, ops_of, pairs_of, with_parameters

import gradops
from gradops import reference

SHAPE = (3, 6, 5, 2)
# Every response, and every normalizer.
CASES = [
    ("component", "residuals"),
    ("magnitude", "pixels"),
    ("absolute", "batch"),
    ("direction", "pixels"),
    ("normal", "batch"),
]
cases = pytest.mark.parametrize(("response", "normalizer"), CASES)
both_backends = pytest.mark.usefixtures("backend")
modes = pytest.mark.parametrize("graph", [False, True])


def options_of(rng, response, normalizer, channels, kinds="weights mask"):
    """Weights with zeros, and a mask with an invalid pixel in about one in ten."""
    shape = (*SHAPE[:3], channels)
    weights = rng.uniform(0.0, 2.0, shape) * (rng.random(shape) > 0.2)
    maps = {"weights": weights, "mask": rng.random(shape) > 0.1}
    options = {"response": response, "penalty": "charbonnier", "normalizer": normalizer}
    return {**with_parameters(options), **{kind: maps[kind] for kind in kinds.split()}}


@both_backends
def test_the_default_format_of_keras(rng, monkeypatch):
    """data_format=None asks Keras at every call."""
    import keras

    t, p = images(rng, SHAPE)
    options = options_of(rng, "component", "residuals", 1)
    last = gradops.gradient_loss(t, p, **options)
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    options = {k: first(v) if k in ("weights", "mask") else v for k, v in options.items()}
    assert_close(gradops.gradient_loss(first(t), first(p), **options), last)
    assert_close(gradops.image_gradients(first(t)), first(reference.image_gradients(t)))
    np.testing.assert_array_equal(gradops.sobel_edges(t), gradops.sobel_edges(t.numpy()))


@both_backends
@cases
def test_what_a_mask_hides_is_never_looked_at(rng, response, normalizer):
    tensors = images(rng, SHAPE)
    options = options_of(rng, response, normalizer, channels=2)
    results = []
    for nothing in (0.0, np.nan, np.inf, 1e300):
        t, p = (tf.where(options["mask"], x, nothing) for x in tensors)
        with tf.GradientTape() as tape:
            tape.watch([t, p])
            losses = gradops.gradient_loss(t, p, **options)
        results.append([losses, *tape.gradient(losses, [t, p])])
    for hidden in results:
        for seen, unseen in zip(results[0], hidden, strict=True):
            np.testing.assert_array_equal(seen, unseen)
        for gradient in hidden[1:]:
            assert not gradient.numpy()[~options["mask"]].any()


@both_backends
@cases
def test_examples_of_which_nothing_counts(rng, response, normalizer):
    """Loss 0 and gradient 0 where all weights are 0, or no pixel is valid, whatever the images."""
    for kind in ("weights", "mask"):
        check_that_nothing_counts(rng, response, normalizer, kind)


def check_that_nothing_counts(rng, response, normalizer, kind):
    tensors = [x.numpy() for x in images(rng, SHAPE)]
    # Under reflect, residuals at the border stand on no pixel, and no mask drops them.
    options = {**options_of(rng, response, normalizer, 1, kind), "border": "replicate"}
    options[kind][1] = 0
    if kind == "mask":
        tensors[1][1] = np.nan
    loss, gradient = gradops.value_and_gradient(*tensors, reduction="none", **options)
    assert loss[1].numpy() == 0 and not gradient[1].numpy().any()
    assert np.isfinite(loss).all() and loss.numpy().sum() > 0
    assert_close(loss, reference.gradient_loss(*tensors, **options))
    options[kind][:] = 0
    loss, gradient = gradops.value_and_gradient(*tensors, reduction="none", **options)
    assert not loss.numpy().any() and not gradient.numpy().any()


@both_backends
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
def test_weights_of_any_real_dtype(rng, dtype):
    """Converted to the dtype of the loss."""
    t, p = images(rng, SHAPE, "float32")
    weights = tf.cast(rng.integers(0, 3, (*SHAPE[:3], 1)), dtype)
    expected = reference.gradient_loss(t, p, weights=tf.cast(weights, tf.float64).numpy())
    assert_close(gradops.gradient_loss(t, p, weights=weights), expected, "float32")
    value, _ = gradops.value_and_gradient(tf.cast(t, tf.float16), p, weights=weights)
    assert value.dtype == tf.float32


@both_backends
def test_weights_of_ones_and_a_mask_of_trues_change_nothing(rng):
    t, p = images(rng, SHAPE)
    for options in ({}, {"response": "magnitude", "border": "valid", "stencil": "central"}):
        plain = gradops.value_and_gradient(t, p, **options)
        given = gradops.value_and_gradient(
            t, p, weights=np.ones(SHAPE), mask=np.ones(SHAPE, bool), **options
        )
        for ours, theirs in zip(given, plain, strict=True):
            assert_close(ours, theirs)


def test_maps_are_no_reason_for_another_op(rng):
    images = tf.TensorSpec([2, 4, 4, 1])
    mask = tf.TensorSpec([2, 4, 4, 1], tf.bool)

    @tf.function
    def step(t, p, weights, mask):
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss = tf.reduce_mean(gradops.gradient_loss(t, p, weights=weights, mask=mask))
        return tape.gradient(loss, p)

    assert ops_of(step, images, images, images, mask) == ["Gradops>LossMemo", "Gradops>LossGrad"]


# The derivative by weights

ERRORS = {False: NotImplementedError, True: tf.errors.InvalidArgumentError}
MESSAGE = r"the gradient by weights is not available: pass weights=tf.stop_gradient\(weights\)"
CALLS = {
    "gradient_loss": gradops.gradient_loss,
    "value": lambda *args, **kwargs: gradops.value_and_gradient(*args, **kwargs)[0],
    # Squares: the plain sum of a gradient is 0 whatever the weights are.
    "gradient": lambda *args, **kwargs: gradops.value_and_gradient(*args, **kwargs)[1] ** 2,
    "sums": lambda *args, **kwargs: gradops.gradient_sums(*args, **kwargs)[0],
    "counts": lambda *args, **kwargs: gradops.gradient_sums(*args, **kwargs)[1],
}


def inputs(rng):
    return [*images(rng, SHAPE), tf.constant(rng.uniform(0.5, 2.0, (*SHAPE[:3], 1)))]


def step(by, watched, call=gradops.gradient_loss, weigh=lambda y_pred, weights: weights):
    """A function that differentiates the sum of what the call returns by one of its arguments."""

    def run(y_true, y_pred, weights):
        tensors = {"y_true": y_true, "y_pred": y_pred, "weights": weights}
        with tf.GradientTape() as tape:
            tape.watch([tensors[name] for name in watched.split()])
            values = call(y_true, y_pred, weights=weigh(y_pred, weights))
            value = tf.reduce_sum(values)
        return tape.gradient(value, tensors[by])

    return run


def expected(tensors):
    y_true, y_pred, weights = (x.numpy() for x in tensors)
    return reference.loss_gradients(y_true, y_pred, weights=weights)[1]


@pairs_of(call=list(CALLS), graph=[False, True], backend=["fused", "composite"])
def test_by_weights(rng, backend, call, graph):
    run = step("weights", "y_pred weights", CALLS[call])
    with pytest.raises(ERRORS[graph], match=MESSAGE):
        (tf.function(run) if graph else run)(*inputs(rng))


@modes
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_by_weights_of_other_dtypes(rng, dtype, graph):
    run = step("weights", "weights")
    tensors = [tf.cast(x, dtype) for x in inputs(rng)]
    with pytest.raises(ERRORS[graph], match=MESSAGE):
        (tf.function(run) if graph else run)(*tensors)


@both_backends
@modes
def test_by_weights_that_are_made_of_the_prediction(rng, graph):
    """The part of the derivative that comes through the weights must not get lost."""
    run = step("y_pred", "y_pred", weigh=lambda y_pred, _: tf.abs(y_pred))
    with pytest.raises(ERRORS[graph], match=MESSAGE):
        (tf.function(run) if graph else run)(*inputs(rng))


@modes
def test_by_weights_of_a_second_derivative(rng, graph):
    def run(y_true, y_pred, weights):
        with tf.GradientTape() as outer:
            outer.watch(weights)
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred, weights=weights, penalty="l2")
            gradient = inner.gradient(losses, y_pred) ** 2
        return outer.gradient(gradient, weights)

    with pytest.raises(ERRORS[graph], match=MESSAGE):
        (tf.function(run) if graph else run)(*inputs(rng))


def test_by_weights_of_a_keras_variable(rng):
    y_true, y_pred, weights = inputs(rng)
    variable = tf.Variable(weights)
    with tf.GradientTape() as tape:
        losses = gradops.gradient_loss(y_true, y_pred, weights=variable)
    with pytest.raises(NotImplementedError, match=MESSAGE):
        tape.gradient(losses, variable)


@modes
def test_an_accumulator_along_weights(rng, graph):
    tensors = inputs(rng)

    def run(y_true, y_pred, weights):
        with tf.autodiff.ForwardAccumulator(weights, tf.ones_like(weights)) as forward:
            losses = gradops.gradient_loss(y_true, y_pred, weights=weights)
        return forward.jvp(losses)

    with pytest.raises(tf.errors.InvalidArgumentError, match=MESSAGE):
        (tf.function(run) if graph else run)(*tensors)


@both_backends
@modes
@pytest.mark.parametrize("watched", ["y_pred", "y_true y_pred"])
def test_by_the_prediction(rng, watched, graph):
    tensors = inputs(rng)
    run = step("y_pred", watched)
    assert_close((tf.function(run) if graph else run)(*tensors), expected(tensors))


@both_backends
def test_by_the_prediction_in_a_graph_that_watches_weights_too(rng):
    """What is not asked for is pruned."""
    tensors = inputs(rng)
    run = tf.function(step("y_pred", "y_pred weights"))
    assert_close(run(*tensors), expected(tensors))


@both_backends
def test_by_the_prediction_in_eager_mode_while_weights_are_watched(rng):
    """An eager tape cannot tell; the message says what helps."""
    tensors = inputs(rng)
    with pytest.raises(NotImplementedError, match=MESSAGE):
        step("y_pred", "y_pred weights")(*tensors)
    run = step("y_pred", "y_pred weights", weigh=lambda _, weights: tf.stop_gradient(weights))
    assert_close(run(*tensors), expected(tensors))


@modes
def test_stopped_weights_made_of_the_prediction(rng, graph):
    y_true, y_pred, _ = tensors = inputs(rng)
    run = step("y_pred", "y_pred", weigh=lambda y_pred, _: tf.stop_gradient(tf.abs(y_pred)))
    gradient = reference.loss_gradients(y_true, y_pred, weights=np.abs(y_pred))[1]
    assert_close((tf.function(run) if graph else run)(*tensors), gradient)


def test_a_tape_outside_of_a_function(rng):
    """TensorFlow computes the gradients by all arguments, so weights have to be stopped inside."""
    tensors = inputs(rng)

    def losses(stop):
        return tf.function(
            lambda y_true, y_pred, weights: gradops.gradient_loss(
                y_true, y_pred, weights=tf.stop_gradient(weights) if stop else weights
            )
        )

    run = step("y_pred", "y_pred", losses(stop=True))
    assert_close(run(*tensors), expected(tensors))
    for by in ("weights", "y_pred"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="inside of the tf"):
            step(by, "y_pred weights", losses(stop=False))(*tensors)
    constant = tf.function(
        lambda y_true, y_pred, weights: gradops.gradient_loss(
            y_true, y_pred, weights=tensors[2].numpy()
        )
    )
    assert_close(step("y_pred", "y_pred", constant)(*tensors), expected(tensors))
