"""tf.vectorized_map and jacobians: one call of an op for all iterations."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import MEMBERS, each, images, is_fused
from reference_tools import NORMALIZERS

import gradops
from gradops import _library

COUNT, SHAPE = 3, (2, 6, 5, 2)
both_backends = pytest.mark.usefixtures("backend")


def stacked(rng, dtype="float64"):
    return images(rng, (COUNT, *SHAPE), dtype)


def assert_same_as_a_loop(function, *arguments):
    """Vectorised without a loop for ops that TensorFlow has no way for, as those of sobel_edges."""
    found = tf.vectorized_map(function, arguments, fallback_to_while_loop=not is_fused())
    turns = [function([x[i] for x in arguments]) for i in range(COUNT)]
    for actual, *expected in zip(
        tf.nest.flatten(found), *(tf.nest.flatten(turn) for turn in turns), strict=True
    ):
        np.testing.assert_allclose(actual, tf.stack(expected), rtol=1e-12, atol=1e-15)


def calls_in(function, *arguments):
    """How often a function calls our ops, loops of TensorFlow's included."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    graphs = [graph.as_graph_def()]
    nodes = [*graphs[0].node, *(n for f in graphs[0].library.function for n in f.node_def)]
    return sum(node.op.startswith("Gradops>") for node in nodes), {node.op for node in nodes}


@both_backends
@each(MEMBERS, MEMBERS[::6])
def test_losses_and_slopes(rng, options):
    def step(pair):
        with tf.GradientTape() as tape:
            tape.watch(pair)
            losses = gradops.gradient_loss(*pair, **options)
        return losses, *tape.gradient(losses, pair)

    assert_same_as_a_loop(step, *stacked(rng))


@both_backends
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("each_has_maps", [False, True])
def test_weights_and_masks(rng, normalizer, each_has_maps):
    maps = (COUNT, *SHAPE[:3], 1)
    weights, mask = tf.constant(rng.random(maps)), tf.constant(rng.random(maps) > 0.2)

    def loss(arguments):
        y_true, y_pred, w, m = arguments
        if not each_has_maps:
            w, m = weights[0], mask[0]
        return gradops.gradient_loss(y_true, y_pred, weights=w, mask=m, normalizer=normalizer)

    assert_same_as_a_loop(loss, *stacked(rng), weights, mask)


def test_what_all_iterations_share(rng):
    y_true, y_pred = stacked(rng)
    factors = tf.constant(rng.standard_normal(COUNT))

    def step(arguments):
        prediction, factor = arguments
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            value = factor * tf.reduce_sum(gradops.gradient_loss(y_true[0], prediction))
        return value, tape.gradient(value, prediction), gradops.gradient_loss(None, prediction)

    assert_same_as_a_loop(step, y_pred, factors)


@pytest.mark.parametrize("function", ["image_gradients", "gradient_magnitude"])
def test_image_functions(rng, function):
    def step(arguments):
        (x,) = arguments
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = getattr(gradops, function)(x)
            total = tf.reduce_sum(values**2)
        return values, tape.gradient(total, x)

    assert_same_as_a_loop(step, stacked(rng)[0])


def test_upstream_gradients_that_are_scalars(rng):
    """One of each iteration, for all examples of its batch."""
    y_true, y_pred = stacked(rng)
    none = tf.zeros([0], tf.float64), tf.zeros([0], tf.bool)

    def slopes(arguments):
        prediction, upstream = arguments
        expected = tf.constant(0.5, tf.float64)
        empty = tf.zeros([0], tf.float64)
        return _library.ops().gradops_loss_grad(
            y_true[0], prediction, *none, empty, expected, upstream
        )

    assert_same_as_a_loop(slopes, y_pred, tf.constant([0.5, -2.0, 3.0], tf.float64))


def test_sums_and_second_derivatives(rng):
    vector = tf.constant(rng.standard_normal(SHAPE))

    def step(pair):
        y_true, y_pred = pair
        with tf.GradientTape() as outer:
            outer.watch(pair)
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                loss = tf.reduce_sum(gradops.gradient_loss(y_true, y_pred, penalty="huber") ** 2)
            slopes = inner.gradient(loss, y_pred)
        sums = gradops.gradient_sums(y_true, y_pred)
        return outer.gradient(slopes, pair, vector), tf.nest.flatten(sums)

    assert_same_as_a_loop(step, *stacked(rng))


def test_one_call_for_all_iterations(rng):
    """But for normalizer "batch", whose iterations do not mix: those go in a loop."""
    for normalizer, loops in (("residuals", False), ("batch", True)):
        options = {"normalizer": normalizer}
        calls, ops = calls_in(
            lambda *pair, options=options: tf.vectorized_map(
                lambda one: gradops.gradient_loss(*one, **options), pair
            ),
            *stacked(rng),
        )
        assert calls == 2  # one is that of the single iteration, which nobody uses
        assert bool(ops & {"While", "StatelessWhile"}) == loops


@pytest.mark.parametrize("graph", [False, True])
def test_jacobians(rng, graph):
    y_true, y_pred = (x[0] for x in stacked(rng))

    def jacobians(p):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(p)
            losses = gradops.gradient_loss(y_true, p)
            columns = tf.stack([losses, 3 * losses], axis=1)
        slopes = tape.gradient(losses, p)
        return slopes, tape.jacobian(losses, p), tape.batch_jacobian(columns, p)

    slopes, full, by_example = (tf.function(jacobians) if graph else jacobians)(y_pred)
    tolerance = {"rtol": 1e-12, "atol": 0 if is_fused() else 1e-15}
    np.testing.assert_allclose(tf.stack([full[i, i] for i in range(2)]), slopes, **tolerance)
    assert not np.any(full[0, 1]) and not np.any(full[1, 0])
    np.testing.assert_allclose(by_example[:, 0], slopes, **tolerance)
    np.testing.assert_allclose(by_example[:, 1], 3 * slopes, **tolerance)
