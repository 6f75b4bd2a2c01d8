"""Derivatives of losses by images and weights, by the ops and as the oracle has them."""

import tensorflow as tf
from op_tools import assert_close
from test_reference_weights import UPSTREAM

import gradops
from gradops import reference

MODES = ["eager", "graph", "tape outside", "xla"]


def constants(*arrays, dtype=tf.float64):
    return [tf.constant(x, dtype) for x in arrays]


def gradients(y_true, y_pred, weights, mode="eager", call=None, upstream=UPSTREAM, **options):
    """The losses' derivatives by y_true, y_pred and weights, times upstream."""

    def losses(y_true, y_pred, weights):
        return (call or gradops.gradient_loss)(y_true, y_pred, weights=weights, **options)

    inner = tf.function(losses) if mode == "tape outside" else losses

    def step(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            found = inner(*tensors)
        return tape.gradient(found, tensors, tf.cast(upstream, found.dtype))

    compiled = {"graph": {}, "xla": {"jit_compile": True}}
    run = tf.function(step, **compiled[mode]) if mode in compiled else step
    return run(*map(tf.convert_to_tensor, (y_true, y_pred, weights)))


def wanted(y_true, y_pred, weights, upstream=UPSTREAM, **options):
    """The same of the oracle."""
    options |= {"weights": weights}
    images = y_true, y_pred, upstream
    slopes = reference.multi_scale_gradients(*images, **options)
    return *slopes, reference.multi_scale_weights_gradient(*images, **options)


def check(y_true, y_pred, weights, mode="eager", upstream=UPSTREAM, **options):
    found = gradients(y_true, y_pred, weights, mode, upstream=upstream, **options)
    expected = wanted(y_true, y_pred, weights, upstream, **options)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)
    return found
