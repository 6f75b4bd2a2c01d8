"""Second derivatives that have to do with weights, against the composition's; what is refused."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import use_backend
from op_tools import assert_close, pairs_of, with_parameters
from reference_tools import NORMALIZERS, RESPONSES
from test_reference_weights import UPSTREAM, problem

import gradops
from gradops import composite, presets, reference

graphs = pytest.mark.parametrize("graph", [False, True])
ERRORS = {False: NotImplementedError, True: tf.errors.InvalidArgumentError}
MESSAGE = "derivatives of the gradient by weights are not available: those of the gradient by image"
NAMES = ("y_true", "y_pred", "weights")
PENALTIES = ["charbonnier", "l2", "huber", "log"]


def tensors_of(channels=1, shape=(2, 5, 4, 2)):
    y_true, y_pred, given = problem(channels, masked=True, shape=shape)
    weights = given.pop("weights")
    return [tf.constant(x) for x in (y_true, y_pred, weights)], given


def of_squares(tensors, loss, by="y_pred", sources=NAMES, watched=NAMES, **options):
    """The derivatives by the sources of the sum of the squares of dL/dby."""
    given = dict(zip(NAMES, tensors, strict=True))
    with tf.GradientTape() as outer:
        outer.watch(list(given.values()))
        with tf.GradientTape() as inner:
            inner.watch([given[name] for name in watched])
            losses = loss(given["y_true"], given["y_pred"], weights=given["weights"], **options)
        gradient = inner.gradient(losses, given[by], tf.cast(UPSTREAM, losses.dtype))
        squares = tf.reduce_sum(gradient**2)
    return outer.gradient(squares, [given[name] for name in sources])


def check(tensors, graph=False, loss="gradient_loss", **options):
    def step(*tensors):
        return of_squares(tensors, getattr(gradops, loss), **options)

    found = (tf.function(step) if graph else step)(*tensors)
    expected = of_squares(tensors, getattr(composite, loss), **options)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, factor=8)


@pairs_of(response=RESPONSES, normalizer=NORMALIZERS, channels=[1, 2], graph=[False, True])
def test_of_the_gradient_by_the_prediction(response, normalizer, channels, graph):
    tensors, options = tensors_of(channels)
    penalty = PENALTIES[RESPONSES.index(response) % len(PENALTIES)]
    check(
        tensors,
        graph,
        normalizer=normalizer,
        **with_parameters({"response": response, "penalty": penalty}),
        **options,
    )


@pairs_of(by=["y_true", "y_pred"], response=["component", "normal"], watched=[NAMES, NAMES[:2]])
def test_of_the_gradient_by_either_image(by, response, watched):
    tensors, options = tensors_of()
    check(tensors, by=by, response=response, watched=watched, penalty="log", **options)


@pairs_of(downsample=["stride", "average"], normalizer=NORMALIZERS, graph=[False, True])
def test_several_scales(downsample, normalizer, graph):
    tensors, options = tensors_of(shape=(2, 12, 9, 2))
    options |= {"scales": 2, "downsample": downsample, "normalizer": normalizer}
    check(tensors, graph, penalty="charbonnier", **options)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_the_term_of_the_pixels(monkeypatch, normalizer):
    tensors, options = tensors_of(shape=(2, 12, 9, 2))
    options |= {"normalizer": normalizer, "penalty": "log", "pixel_weight": 1.5}
    found = of_squares(tensors, presets.pixel_and_gradient, **options)
    use_backend(monkeypatch, "composite")
    expected = of_squares(tensors, presets.pixel_and_gradient, **options)
    monkeypatch.undo()
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, factor=8)


@graphs
def test_the_gradient_of_value_and_gradient(graph):
    tensors, options = tensors_of(2)

    def step(y_true, y_pred, weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            _, gradient = gradops.value_and_gradient(
                y_true, y_pred, weights=weights, penalty="l2", reduction="sum", **options
            )
            squares = tf.reduce_sum(gradient**2)
        return tape.gradient(squares, weights)

    found = (tf.function(step) if graph else step)(*tensors)

    def loss(*images, **options):
        return composite.gradient_loss(*images, **options) / UPSTREAM

    assert_close(found, of_squares(tensors, loss, penalty="l2", **options)[2], factor=8)


def test_under_xla():
    tensors, options = tensors_of()
    options |= {"penalty": "charbonnier", "epsilon": 0.5}
    step = tf.function(lambda *x: of_squares(x, gradops.gradient_loss, **options), jit_compile=True)
    expected = of_squares(tensors, composite.gradient_loss, **options)
    for ours, theirs in zip(step(*tensors), expected, strict=True):
        assert_close(ours, theirs, factor=8)


# By upstream, in which the derivative by weights is linear


@pairs_of(normalizer=NORMALIZERS, graph=[False, True])
def test_by_the_upstream_gradient(normalizer, graph):
    (y_true, y_pred, weights), options = tensors_of()
    vector = np.random.default_rng(91).normal(size=weights.shape)
    options["normalizer"] = normalizer

    def step(upstream):
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(weights)
                losses = gradops.gradient_loss(y_true, y_pred, weights=weights, **options)
            by_weights = inner.gradient(losses, weights, upstream)
        return outer.gradient(by_weights, upstream, tf.constant(vector))

    found = (tf.function(step) if graph else step)(tf.constant(UPSTREAM))
    for b, of_loss in enumerate(np.eye(2)):
        by_weights = reference.weights_gradient(y_true, y_pred, of_loss, weights=weights, **options)
        assert_close(found[b], np.sum(vector * by_weights), floor=np.abs(vector * by_weights).sum())


@pytest.mark.parametrize("response", ["component", "magnitude"])
@pytest.mark.parametrize("which", [0, 1])
def test_by_the_upstream_gradient_of_sums_and_counts(response, which):
    (y_true, y_pred, weights), options = tensors_of()
    vector = np.random.default_rng(92).normal(size=weights.shape)
    options["response"] = response
    upstream = tf.ones([2, 2 if response == "component" else 1], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(upstream)
        with tf.GradientTape() as inner:
            inner.watch(weights)
            values = gradops.gradient_sums(y_true, y_pred, weights=weights, **options)[which]
        by_weights = inner.gradient(values, weights, upstream)
    found = outer.gradient(by_weights, upstream, tf.constant(vector))
    for index in np.ndindex(*upstream.shape):
        one = np.zeros(upstream.shape)
        one[index] = 1
        by_weights = reference.sums_weights_gradients(
            y_true, y_pred, one, weights=weights, **options
        )[which]
        size = np.abs(vector * by_weights).sum()
        assert_close(found[index], np.sum(vector * by_weights), floor=size)


# What is not available


@pairs_of(source=NAMES, graph=[False, True], normalizer=["residuals", "pixel_count"])
def test_derivatives_of_the_gradient_by_weights_are_refused(source, graph, normalizer):
    tensors, options = tensors_of()
    options["normalizer"] = normalizer

    def step(*tensors):
        return of_squares(tensors, gradops.gradient_loss, "weights", [source], **options)

    with pytest.raises(ERRORS[graph], match=MESSAGE):
        (tf.function(step) if graph else step)(*tensors)


@graphs
def test_of_weights_that_are_made_of_the_prediction(graph):
    """Second derivatives through the weights must not get lost."""
    (y_true, y_pred, _), options = tensors_of()

    def step(y_pred):
        with tf.GradientTape() as outer:
            outer.watch(y_pred)
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred, weights=tf.exp(y_pred), **options)
            gradient = inner.gradient(losses, y_pred)
        return outer.gradient(gradient, y_pred, y_pred)

    with pytest.raises(ERRORS[graph], match=MESSAGE):
        (tf.function(step) if graph else step)(y_pred)


@graphs
@pytest.mark.parametrize(("by", "along"), [("y_pred", "weights"), ("weights", "y_pred")])
def test_an_accumulator_around_a_gradient(by, along, graph):
    """TensorFlow runs what an accumulator does as a graph."""
    tensors, options = tensors_of()

    def step(*tensors):
        given = dict(zip(NAMES, tensors, strict=True))
        with tf.autodiff.ForwardAccumulator(given[along], tf.ones_like(given[along])) as forward:
            with tf.GradientTape() as tape:
                tape.watch(given[by])
                losses = gradops.gradient_loss(
                    given["y_true"], given["y_pred"], weights=given["weights"], **options
                )
            gradient = tape.gradient(losses, given[by])
        return forward.jvp(gradient)

    with pytest.raises(tf.errors.InvalidArgumentError, match=MESSAGE):
        (tf.function(step) if graph else step)(*tensors)


@graphs
def test_what_is_not_used_is_no_error(graph):
    """The gradient by weights is there and differentiable, as long as nobody differentiates it."""
    (y_true, y_pred, weights), options = tensors_of()
    options |= {"penalty": "charbonnier", "epsilon": 0.5}

    def step(y_pred, weights):
        with tf.GradientTape() as outer:
            outer.watch([y_pred, weights])
            with tf.GradientTape() as inner:
                inner.watch([y_pred, weights])
                losses = gradops.gradient_loss(y_true, y_pred, weights=weights, **options)
            by_pred, by_weights = inner.gradient(losses, [y_pred, weights])
            value = tf.reduce_sum(by_pred**2) + 0 * tf.reduce_sum(by_weights)
        return by_weights, outer.gradient(value, y_pred)

    by_weights, second = (tf.function(step) if graph else step)(y_pred, weights)
    expected = reference.weights_gradient(y_true, y_pred, weights=weights, **options)
    assert_close(by_weights, expected)
    by_pred = reference.loss_gradients(y_true, y_pred, weights=weights, **options)[1]
    expected = reference.hessian_vector_product(
        y_true, y_pred, 2 * by_pred, weights=weights, **options
    )[1]
    assert_close(second, expected)
