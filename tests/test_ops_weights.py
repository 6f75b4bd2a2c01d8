"""Weights, masks and normalizers through the ops, against the oracle."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from op_tools import RESPONSES, assert_close, first, images, ops_of

import gradops
from gradops import composite, reference

SHAPE = (3, 6, 5, 2)
UPSTREAM = np.array([0.7, -1.3, 2.0])
NORMALIZERS = ["residuals", "pixels", "batch"]
FORMATS = ["channels_last", "channels_first"]
responses = pytest.mark.parametrize("response", RESPONSES)


def maps(rng, channels, kinds="weights mask"):
    """Weights with zeros, and a mask with an invalid pixel in about one in ten."""
    shape = (*SHAPE[:3], channels)
    weights = rng.uniform(0.0, 2.0, shape) * (rng.random(shape) > 0.2)
    mask = rng.random(shape) > 0.1
    both = {"weights": weights, "mask": mask}
    return {kind: both[kind] for kind in kinds.split()}


def options_of(rng, response, normalizer="residuals", channels=1, kinds="weights mask"):
    return {
        "response": response,
        **RESPONSES[response],
        "penalty": "charbonnier",
        "epsilon": 0.3,
        "normalizer": normalizer,
        **maps(rng, channels, kinds),
    }


def check(tensors, options, data_format="channels_last", graph=False):
    """Loss, both gradients, Hessian-vector product and value_and_gradient equal the oracle's."""
    arrays = [x.numpy() for x in tensors]
    vector = np.random.default_rng(7).normal(size=SHAPE)
    losses = reference.gradient_loss(*arrays, **options)
    expected = [
        losses,
        *reference.loss_gradients(*arrays, UPSTREAM, **options),
        *reference.hessian_vector_product(*arrays, vector, UPSTREAM, **options)[:2],
        losses.mean(),
        reference.loss_gradients(*arrays, [1 / 3] * 3, **options)[1],
    ]
    options, (t, p, v) = dict(options), (*arrays, vector)
    if data_format == "channels_first":
        t, p, v = first(t), first(p), first(v)
        expected = [first(x) if np.ndim(x) == 4 else x for x in expected]
        options.update({k: first(options[k]) for k in ("weights", "mask") if k in options})
    given = {key: tf.constant(options.pop(key)) for key in ("weights", "mask") if key in options}
    options["data_format"] = data_format

    def step(t, p, given):
        with tf.GradientTape() as outer:
            outer.watch([t, p])
            with tf.GradientTape() as inner:
                inner.watch([t, p])
                losses = gradops.gradient_loss(t, p, **given, **options)
            gradients = inner.gradient(losses, [t, p], output_gradients=tf.constant(UPSTREAM))
        products = outer.gradient(gradients[1], [t, p], output_gradients=tf.constant(v))
        value = gradops.value_and_gradient(t, p, **given, **options)
        return [losses, *gradients, *products, *value]

    if graph:  # of which no shape is known
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec(None, x.dtype), given)
        images = tf.TensorSpec(None, tf.float64)
        step = tf.function(step).get_concrete_function(images, images, specs)
        actual = step(tf.constant(t), tf.constant(p), given)
    else:
        actual = step(tf.constant(t), tf.constant(p), given)
    for ours, theirs in zip(actual, expected, strict=True):
        assert_close(ours, theirs)


@responses
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("data_format", FORMATS)
def test_weights_and_masks(rng, response, normalizer, data_format):
    for channels, kinds in itertools.product((1, 2), ("weights mask", "weights", "mask")):
        options = options_of(rng, response, normalizer, channels, kinds)
        check(images(rng, SHAPE), options, data_format)


@responses
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_in_graphs_that_know_no_shape(rng, response, normalizer):
    check(images(rng, SHAPE), options_of(rng, response, normalizer), graph=True)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("response", ["component", "direction"])
def test_sums_and_counts(rng, response, data_format):
    t, p = images(rng, SHAPE)
    options = {"response": response, "border": "valid", **maps(rng, 2)}
    expected = reference.gradient_sums(t, p, **options)
    upstream = rng.normal(size=expected[0].shape)
    gradients = reference.sums_gradients(t, p, upstream, **options)
    options["data_format"] = data_format
    if data_format == "channels_first":
        t, p = tf.constant(first(t)), tf.constant(first(p))
        gradients = [first(g) for g in gradients]
        options.update(weights=first(options["weights"]), mask=first(options["mask"]))
    with tf.GradientTape() as tape:
        tape.watch([t, p])
        sums, counts = gradops.gradient_sums(t, p, **options)
    assert_close(sums, expected[0])
    assert_close(counts, expected[1])
    by_images = tape.gradient(sums, [t, p], output_gradients=tf.constant(upstream))
    for actual, wanted in zip(by_images, gradients, strict=True):
        assert_close(actual, wanted)


