"""tf.autodiff.ForwardAccumulator on the losses and around their gradients."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import FEW, assert_close, each, images, in_modes

import gradops
from gradops import reference

SHAPE = (2, 5, 4, 2)
responses = each(FEW)
modes = pytest.mark.parametrize("graph", [False, True])
both_backends = pytest.mark.usefixtures("backend")


def dot(a, b):
    return (np.asarray(a) * b).sum(axis=(1, 2, 3))


def tangents(rng):
    return [rng.normal(size=SHAPE) for _ in range(2)]


def along(tensors, vectors, options):
    """dL/dy_pred differentiated along a vector for each image; losses are symmetric in them."""
    y_true, y_pred = tensors
    _, by_pred, _ = reference.hessian_vector_product(y_true, y_pred, vectors[1], **options)
    by_true, _, _ = reference.hessian_vector_product(y_pred, y_true, vectors[0], **options)
    return by_true + by_pred


def check_both_images(rng, options, graph):
    """The losses, and their gradient by a tape inside: one Hessian-vector product."""
    tensors, vectors = images(rng, SHAPE), tangents(rng)

    def products(y_true, y_pred):
        primals = [y_true, y_pred]
        with tf.autodiff.ForwardAccumulator(primals, list(map(tf.constant, vectors))) as forward:
            plain = gradops.gradient_loss(y_true, y_pred, **options)
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred, **options)
            gradient = tape.gradient(losses, y_pred)
            _, direct = gradops.value_and_gradient(y_true, y_pred, reduction="sum", **options)
        return [forward.jvp(x) for x in (plain, losses, gradient, direct)]

    found = (tf.function(products) if graph else products)(*tensors)
    gradients = reference.loss_gradients(*tensors, **options)
    expected = sum(dot(g, v) for g, v in zip(gradients, vectors, strict=True))
    for actual in found[:2]:
        assert_close(actual, expected, floor=0.1)  # terms that cancel are around that
    for actual in found[2:]:
        assert_close(actual, along(tensors, vectors, options))


@in_modes(FEW)
def test_every_response_in_both_modes(rng, backend, options, graph):
    check_both_images(rng, {**options, "penalty": "charbonnier", "epsilon": 0.3}, graph)


@both_backends
@responses
def test_a_gradient_of_a_function_of_the_losses(rng, options):
    """sum sqrt(L): the upstream gradient has a tangent too."""
    tensors, vectors = images(rng, SHAPE), tangents(rng)
    options = {**options, "penalty": "charbonnier", "epsilon": 0.3}
    with tf.autodiff.ForwardAccumulator(tensors[1], tf.constant(vectors[1])) as forward:
        with tf.GradientTape() as tape:
            tape.watch(tensors[1])
            value = tf.reduce_sum(tf.sqrt(gradops.gradient_loss(*tensors, **options)))
        gradient = tape.gradient(value, tensors[1])
    losses = reference.gradient_loss(*tensors, **options)
    by_pred = reference.loss_gradients(*tensors, **options)[1]
    slopes, bends = losses**-0.5 / 2, -(losses**-1.5) / 4
    _, expected, _ = reference.hessian_vector_product(*tensors, vectors[1], slopes, **options)
    expected += (bends * dot(by_pred, vectors[1]))[:, None, None, None] * by_pred
    assert_close(forward.jvp(gradient), expected)


@modes
def test_forward_over_forward_is_refused(rng, graph):
    """Not available, and not a wrong number."""
    tensors, (v, w) = images(rng, SHAPE), tangents(rng)

    def second(y_true, y_pred):
        with (
            tf.autodiff.ForwardAccumulator(y_pred, tf.constant(v)) as outer,
            tf.autodiff.ForwardAccumulator(y_pred, tf.constant(w)) as inner,
        ):
            losses = gradops.gradient_loss(y_true, y_pred, penalty="log")
        return outer.jvp(inner.jvp(losses))

    message = "second ones by two ForwardAccumulators: take one of them by a GradientTape"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        (tf.function(second) if graph else second)(*tensors)


@in_modes(FEW[:2])
def test_reverse_over_forward(rng, backend, options, graph):
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


@both_backends
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


@both_backends
@pytest.mark.parametrize("call", ["gradient_loss", "value_and_gradient"])
@pytest.mark.parametrize("followed", [0, 1])
@pytest.mark.parametrize("watched", [0, 1])
def test_while_a_tape_watches(rng, followed, watched, call):
    """The tape wants one image, the accumulator perhaps the other; both get theirs."""
    tensors, vector = images(rng, SHAPE), rng.standard_normal(SHAPE)
    options = {"penalty": "charbonnier", "response": "magnitude"}
    with tf.autodiff.ForwardAccumulator(tensors[followed], tf.constant(vector)) as accumulator:
        with tf.GradientTape() as tape:
            tape.watch(tensors[watched])
            losses = getattr(gradops, call)(*tensors, **options)
            losses = losses if call == "gradient_loss" else losses[0]
        gradient = tape.gradient(losses, tensors[watched])
    upstream = [1.0, 1.0] if call == "gradient_loss" else [0.5, 0.5]
    expected = reference.loss_gradients(*tensors, upstream, **options)
    assert_close(gradient, expected[watched])
    products = dot(expected[followed], vector)
    assert_close(accumulator.jvp(losses), products if losses.shape.rank else products.sum())


def test_only_the_target_is_followed(rng):
    """Around a gradient by y_pred, for a response of two sides: the mixed derivative."""
    tensors, vectors = images(rng, SHAPE), tangents(rng)
    options = {"response": "magnitude", "penalty": "charbonnier"}
    with tf.autodiff.ForwardAccumulator(tensors[0], tf.constant(vectors[0])) as forward:
        with tf.GradientTape() as tape:
            tape.watch(tensors[1])
            losses = gradops.gradient_loss(*tensors, **options)
        gradient = tape.gradient(losses, tensors[1])
    assert_close(forward.jvp(gradient), along(tensors, [vectors[0], 0 * vectors[1]], options))
