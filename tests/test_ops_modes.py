"""The public functions in graphs, under nested tapes, on empty batches, and sobel_edges."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import FEW, assert_close, assert_same, images, is_fused, ops_of

import gradops
from gradops import reference

pytestmark = pytest.mark.usefixtures("backend")
modes = pytest.mark.parametrize("graph", [False, True])
HALF = [0.5, 0.5]


def training_step(y_true, y_pred, weights):
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        loss = tf.reduce_sum(gradops.gradient_loss(y_true, y_pred) * weights)
    return loss, tape.gradient(loss, [y_true, y_pred])


@pytest.mark.parametrize(
    "shape", [[None] * 4, [None, 6, 7, None], [3, 6, 7, 2]], ids=["rank", "size", "all"]
)
def test_graphs_that_know_a_part_of_the_shape(rng, shape):
    """test_ops.py has graphs that know nothing."""
    specs = [tf.TensorSpec(size, tf.float64) for size in (shape, shape, [None])]
    step = tf.function(training_step).get_concrete_function(*specs)
    inputs = *images(rng, (3, 6, 7, 2)), tf.constant([1.0, 0.5, 3.0], tf.float64)
    tf.nest.map_structure(assert_same, training_step(*inputs), tuple(step(*inputs)))


def test_shape_inference():
    """What is known of either image is known of the results."""
    for options in FEW:
        check_shape_inference(options)


def check_shape_inference(options):
    sizes = []

    @tf.function
    def trace(y_true, y_pred):
        loss = gradops.gradient_loss(y_true, y_pred, **options)
        value, gradient = gradops.value_and_gradient(
            y_true, y_pred, reduction="none", data_format="channels_first", **options
        )
        sums, counts = gradops.gradient_sums(y_true, y_pred, **options)
        results = loss, value, gradient, sums, counts, gradops.sobel_edges(y_pred)
        sizes.extend(tuple(x.shape) for x in results)
        return loss

    specs = [tf.TensorSpec(shape) for shape in ([None, 4, None, 3], [5, None, 6, None])]
    trace.get_concrete_function(*specs)
    axes = 2 if options["response"] in ("component", "absolute") else 1
    of_edges = (5, None, 6, None, 2)
    assert sizes == [(5,), (5,), (5, 4, 6, 3), (5, axes), (5, axes), of_edges]


def test_tape_outside_a_function(rng):
    pair = images(rng, (2, 6, 5, 3))
    function = tf.function(lambda t, p: tf.reduce_mean(gradops.gradient_loss(t, p, penalty="l2")))
    with tf.GradientTape() as tape:
        tape.watch(pair)
        loss = function(*pair)
    expected = reference.loss_gradients(*pair, HALF, penalty="l2")
    for actual, wanted in zip(tape.gradient(loss, pair), expected, strict=True):
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
        expected = reference.loss_gradients(y_true, y_pred, HALF, penalty="l2")
        assert_close(gradient, expected[1])
        assert_close(tape.gradient(loss, y_true), expected[0])


@modes
def test_value_and_gradient_are_differentiable(rng, graph):
    pair = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))
    options = {"penalty": "charbonnier", "response": "magnitude", "response_epsilon": 0.5}

    def products(y_true, y_pred):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([y_true, y_pred])
            value, gradient = gradops.value_and_gradient(y_true, y_pred, **options)
        sources = [y_true, y_pred]
        return tape.gradient(value, y_pred), *tape.gradient(gradient, sources, tf.constant(vector))

    found = (tf.function(products) if graph else products)(*pair)
    by_images = reference.hessian_vector_product(*pair, vector, HALF, **options)[:2]
    expected = reference.loss_gradients(*pair, HALF, **options)[1], *by_images
    for actual, wanted in zip(found, expected, strict=True):
        assert_close(actual, wanted)


def test_sums_make_losses_that_normalise_otherwise(rng):
    """A mean along each axis on its own, with the derivative through sums and counts."""
    pair = images(rng, (3, 5, 6, 2))
    options = {"stencil": "forward", "border": "valid", "penalty": "l2"}
    with tf.GradientTape() as tape:
        tape.watch(pair)
        sums, counts = gradops.gradient_sums(*pair, **options)
        loss = tf.reduce_sum(tf.sqrt(sums / counts))
    expected, divisors = reference.gradient_sums(*pair, **options)
    factors = 0.5 / np.sqrt(expected * divisors)
    assert_close(loss, np.sqrt(expected / divisors).sum())
    slopes = reference.sums_gradients(*pair, factors, **options)
    for actual, wanted in zip(tape.gradient(loss, pair), slopes, strict=True):
        assert_close(actual, wanted)


def test_identical_images(rng):
    """Exactly no gradient, whatever the member of the family."""
    _, y_pred = images(rng, (2, 5, 4, 2))
    for options in FEW:
        gradient = gradops.value_and_gradient(y_pred, y_pred, **options)[1]
        np.testing.assert_array_equal(gradient, np.zeros(y_pred.shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 2, 2, 1), (2, 11, 13, 5)])
def test_sobel_edges_and_its_gradients_equal_tf_image(rng, shape, dtype):
    x = tf.constant(rng.standard_normal(shape), dtype)
    upstream = tf.constant(rng.standard_normal((*shape, 2)), dtype)
    vector = tf.constant(rng.standard_normal(shape), dtype)
    results = []
    for function in (gradops.sobel_edges, tf.image.sobel_edges):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                edges = function(x)
                value = tf.reduce_sum(upstream * edges**2)
            gradient = tape.gradient(value, x)
        results.append((edges, gradient, outer.gradient(gradient, x, vector)))
    for ours, theirs in zip(*results, strict=True):
        # Where taps cancel, tf.image leaves the rounding of the numbers that cancel.
        assert_close(ours, theirs, dtype, floor=4)


@pytest.mark.parametrize("mode", ["eager", "graph", "unknown batch"])
def test_empty_batch(mode):
    empty, nothing = tf.zeros([0, 4, 5, 3]), tf.zeros([0])
    step = training_step
    if mode != "eager":
        images = tf.TensorSpec([0 if mode == "graph" else None, 4, 5, 3])
        step = tf.function(training_step, input_signature=[images, images, tf.TensorSpec([None])])
    loss, (by_true, by_pred) = step(empty, empty, nothing)
    assert float(loss) == 0.0
    assert by_true.shape == by_pred.shape == (0, 4, 5, 3)
    value, gradient = gradops.value_and_gradient(empty, empty, reduction="sum")
    assert float(value) == 0.0 and gradient.shape == (0, 4, 5, 3)
    assert gradops.gradient_loss(empty, empty).shape == (0,)
    assert gradops.sobel_edges(empty).shape == (0, 4, 5, 3, 2)


@pytest.mark.parametrize("response", ["component", "magnitude", "direction"])
def test_images_without_channels_or_examples(response):
    for shape in ([0, 4, 5, 3], [2, 4, 5, 0]):
        nothing = tf.zeros(shape)
        with tf.GradientTape() as tape:
            tape.watch(nothing)
            loss = gradops.gradient_loss(nothing, nothing, response=response, normalizer="batch")
        np.testing.assert_array_equal(loss, np.zeros(shape[0]))
        assert tape.gradient(loss, nothing).shape == shape
        sums, counts = gradops.gradient_sums(None, nothing, response=response)
        assert not sums.numpy().any() and not counts.numpy().any()


def test_the_backend_is_the_one_that_is_asked_for(backend):
    """What this suite relies on: the fixture switches what runs."""
    spec = tf.TensorSpec([2, 4, 4, 1])
    ops = ops_of(tf.function(gradops.gradient_loss), spec, spec)
    assert ops == (["Gradops>Loss"] if backend == "fused" else [])
    assert gradops.build_info()["backend"] == backend and is_fused() == (backend == "fused")
