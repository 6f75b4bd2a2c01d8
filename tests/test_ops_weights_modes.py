"""Derivatives by weights in loops that become part of the batch, unknown shapes, forward mode."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, images, pairs_of
from op_weights_tools import constants, gradients, wanted
from reference_tools import NORMALIZERS
from test_reference_weights import problem

import gradops
from gradops import reference

both_backends = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_vectorized_map(rng, normalizer):
    y_true, y_pred = images(rng, (3, 2, 6, 5, 2))
    weights = tf.constant(rng.uniform(0.5, 2, (3, 2, 6, 5, 1)))

    def of_one(tensors):
        return gradients(*tensors, normalizer=normalizer)

    found = tf.vectorized_map(of_one, (y_true, y_pred, weights))
    for i in range(3):
        expected = wanted(y_true[i], y_pred[i], weights[i], normalizer=normalizer)
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours[i], theirs)


@pairs_of(looped=["images", "weights", "upstream"], normalizer=NORMALIZERS)
def test_a_vectorized_map_of_some_inputs(rng, looped, normalizer):
    """The others are the same in each iteration."""
    y_true, y_pred = images(rng, (3, 2, 6, 5, 2))
    weights = tf.constant(rng.uniform(0.5, 2, (3, 2, 6, 5, 1)))
    upstream = tf.constant(rng.normal(size=(3, 2)))
    given = {"images": (y_true, y_pred), "weights": weights, "upstream": upstream}

    def of_one(part):
        inputs = {name: tf.nest.map_structure(lambda x: x[0], x) for name, x in given.items()}
        inputs[looped] = part
        *both, weights, upstream = *inputs["images"], inputs["weights"], inputs["upstream"]
        return gradients(*both, weights, upstream=upstream, normalizer=normalizer)[2]

    found = tf.vectorized_map(of_one, given[looped])
    for i in range(3):
        at = {name: i if name == looped else 0 for name in given}
        expected = wanted(
            *(x[at["images"]] for x in (y_true, y_pred)),
            weights[at["weights"]],
            upstream[at["upstream"]],
            normalizer=normalizer,
        )
        assert_close(found[i], expected[2])


@pytest.mark.parametrize("shape", [None, [None] * 4])
def test_a_graph_of_unknown_shapes(shape):
    y_true, y_pred, given = problem(1)
    run = tf.function(gradients, input_signature=[tf.TensorSpec(shape, tf.float64)] * 3)
    found = run(*constants(y_true, y_pred, given["weights"]))
    for ours, theirs in zip(found, wanted(y_true, y_pred, given["weights"]), strict=True):
        assert_close(ours, theirs)


@both_backends
@pytest.mark.parametrize("normalizer", ["pixels", "batch", "residual_count"])
def test_the_jacobian_of_the_losses(normalizer):
    y_true, y_pred, given = problem(1)
    weights = tf.constant(given["weights"])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        losses = gradops.gradient_loss(y_true, y_pred, weights=weights, normalizer=normalizer)
    found = tape.jacobian(losses, weights)
    for b, of_loss in enumerate(np.eye(2)):
        expected = wanted(y_true, y_pred, given["weights"], of_loss, normalizer=normalizer)[2]
        assert_close(found[b], expected)
        assert found[b, 1 - b].numpy().any() == (normalizer == "batch")


@pairs_of(normalizer=NORMALIZERS, graph=[False, True], channels=[1, 2])
def test_forward_mode(normalizer, graph, channels):
    """Along weights, and along weights and y_pred at once."""
    y_true, y_pred, given = problem(channels, masked=True)
    weights, mask = given["weights"], given["mask"]
    along_w, along_p = np.random.default_rng(98).normal(size=(2, *y_pred.shape))
    along_w = along_w[..., :channels]
    options = {"normalizer": normalizer, "mask": mask}

    def step(y_pred, weights):
        found = []
        for tensors, tangents in [([weights], [along_w]), ([weights, y_pred], [along_w, along_p])]:
            tangents = list(map(tf.constant, tangents))
            with tf.autodiff.ForwardAccumulator(tensors, tangents) as forward:
                losses = gradops.gradient_loss(y_true, y_pred, weights=weights, **options)
            found.append(forward.jvp(losses))
        return found

    run = tf.function(step) if graph else step
    found = run(*constants(y_pred, weights))
    for b, of_loss in enumerate(np.eye(2)):
        _, by_pred, by_weights = wanted(y_true, y_pred, weights, of_loss, **options)
        terms = [by_weights * along_w, by_pred * along_p]
        size = sum(np.abs(term).sum() for term in terms)  # terms cancel
        assert_close(found[0][b], terms[0].sum(), floor=size)
        assert_close(found[1][b], terms[0].sum() + terms[1].sum(), floor=size)


@pytest.mark.parametrize("response", ["component", "sum"])
def test_forward_mode_of_sums_and_counts(response):
    y_true, y_pred, given = problem(1, masked=True)
    weights, mask = tf.constant(given["weights"]), given["mask"]
    along = tf.constant(np.random.default_rng(99).normal(size=weights.shape))
    with tf.autodiff.ForwardAccumulator(weights, along) as forward:
        both = gradops.gradient_sums(y_true, y_pred, weights=weights, mask=mask, response=response)
    for which, values in enumerate(both):
        found = forward.jvp(values)
        for index in np.ndindex(*values.shape):
            one = np.zeros(values.shape)
            one[index] = 1
            by_weights = reference.sums_weights_gradients(
                y_true, y_pred, one, response=response, **given
            )[which]
            assert_close(found[index], np.sum(by_weights * along))