@responses
def test_the_default_format_of_keras(rng, response, monkeypatch):
    """data_format=None asks Keras at every call."""
    import keras

    t, p = images(rng, SHAPE)
    options = {"response": response, **maps(rng, 1)}
    last = gradops.gradient_loss(t, p, **options)
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    options = {k: first(v) if k in ("weights", "mask") else v for k, v in options.items()}
    assert_close(gradops.gradient_loss(first(t), first(p), **options), last)
    assert_close(gradops.image_gradients(first(t)), first(reference.image_gradients(t)))
    np.testing.assert_array_equal(gradops.sobel_edges(t), gradops.sobel_edges(t.numpy()))


@responses
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("nothing", [np.nan, np.inf, 1e300])
def test_what_a_mask_hides_is_never_looked_at(rng, response, normalizer, nothing):
    tensors = images(rng, SHAPE)
    options = options_of(rng, response, normalizer, channels=2)
    hidden = [tf.where(options["mask"], x, nothing) for x in tensors]
    results = []
    for t, p in (tensors, hidden):
        with tf.GradientTape() as tape:
            tape.watch([t, p])
            losses = gradops.gradient_loss(t, p, **options)
        results.append([losses, *tape.gradient(losses, [t, p])])
    for seen, unseen in zip(*results, strict=True):
        np.testing.assert_array_equal(seen, unseen)
    for gradient in results[1][1:]:
        assert not gradient.numpy()[~options["mask"]].any()


@responses
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_examples_of_which_nothing_counts(rng, response, normalizer):
    """Loss 0 and gradient 0 where all weights are 0, or no pixel is valid, whatever the images."""
    tensors = [x.numpy() for x in images(rng, SHAPE)]
    for kind in ("weights", "mask"):
        # Under reflect, residuals at the border stand on no pixel, and no mask drops them.
        options = {**options_of(rng, response, normalizer, kinds=kind), "border": "replicate"}
        options[kind][1] = 0
        if kind == "mask":
            tensors[1][1] = np.nan
        loss, gradient = gradops.value_and_gradient(*tensors, reduction="none", **options)
        assert loss[1].numpy() == 0 and not gradient[1].numpy().any()
        assert np.isfinite(loss).all() and loss.numpy().sum() > 0
        assert_close(loss, reference.gradient_loss(*tensors, **options))
        options[kind][:] = 0
        loss, gradient = gradops.value_and_gradient(*tensors, reduction="none", **options)
        assert not loss.numpy().any() and not gradient.numpy().any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
def test_weights_of_any_real_dtype(rng, dtype):
    """Converted to the dtype of the loss."""
    t, p = images(rng, SHAPE, "float32")
    weights = tf.cast(rng.integers(0, 3, (*SHAPE[:3], 1)), dtype)
    expected = reference.gradient_loss(t, p, weights=tf.cast(weights, tf.float64).numpy())
    assert_close(gradops.gradient_loss(t, p, weights=weights), expected, "float32")
    value, _ = gradops.value_and_gradient(tf.cast(t, tf.float16), p, weights=weights)
    assert value.dtype == tf.float32


def test_weights_of_ones_and_a_mask_of_trues_change_nothing(rng):
    t, p = images(rng, SHAPE)
    for options in ({}, {"response": "magnitude", "border": "valid", "stencil": "central"}):
        plain = gradops.value_and_gradient(t, p, **options)
        given = gradops.value_and_gradient(
            t, p, weights=np.ones(SHAPE), mask=np.ones(SHAPE, bool), **options
        )
        for ours, theirs in zip(given, plain, strict=True):
            assert_close(ours, theirs)


@pytest.mark.fused
def test_maps_are_no_reason_for_another_op(rng):
    images = tf.TensorSpec([2, 4, 4, 1])
    mask = tf.TensorSpec([2, 4, 4, 1], tf.bool)

    @tf.function
    def step(t, p, weights, mask):
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss = tf.reduce_mean(gradops.gradient_loss(t, p, weights=weights, mask=mask))
        return tape.gradient(loss, p)

    assert ops_of(step, images, images, images, mask) == ["Gradops>LossMemo", "Gradops>LossGrad"]


def test_the_composition_agrees(rng):
    t, p = images(rng, SHAPE)
    for normalizer in NORMALIZERS:
        options = options_of(rng, "normal", normalizer)
        ours, theirs = (m.value_and_gradient(t, p, **options) for m in (gradops, composite))
        assert_close(ours[0], theirs[0])
        assert_close(ours[1], theirs[1])
