"""The derivative by weights is not available: an error where it is wanted, and only there."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, images, pairs_of

import gradops
from gradops import reference

SHAPE = (3, 6, 5, 2)
both_backends = pytest.mark.usefixtures("backend")
modes = pytest.mark.parametrize("graph", [False, True])
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
