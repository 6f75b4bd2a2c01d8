"""Weights and masks through the ops: what a mask hides, what counts nothing, dtypes.

test_ops.py has weights and masks of every kind against the oracle.
"""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, first, images, with_parameters

import gradops
from gradops import reference

SHAPE = (3, 6, 5, 2)
# Every response, and every normalizer.
CASES = [
    ("component", "residuals"),
    ("magnitude", "pixels"),
    ("absolute", "batch"),
    ("direction", "pixels"),
    ("normal", "residual_count"),
    ("sum", "pixel_count"),
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
def test_weights_of_any_real_dtype(rng):
    """Converted to the dtype of the loss."""
    t, p = images(rng, SHAPE, "float32")
    for dtype in ("float16", "bfloat16", "float32", "float64", "int32", "bool"):
        weights = tf.cast(rng.integers(0, 3, (*SHAPE[:3], 1)), dtype)
        expected = reference.gradient_loss(t, p, weights=tf.cast(weights, tf.float64).numpy())
        assert_close(gradops.gradient_loss(t, p, weights=weights), expected, "float32")
        value, _ = gradops.value_and_gradient(tf.cast(t, tf.float16), p, weights=weights)
        assert value.dtype == tf.float32


@cases
def test_what_has_weight_0_is_never_looked_at(rng, backend, response, normalizer):
    """Like what a mask hides, in losses, gradients and second derivatives, plain and by XLA."""
    tensors = images(rng, SHAPE)
    bad = np.zeros((*SHAPE[:3], 1), bool)
    bad[0, 2, 2], bad[1, 0, 0], bad[2, :, 3:] = True, True, True
    reached = tf.nn.max_pool2d(tf.cast(bad, tf.float64), 3, 1, "SAME") > 0
    weights = tf.where(reached, tf.zeros([], tf.float64), rng.uniform(0.5, 2, (*SHAPE[:3], 1)))
    options = {"response": response, "penalty": "charbonnier", "normalizer": normalizer}

    def everything(t, p):
        with tf.GradientTape() as outer:
            outer.watch(p)
            with tf.GradientTape() as inner:
                inner.watch([t, p])
                loss = gradops.gradient_loss(t, p, weights=weights, **options)
            by_true, by_pred = inner.gradient(loss, [t, p])
            along = tf.reduce_sum(by_pred * tensors[0])
        return loss, by_true, by_pred, outer.gradient(along, p)

    compiled = [tf.function(everything, jit_compile=True)] if backend == "fused" else []
    for call in [everything, *compiled]:
        wanted = call(*tensors)
        assert all(np.isfinite(x).all() for x in wanted)
        for nothing in (np.nan, np.inf, 1e300):
            found = call(*(tf.where(bad, tf.constant(nothing, x.dtype), x) for x in tensors))
            for ours, theirs in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@both_backends
def test_a_divisor_of_0_where_residuals_have_weights():
    """The pixels that count have weight 0, a pixel that does not count, between them, has not."""
    t, p = np.full((2, 1, 3, 3, 1), np.nan)
    mask, weights = np.ones((1, 3, 3, 1), bool), np.zeros((1, 3, 3, 1))
    mask[0, 1, 1], weights[0, 1, 1] = False, 1
    options = {"stencil": "central", "normalizer": "pixels", "mask": mask, "weights": weights}
    loss, gradient = gradops.value_and_gradient(t, p, **options)
    assert loss == 0 and not np.any(gradient)
