"""The TensorFlow ops: values and gradients in eager mode, graphs and functions."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import PENALTIES, SHAPES, assert_close, assert_same, images, ops_of

import gradops
from gradops import composite, reference


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_both_gradients_equal_the_oracle(rng, shape, penalty, dtype):
    y_true, y_pred = images(rng, shape, dtype)
    weights = rng.uniform(0.5, 2.0, shape[0])
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        losses = gradops.gradient_loss(y_true, y_pred, penalty=penalty)
        total = tf.reduce_sum(losses * tf.constant(weights, dtype))
    gradients = tape.gradient(total, [y_true, y_pred])
    arrays = y_true.numpy(), y_pred.numpy()
    assert losses.dtype == y_pred.dtype and losses.shape == shape[:1]
    assert_close(losses, reference.gradient_loss(*arrays, penalty=penalty), dtype)
    expected = reference.loss_gradients(*arrays, weights, penalty=penalty)
    for actual, wanted in zip(gradients, expected, strict=True):
        assert_close(actual, wanted, dtype)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_same_as_the_composition(rng, penalty):
    y_true, y_pred = images(rng, (2, 9, 8, 3), "float32")
    results = []
    for library in (gradops, composite):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(library.gradient_loss(y_true, y_pred, penalty=penalty))
        results.append((loss, tape.gradient(loss, y_pred)))
    assert_close(results[0][0], results[1][0], "float32")
    assert_close(results[0][1], results[1][1], "float32")


@pytest.mark.parametrize("penalty", PENALTIES)
def test_gradients_equal_finite_differences(rng, penalty):
    """Central differences in float64; integers plus a half keep residuals away from the kink."""
    shape, step = (2, 5, 4, 2), 1e-3
    arrays = [rng.integers(-4, 5, shape).astype("float64") for _ in range(2)]
    arrays[1] += rng.uniform(-0.4, 0.4, shape)
    residuals = reference.image_gradients(arrays[1] - arrays[0])
    assert np.abs(residuals[np.abs(residuals) > 1e-9]).min() > 8 * step  # no kink within reach
    weights = np.array([2.0, -3.0])
    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.reduce_sum(gradops.gradient_loss(*tensors, penalty=penalty) * weights)
    for which, gradient in enumerate(tape.gradient(total, tensors)):
        for index in np.ndindex(shape):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[which][index] += sign * step
                values.append(gradops.gradient_loss(*moved, penalty=penalty).numpy() @ weights)
            difference = (values[0] - values[1]) / (2 * step)
            assert gradient[index].numpy() == pytest.approx(difference, rel=1e-7, abs=1e-9)


def training_step(y_true, y_pred, weights, penalty="l1"):
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        loss = tf.reduce_sum(gradops.gradient_loss(y_true, y_pred, penalty=penalty) * weights)
    return loss, tape.gradient(loss, [y_true, y_pred])


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("known", ["nothing", "rank", "size", "all"])
def test_tf_function_with_unknown_shapes(rng, penalty, known):
    shape = {
        "nothing": None,
        "rank": [None] * 4,
        "size": [None, 6, 7, None],
        "all": [3, 6, 7, 2],
    }[known]
    spec = tf.TensorSpec(shape, tf.float64)
    step = tf.function(training_step).get_concrete_function(
        spec, spec, tf.TensorSpec([None], tf.float64), penalty
    )
    y_true, y_pred = images(rng, (3, 6, 7, 2))
    weights = tf.constant([1.0, 0.5, 3.0], tf.float64)
    eager = training_step(y_true, y_pred, weights, penalty)
    graph = step(y_true, y_pred, weights)
    tf.nest.map_structure(assert_same, eager, tuple(graph))


def test_shape_inference():
    @tf.function
    def trace(y_true, y_pred):
        loss = gradops.gradient_loss(y_true, y_pred)
        value, gradient = gradops.value_and_gradient(y_true, y_pred, reduction="none")
        edges = gradops.sobel_edges(y_pred)
        shapes.extend(tuple(t.shape) for t in (loss, value, gradient, edges))
        return loss

    shapes = []
    trace.get_concrete_function(
        tf.TensorSpec([None, 4, None, 3], tf.float32), tf.TensorSpec([5, None, 6, None], tf.float32)
    )
    assert shapes == [(5,), (5,), (5, 4, 6, 3), (5, None, 6, None, 2)]


@pytest.mark.fused
def test_the_forward_pass_finds_the_gradient_only_if_somebody_wants_it():
    spec = tf.TensorSpec([2, 4, 4, 1], tf.float32)
    assert ops_of(tf.function(gradops.gradient_loss), spec, spec) == ["Gradops>Loss"]

    @tf.function
    def watched(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred))
        return tape.gradient(loss, y_pred)

    assert ops_of(watched, spec, spec) == ["Gradops>LossMemo", "Gradops>LossGrad"]


def test_tape_outside_a_function(rng):
    y_true, y_pred = images(rng, (2, 6, 5, 3))
    function = tf.function(lambda t, p: tf.reduce_mean(gradops.gradient_loss(t, p, penalty="l2")))
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        loss = function(y_true, y_pred)
    expected = reference.loss_gradients(y_true, y_pred, [0.5, 0.5], penalty="l2")
    for actual, wanted in zip(tape.gradient(loss, [y_true, y_pred]), expected, strict=True):
        assert_close(actual, wanted)


def test_inner_tape_on_the_prediction_and_outer_tape_on_the_target(rng):
    """The case in which a gradient that is asked for could get lost."""
    y_true, y_pred = images(rng, (2, 6, 5, 3))

    @tf.function
    def inner(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred, penalty="l2"))
        return loss, tape.gradient(loss, y_pred)

    for function in (inner, inner.python_function):
        with tf.GradientTape() as tape:
            tape.watch(y_true)
            loss, gradient = function(y_true, y_pred)
        expected = reference.loss_gradients(y_true, y_pred, [0.5, 0.5], penalty="l2")
        assert_close(gradient, expected[1])
        assert_close(tape.gradient(loss, y_true), expected[0])


# value_and_gradient and sobel_edges


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_value_and_gradient(rng, reduction, penalty, graph):
    y_true, y_pred = images(rng, (4, 6, 5, 3))
    call = tf.function(gradops.value_and_gradient) if graph else gradops.value_and_gradient
    value, gradient = call(y_true, y_pred, reduction=reduction, penalty=penalty)
    losses = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    reduce = {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction]
    upstream = np.full(4, 0.25 if reduction == "mean" else 1.0)
    assert_close(value, reduce(losses))
    expected = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)[1]
    assert_close(gradient, expected)


@pytest.mark.parametrize("graph", [False, True])
def test_value_and_gradient_are_differentiable(rng, graph):
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))

    def products(y_true, y_pred):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y_pred)
            value, gradient = gradops.value_and_gradient(y_true, y_pred, penalty="l2")
        return tape.gradient(value, y_pred), tape.gradient(gradient, y_pred, tf.constant(vector))

    first, second = (tf.function(products) if graph else products)(y_true, y_pred)
    half = [0.5, 0.5]
    assert_close(first, reference.loss_gradients(y_true, y_pred, half, penalty="l2")[1])
    _, expected, _ = reference.hessian_vector_product(y_true, y_pred, vector, half, penalty="l2")
    assert_close(second, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sobel_edges_and_its_gradient_equal_tf_image(rng, shape, dtype):
    x = tf.constant(rng.standard_normal(shape), dtype)
    upstream = tf.constant(rng.standard_normal((*shape, 2)), dtype)
    results = []
    for function in (gradops.sobel_edges, tf.image.sobel_edges):
        with tf.GradientTape() as tape:
            tape.watch(x)
            edges = function(x)
        results.append((edges, tape.gradient(edges, x, upstream)))
    # floor 1: where taps cancel, tf.image leaves the rounding of numbers around 1.
    assert_close(results[0][0], results[1][0], dtype, floor=1)
    assert_close(results[0][1], results[1][1], dtype, floor=1)


def test_empty_batch_in_a_graph_that_does_not_know_it():
    specs = 2 * [tf.TensorSpec([None, 4, 5, 3])]

    @tf.function(input_signature=specs)
    def step(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            losses = gradops.gradient_loss(y_true, y_pred)
        return losses, tape.gradient(losses, y_pred), gradops.sobel_edges(y_pred)

    nothing = tf.zeros([0, 4, 5, 3])
    assert [x.shape for x in step(nothing, nothing)] == [(0,), (0, 4, 5, 3), (0, 4, 5, 3, 2)]


@pytest.mark.parametrize("graph", [False, True])
def test_empty_batch(graph):
    empty = tf.zeros([0, 4, 5, 3])
    step = tf.function(training_step) if graph else training_step
    loss, (by_true, by_pred) = step(empty, empty, tf.zeros([0]))
    assert float(loss) == 0.0
    assert by_true.shape == by_pred.shape == (0, 4, 5, 3)
    assert gradops.gradient_loss(empty, empty).shape == (0,)
    assert gradops.sobel_edges(empty).shape == (0, 4, 5, 3, 2)
    value, gradient = gradops.value_and_gradient(empty, empty, reduction="sum")
    assert float(value) == 0.0 and gradient.shape == (0, 4, 5, 3)


def test_no_channels():
    """Nothing is counted: loss 0."""
    losses = gradops.gradient_loss(tf.zeros([2, 4, 5, 0]), tf.zeros([2, 4, 5, 0]))
    np.testing.assert_array_equal(losses, [0.0, 0.0])


@pytest.mark.parametrize("target_dtype", ["uint8", "int32", "float64", "float16"])
def test_the_target_is_converted_to_the_dtype_of_the_prediction(rng, target_dtype):
    target = rng.integers(0, 200, (1, 4, 5, 3)).astype(target_dtype)
    prediction = rng.uniform(0, 200, (1, 4, 5, 3)).astype("float32")
    for y_true in (target, tf.constant(target)):
        loss = gradops.gradient_loss(y_true, prediction)
        assert loss.dtype == tf.float32
        assert_close(loss, reference.gradient_loss(target.astype("float32"), prediction), "float32")


def test_variables_are_watched_without_being_told(rng):
    y_true, y_pred = images(rng, (2, 5, 4, 1))
    variable = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(gradops.gradient_loss(y_true, variable))
    expected = reference.loss_gradients(y_true, y_pred, [0.5, 0.5])[1]
    assert_close(tape.gradient(loss, variable), expected)
