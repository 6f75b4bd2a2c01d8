"""Weights and masks through the ops: what a mask hides, what counts nothing, dtypes.

test_ops.py has weights and masks of every kind against the oracle.
"""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, first, images, ops_of, with_parameters

import gradops
from gradops import reference

SHAPE = (3, 6, 5, 2)
# Every response, and every normalizer.
CASES = [
    ("component", "residuals"),
    ("magnitude", "pixels"),
    ("absolute", "batch"),
    ("direction", "pixels"),
    ("normal", "batch"),
]
cases = pytest.mark.parametrize(("response", "normalizer"), CASES)
both_backends = pytest.mark.usefixtures("backend")


def options_of(rng, response, normalizer, channels, kinds="weights mask"):
    """Weights with zeros, and a mask with an invalid pixel in about one in ten."""
    shape = (*SHAPE[:3], channels)
    weights = rng.uniform(0.0, 2.0, shape) * (rng.random(shape) > 0.2)
    maps = {"weights": weights, "mask": rng.random(shape) > 0.1}
    options = {"response": response, "penalty": "charbonnier", "normalizer": normalizer}
    return {**with_parameters(options), **{kind: maps[kind] for kind in kinds.split()}}


@both_backends
def test_the_default_format_of_keras(rng, monkeypatch):
    """data_format=None asks Keras at every call."""
    import keras

    t, p = images(rng, SHAPE)
    options = options_of(rng, "component", "residuals", 1)
    last = gradops.gradient_loss(t, p, **options)
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    options = {k: first(v) if k in ("weights", "mask") else v for k, v in options.items()}
    assert_close(gradops.gradient_loss(first(t), first(p), **options), last)
    assert_close(gradops.image_gradients(first(t)), first(reference.image_gradients(t)))
    np.testing.assert_array_equal(gradops.sobel_edges(t), gradops.sobel_edges(t.numpy()))


@both_backends
@cases
def test_what_a_mask_hides_is_never_looked_at(rng, response, normalizer):
    tensors = images(rng, SHAPE)
    options = options_of(rng, response, normalizer, channels=2)
    results = []
    for nothing in (0.0, np.nan, np.inf, 1e300):
        t, p = (tf.where(options["mask"], x, nothing) for x in tensors)
        with tf.GradientTape() as tape:
            tape.watch([t, p])
            losses = gradops.gradient_loss(t, p, **options)
        results.append([losses, *tape.gradient(losses, [t, p])])
    for hidden in results:
        for seen, unseen in zip(results[0], hidden, strict=True):
            np.testing.assert_array_equal(seen, unseen)
        for gradient in hidden[1:]:
            assert not gradient.numpy()[~options["mask"]].any()


@both_backends
@cases
def test_examples_of_which_nothing_counts(rng, response, normalizer):
    """Loss 0 and gradient 0 where all weights are 0, or no pixel is valid, whatever the images."""
    for kind in ("weights", "mask"):
        check_that_nothing_counts(rng, response, normalizer, kind)


def check_that_nothing_counts(rng, response, normalizer, kind):
    tensors = [x.numpy() for x in images(rng, SHAPE)]
    # Under reflect, residuals at the border stand on no pixel, and no mask drops them.
    options = {**options_of(rng, response, normalizer, 1, kind), "border": "replicate"}
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


@both_backends
def test_weights_of_any_real_dtype(rng):
    """Converted to the dtype of the loss."""
    t, p = images(rng, SHAPE, "float32")
    for dtype in ("float16", "bfloat16", "float32", "float64", "int32", "bool"):
        weights = tf.cast(rng.integers(0, 3, (*SHAPE[:3], 1)), dtype)
        expected = reference.gradient_loss(t, p, weights=tf.cast(weights, tf.float64).numpy())
        assert_close(gradops.gradient_loss(t, p, weights=weights), expected, "float32")
        value, _ = gradops.value_and_gradient(tf.cast(t, tf.float16), p, weights=weights)
        assert value.dtype == tf.float32


@both_backends
def test_weights_of_ones_and_a_mask_of_trues_change_nothing(rng):
    t, p = images(rng, SHAPE)
    for options in ({}, {"response": "magnitude", "border": "valid", "stencil": "central"}):
        plain = gradops.value_and_gradient(t, p, **options)
        given = gradops.value_and_gradient(
            t, p, weights=np.ones(SHAPE), mask=np.ones(SHAPE, bool), **options
        )
        for ours, theirs in zip(given, plain, strict=True):
            assert_close(ours, theirs)


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
