"""Every member of the family through the ops: values and first derivatives against the oracle."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import EDGES, LOSSES, assert_close, assert_same, images, name_of

import gradops
from gradops import composite, reference

SHAPE = (3, 5, 6, 2)
UPSTREAM = np.array([0.7, -1.3, 0.0])
MEMBERS = LOSSES + EDGES
members = pytest.mark.parametrize("options", MEMBERS, ids=name_of)
edges = pytest.mark.parametrize("options", EDGES, ids=name_of)


def unknown(function, *inputs):
    """The function as a graph that knows no shape."""
    specs = [tf.TensorSpec(None, x.dtype) for x in inputs]
    return tf.function(function).get_concrete_function(*specs)


def in_both_modes(function, *inputs):
    """What the function returns in eager mode; in a graph it must be the same."""
    eager = tf.nest.flatten(function(*inputs))
    graph = tf.nest.flatten(unknown(function, *inputs)(*inputs))
    for ours, theirs in zip(eager, graph, strict=True):
        assert_same(ours, theirs)
    return eager


def derivatives(call, watched, upstream):
    """A function of both images: the call's values, and their derivatives by those watched."""

    def step(y_true, y_pred):
        tensors = [
            x for x, one in zip((y_true, y_pred), ("true", "pred"), strict=True) if one in watched
        ]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            values = call(y_true, y_pred)
        return values, tape.gradient(values, tensors, output_gradients=tf.constant(upstream))

    return step


@members
def test_loss_and_gradients(rng, options):
    tensors = images(rng, SHAPE)
    losses = reference.gradient_loss(*tensors, **options)
    by_true, by_pred = reference.loss_gradients(*tensors, UPSTREAM, **options)

    def call(y_true, y_pred):
        return gradops.gradient_loss(y_true, y_pred, **options)

    for watched, wanted in (
        ("true pred", [by_true, by_pred]),
        ("pred", [by_pred]),
        ("true", [by_true]),
    ):
        values, *gradients = in_both_modes(derivatives(call, watched, UPSTREAM), *tensors)
        assert values.dtype == tf.float64 and values.shape == [3]
        assert_close(values, losses)
        for actual, expected in zip(gradients, wanted, strict=True):
            assert_close(actual, expected)


@members
def test_one_image(rng, options):
    _, y_pred = images(rng, SHAPE)

    def call(_, y_pred):
        return gradops.gradient_loss(None, y_pred, **options)

    values, gradient = in_both_modes(derivatives(call, "pred", UPSTREAM), y_pred, y_pred)
    assert_close(values, reference.gradient_loss(None, y_pred, **options))
    assert_close(gradient, reference.loss_gradients(None, y_pred, UPSTREAM, **options)[1])
    zeros = tf.zeros(SHAPE, tf.float64)
    assert_same(values, gradops.gradient_loss(zeros, y_pred, **options))


@members
def test_value_and_gradient(rng, options):
    tensors = images(rng, SHAPE)
    losses = reference.gradient_loss(*tensors, **options)
    for reduction, value, factor in (
        ("mean", losses.mean(), 1 / 3),
        ("sum", losses.sum(), 1.0),
        ("none", losses, 1.0),
    ):

        def call(y_true, y_pred, reduction=reduction):
            return gradops.value_and_gradient(y_true, y_pred, reduction=reduction, **options)

        actual, gradient = in_both_modes(call, *tensors)
        assert_close(actual, value)
        expected = reference.loss_gradients(*tensors, [factor] * 3, **options)[1]
        assert_close(gradient, expected)
    actual, gradient = gradops.value_and_gradient(None, tensors[1], **options)
    assert_close(actual, reference.gradient_loss(None, tensors[1], **options).mean())
    assert_close(gradient, reference.loss_gradients(None, tensors[1], [1 / 3] * 3, **options)[1])


