"""The composition against the NumPy reference: one comparison for all of its tests."""

import numpy as np
import tensorflow as tf
from op_tools import EPSILON, dyadic

from gradops import composite, reference

# So many roundings of the largest number: what follows the residuals is added up in the type.
ROUNDINGS = 160


def pair(seed, shape, dtype="float64"):
    rng = np.random.default_rng(seed)
    return dyadic(rng, shape).astype(dtype), dyadic(rng, shape).astype(dtype)


def upstream(shape):
    return np.linspace(-1.5, 2.5, shape[0])


def check_close(actual, expected, dtype="float64"):
    """Equal but for rounding relative to the largest; NaN exactly where expected."""
    expected = np.asarray(expected)
    assert actual.dtype == dtype and actual.shape == expected.shape
    finite = np.abs(expected[np.isfinite(expected)])
    tolerance = ROUNDINGS * EPSILON[dtype] * max(1e-6, float(np.max(finite, initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def losses_and_gradients(y_true, y_pred, graph=False, **options):
    """[loss, d/dy_true, d/dy_pred] with the upstream gradient above; no y_true, no d/dy_true."""
    images = [tf.constant(y) for y in (y_true, y_pred) if y is not None]

    def step(*images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            target = None if y_true is None else images[0]
            losses = composite.gradient_loss(target, images[-1], **options)
        factors = tf.cast(upstream(y_pred.shape), losses.dtype)
        return [losses, *tape.gradient(losses, images, output_gradients=factors)]

    return (tf.function(step) if graph else step)(*images)


def check_loss_and_gradients(y_true, y_pred, graph=False, **options):
    """The loss and the gradients of all images; returns them."""
    actual = losses_and_gradients(y_true, y_pred, graph, **options)
    gradients = reference.loss_gradients(y_true, y_pred, upstream(y_pred.shape), **options)
    expected = [reference.gradient_loss(y_true, y_pred, **options)]
    expected += [gradient for gradient in gradients if gradient is not None]
    for ours, theirs in zip(actual, expected, strict=True):
        check_close(ours, theirs, y_pred.dtype.name)
    return actual


def check_second_order(y_true, y_pred, **options):
    """<v, upstream_b dL_b/dp> differentiated by y_true, y_pred and upstream."""
    vector = np.random.default_rng(0).normal(size=y_pred.shape)
    t, p, factors = (tf.constant(x) for x in (y_true, y_pred, upstream(y_pred.shape)))
    with tf.GradientTape() as outer:
        outer.watch([t, p, factors])
        with tf.GradientTape() as inner:
            inner.watch(p)
            losses = composite.gradient_loss(t, p, **options)
        gradient = inner.gradient(losses, p, output_gradients=factors)
    actual = outer.gradient(gradient, [t, p, factors], vector, unconnected_gradients="zero")
    expected = reference.hessian_vector_product(
        y_true, y_pred, vector, upstream(y_pred.shape), **options
    )
    for ours, theirs in zip(actual, expected, strict=True):
        check_close(ours, theirs)
