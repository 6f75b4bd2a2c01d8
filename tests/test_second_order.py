"""The TensorFlow ops: second order and forward mode."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import PENALTIES, assert_close, images

import gradops
from gradops import composite, reference

SCALAR_FUNCTIONS = {
    "mean": tf.reduce_mean,
    "sum of squares": lambda losses: tf.reduce_sum(losses**2),
    "sum of roots": lambda losses: tf.reduce_sum(tf.sqrt(losses)),
}


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("of", SCALAR_FUNCTIONS)
def test_second_derivatives_equal_those_of_the_composition(rng, of, penalty, graph):
    y_true, y_pred = images(rng, (2, 6, 5, 2))
    vector = tf.constant(rng.standard_normal((2, 6, 5, 2)))
    results = []
    for library in (gradops, composite):

        def product(y_true, y_pred, library=library):
            with tf.GradientTape() as outer:
                outer.watch([y_true, y_pred])
                with tf.GradientTape() as inner:
                    inner.watch(y_pred)
                    losses = library.gradient_loss(y_true, y_pred, penalty=penalty)
                    value = SCALAR_FUNCTIONS[of](losses)
                gradient = inner.gradient(value, y_pred)
            return outer.gradient(gradient, [y_true, y_pred], vector, unconnected_gradients="zero")

        results.append((tf.function(product) if graph else product)(y_true, y_pred))
    for actual, wanted in zip(*results, strict=True):
        assert_close(actual, wanted)


def test_second_derivative_of_l1_is_zeros_and_not_none(rng):
    y_true, y_pred = images(rng, (1, 4, 4, 1))
    with tf.GradientTape() as outer:
        outer.watch(y_pred)
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            loss = gradops.gradient_loss(y_true, y_pred)
        gradient = inner.gradient(loss, y_pred)
    product = outer.gradient(gradient, y_pred)
    assert product is not None and not product.numpy().any()


def test_second_derivatives_with_watched_weights(rng):
    """d/dw of the gradient of sum_b w_b L_b is dL_b/dy_pred."""
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    weights = tf.constant([2.0, 3.0], tf.float64)
    vector = rng.standard_normal((2, 5, 4, 2))
    with tf.GradientTape() as outer:
        outer.watch(weights)
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            loss = tf.reduce_sum(gradops.gradient_loss(y_true, y_pred, penalty="l2") * weights)
        gradient = inner.gradient(loss, y_pred)
    by_weights = outer.gradient(gradient, weights, output_gradients=tf.constant(vector))
    plain = reference.loss_gradients(y_true, y_pred, penalty="l2")[1]
    assert_close(by_weights, (vector * plain).sum(axis=(1, 2, 3)))


def test_hessian_equals_the_oracle_by_jacobian(rng):
    y_true, y_pred = images(rng, (1, 3, 4, 1))
    with tf.GradientTape() as outer:
        outer.watch(y_pred)
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            loss = gradops.gradient_loss(y_true, y_pred, penalty="l2")
        gradient = inner.gradient(loss, y_pred)
    hessian = tf.reshape(outer.jacobian(gradient, y_pred), [12, 12]).numpy()
    for column, unit in enumerate(np.eye(12)):
        _, expected, _ = reference.hessian_vector_product(
            y_true, y_pred, unit.reshape(1, 3, 4, 1), penalty="l2"
        )
        assert_close(hessian[:, column], expected.ravel())


@pytest.mark.parametrize("penalty", PENALTIES)
def test_forward_mode(rng, penalty):
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))
    with tf.autodiff.ForwardAccumulator(y_pred, tf.constant(vector)) as accumulator:
        losses = gradops.gradient_loss(y_true, y_pred, penalty=penalty)
    gradient = reference.loss_gradients(y_true, y_pred, penalty=penalty)[1]
    assert_close(accumulator.jvp(losses), (gradient * vector).sum(axis=(1, 2, 3)))


@pytest.mark.parametrize("call", ["gradient_loss", "value_and_gradient"])
@pytest.mark.parametrize("followed", [0, 1])
@pytest.mark.parametrize("watched", [0, 1])
def test_forward_mode_while_a_tape_watches(rng, followed, watched, call):
    """The tape wants one image, the accumulator perhaps the other; both get theirs."""
    tensors = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))
    with tf.autodiff.ForwardAccumulator(tensors[followed], tf.constant(vector)) as accumulator:
        with tf.GradientTape() as tape:
            tape.watch(tensors[watched])
            losses = getattr(gradops, call)(*tensors, penalty="l2")
            losses = losses if call == "gradient_loss" else losses[0]
        gradient = tape.gradient(losses, tensors[watched])
    upstream = [1.0, 1.0] if call == "gradient_loss" else [0.5, 0.5]
    expected = reference.loss_gradients(*tensors, upstream, penalty="l2")
    assert_close(gradient, expected[watched])
    products = (expected[followed] * vector).sum(axis=(1, 2, 3))
    assert_close(accumulator.jvp(losses), products if losses.shape.rank else products.sum())


@pytest.mark.parametrize("shape", [[2], [None], None])
def test_derivative_by_an_upstream_of_unknown_shape(rng, shape):
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float64)])
    def by_upstream(upstream):
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred)
            gradient = inner.gradient(losses, y_pred, output_gradients=upstream)
        return outer.gradient(gradient, upstream, output_gradients=tf.constant(vector))

    plain = reference.loss_gradients(y_true, y_pred)[1]
    actual = by_upstream(tf.constant([2.0, 3.0], tf.float64))
    assert_close(actual, (plain * vector).sum(axis=(1, 2, 3)))


def test_second_derivative_of_a_function_of_sobel_edges(rng):
    x = tf.constant(rng.standard_normal((1, 5, 4, 2)))
    vector = tf.constant(rng.standard_normal((1, 5, 4, 2)))
    results = []
    for function in (gradops.sobel_edges, tf.image.sobel_edges):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(function(x) ** 3)
            gradient = inner.gradient(value, x)
        results.append(outer.gradient(gradient, x, vector))
    assert_close(results[0], results[1])