@members
def test_gradient_sums(rng, options):
    tensors = images(rng, SHAPE)
    sums, counts = reference.gradient_sums(*tensors, **options)
    upstream = rng.normal(size=sums.shape)
    expected = reference.sums_gradients(*tensors, upstream, **options)

    def call(y_true, y_pred):
        return gradops.gradient_sums(y_true, y_pred, **options)[0]

    values, *gradients = in_both_modes(derivatives(call, "true pred", upstream), *tensors)
    assert_close(values, sums)
    for actual, wanted in zip(gradients, expected, strict=True):
        assert_close(actual, wanted)
    again, counted = in_both_modes(
        lambda y_true, y_pred: gradops.gradient_sums(y_true, y_pred, **options), *tensors
    )
    np.testing.assert_array_equal(again, values)
    np.testing.assert_array_equal(counted, counts)


def test_sums_make_losses_that_normalise_otherwise(rng):
    """A mean along each axis on its own, with the derivative through sums and counts."""
    y_true, y_pred = images(rng, SHAPE)
    options = {"stencil": "forward", "border": "valid", "penalty": "l2"}
    results = []
    for library in (gradops, composite):
        with tf.GradientTape() as tape:
            tape.watch([y_true, y_pred])
            sums, counts = library.gradient_sums(y_true, y_pred, **options)
            loss = tf.reduce_sum(tf.sqrt(sums / counts))
        results.append([loss, *tape.gradient(loss, [y_true, y_pred])])
    for actual, expected in zip(*results, strict=True):
        assert_close(actual, expected)


@edges
@pytest.mark.parametrize("scale", ["raw", "unit"])
@pytest.mark.parametrize("shape", [(2, 3, 3, 1), (1, 9, 4, 3)])
def test_the_composition_agrees_in_float32(rng, options, scale, shape):
    """Channels last and first, for both scales."""
    y_true, y_pred = images(rng, shape, "float32")
    options = {**options, "scale": scale, "penalty": "charbonnier", "epsilon": 0.5}
    results = []
    for library, data_format in (
        (composite, "channels_last"),
        (gradops, "channels_last"),
        (gradops, "channels_first"),
    ):
        order = [0, 3, 1, 2] if data_format == "channels_first" else [0, 1, 2, 3]
        tensors = [tf.transpose(x, order) for x in (y_true, y_pred)]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            losses = library.gradient_loss(*tensors, **options, data_format=data_format)
        gradients = tape.gradient(losses, tensors)
        results.append([losses, *(tf.transpose(g, np.argsort(order)) for g in gradients)])
    for ours in results[1:]:
        for actual, expected in zip(ours, results[0], strict=True):
            assert_close(actual, expected, "float32", factor=3)


@edges
def test_shape_inference(options):
    """What is known of either image is known of the results."""
    sizes = []

    @tf.function
    def trace(y_true, y_pred):
        loss = gradops.gradient_loss(y_true, y_pred, **options)
        value, gradient = gradops.value_and_gradient(
            y_true, y_pred, reduction="none", data_format="channels_first", **options
        )
        sums, counts = gradops.gradient_sums(y_true, y_pred, **options)
        sizes.extend(tuple(x.shape) for x in (loss, value, gradient, sums, counts))
        return loss

    specs = [tf.TensorSpec(shape) for shape in ([None, 4, None, 3], [5, None, 6, None])]
    trace.get_concrete_function(*specs)
    axes = 2 if options["response"] in ("component", "absolute") else 1
    assert sizes == [(5,), (5,), (5, 4, 6, 3), (5, axes), (5, axes)]


@pytest.mark.parametrize("response", ["component", "magnitude", "direction"])
def test_empty_batches_and_images_without_channels(response):
    for shape in ([0, 4, 5, 3], [2, 4, 5, 0]):
        nothing = tf.zeros(shape)
        with tf.GradientTape() as tape:
            tape.watch(nothing)
            loss = gradops.gradient_loss(nothing, nothing, response=response, normalizer="batch")
        np.testing.assert_array_equal(loss, np.zeros(shape[0]))
        assert tape.gradient(loss, nothing).shape == shape
        sums, counts = gradops.gradient_sums(None, nothing, response=response)
        assert not sums.numpy().any() and not counts.numpy().any()
