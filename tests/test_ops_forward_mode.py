"""tf.autodiff.ForwardAccumulator on the losses and around their gradients."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import EDGES, LOSSES, RESPONSES, assert_close, images, name_of

import gradops
from gradops import reference

SHAPE = (2, 5, 4, 2)
members = pytest.mark.parametrize("options", LOSSES + EDGES[::6], ids=name_of)
responses = pytest.mark.parametrize(
    "options", [{"response": name, **epsilon} for name, epsilon in RESPONSES.items()], ids=name_of
)
modes = pytest.mark.parametrize("graph", [False, True])


def dot(a, b):
    return (np.asarray(a) * b).sum(axis=(1, 2, 3))


def tangents(rng):
    return [rng.normal(size=SHAPE) for _ in range(2)]


@members
@modes
def test_losses(rng, options, graph):
    tensors, vectors = images(rng, SHAPE), tangents(rng)

    def products(y_true, y_pred):
        primals = [y_true, y_pred]
        with tf.autodiff.ForwardAccumulator(primals, list(map(tf.constant, vectors))) as forward:
            losses = gradops.gradient_loss(y_true, y_pred, **options)
        return forward.jvp(losses)

    gradients = reference.loss_gradients(*tensors, **options)
    expected = sum(dot(g, v) for g, v in zip(gradients, vectors, strict=True))
    actual = (tf.function(products) if graph else products)(*tensors)
    assert_close(actual, expected, floor=0.1)  # terms that cancel are around that


def along(tensors, vectors, options):
    """dL/dy_pred differentiated along a vector for each image; losses are symmetric in them."""
    y_true, y_pred = tensors
    _, by_pred, _ = reference.hessian_vector_product(y_true, y_pred, vectors[1], **options)
    by_true, _, _ = reference.hessian_vector_product(y_pred, y_true, vectors[0], **options)
    return by_true + by_pred


@members
@modes
def test_forward_over_reverse(rng, options, graph):
    """The tape inside of the accumulator: one Hessian-vector product."""
    tensors, vectors = images(rng, SHAPE), tangents(rng)

    def products(y_true, y_pred):
        primals = [y_true, y_pred]
        with tf.autodiff.ForwardAccumulator(primals, list(map(tf.constant, vectors))) as forward:
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred, **options)
            gradient = tape.gradient(losses, y_pred)
            _, direct = gradops.value_and_gradient(y_true, y_pred, reduction="sum", **options)
        return forward.jvp(gradient), forward.jvp(direct)

    expected = along(tensors, vectors, options)
    for actual in (tf.function(products) if graph else products)(*tensors):
        assert_close(actual, expected)


@responses
@modes
def test_forward_over_reverse_of_a_function_of_the_losses(rng, options, graph):
    """sum sqrt(L): the upstream gradient has a tangent too."""
    tensors, vectors = images(rng, SHAPE), tangents(rng)
    options = {**options, "penalty": "charbonnier", "epsilon": 0.3}

    def product(y_true, y_pred):
        with tf.autodiff.ForwardAccumulator(y_pred, tf.constant(vectors[1])) as forward:
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred, **options)
                value = tf.reduce_sum(tf.sqrt(losses))
            gradient = tape.gradient(value, y_pred)
        return forward.jvp(gradient)

    losses = reference.gradient_loss(*tensors, **options)
    gradient = reference.loss_gradients(*tensors, **options)[1]
    slopes, bends = losses**-0.5 / 2, -(losses**-1.5) / 4
    _, expected, _ = reference.hessian_vector_product(*tensors, vectors[1], slopes, **options)
    expected += (bends * dot(gradient, vectors[1]))[:, None, None, None] * gradient
    assert_close((tf.function(product) if graph else product)(*tensors), expected)


@pytest.mark.fused
def test_forward_over_forward_is_refused(rng):
    """Not available, and not a wrong number."""
    tensors, (v, w) = images(rng, SHAPE), tangents(rng)
    message = "second ones by two ForwardAccumulators: take one of them by a GradientTape"
    with (
        pytest.raises(tf.errors.InvalidArgumentError, match=message),
        tf.autodiff.ForwardAccumulator(tensors[1], tf.constant(v)),
        tf.autodiff.ForwardAccumulator(tensors[1], tf.constant(w)),
    ):
        gradops.gradient_loss(*tensors, penalty="log")


@responses
@modes
def test_reverse_over_forward(rng, options, graph):
    """The gradient of a directional derivative is a Hessian-vector product too."""
    tensors, vectors = images(rng, SHAPE), tangents(rng)
    options = {**options, "penalty": "huber"}

    def products(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch([y_true, y_pred])
            with tf.autodiff.ForwardAccumulator(y_pred, tf.constant(vectors[1])) as forward:
                losses = gradops.gradient_loss(y_true, y_pred, **options)
            derivative = forward.jvp(losses)
        return tape.gradient(derivative, [y_true, y_pred])

    expected = reference.hessian_vector_product(*tensors, vectors[1], **options)
    actual = (tf.function(products) if graph else products)(*tensors)
    for ours, theirs in zip(actual, expected[:2], strict=True):
        assert_close(ours, theirs)


@responses
def test_sums_weights_and_masks(rng, options):
    tensors, vectors = images(rng, SHAPE), tangents(rng)
    weights = rng.uniform(0.5, 2.0, (2, 5, 4, 1))
    mask = rng.random(SHAPE) > 0.1
    options = {**options, "weights": weights, "mask": mask, "penalty": "l2"}
    with tf.autodiff.ForwardAccumulator(tensors, list(map(tf.constant, vectors))) as forward:
        sums, counts = gradops.gradient_sums(*tensors, **options)
    expected = np.zeros(sums.shape)
    for index in np.ndindex(*sums.shape):
        unit = np.zeros(sums.shape)
        unit[index] = 1
        gradients = reference.sums_gradients(*tensors, unit, **options)
        expected[index] = sum((g * v).sum() for g, v in zip(gradients, vectors, strict=True))
    assert_close(forward.jvp(sums), expected)
    assert forward.jvp(counts) is None or not forward.jvp(counts).numpy().any()


def test_only_one_image_is_followed(rng):
    """An accumulator on y_true alone while the tape watches y_pred, for a response of two sides."""
    (y_true, y_pred), vectors = images(rng, SHAPE), tangents(rng)
    options = {"response": "magnitude", "penalty": "charbonnier"}
    with tf.autodiff.ForwardAccumulator(y_true, tf.constant(vectors[0])) as forward:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            losses = gradops.gradient_loss(y_true, y_pred, **options)
        gradient = tape.gradient(losses, y_pred)
    by_true, by_pred = reference.loss_gradients(y_true, y_pred, **options)
    assert_close(gradient, by_pred)
    assert_close(forward.jvp(losses), dot(by_true, vectors[0]))
    vectors[1] *= 0
    assert_close(forward.jvp(gradient), along([y_true, y_pred], vectors, options))
