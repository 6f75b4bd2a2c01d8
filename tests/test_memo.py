"""Memo safety of the TensorFlow ops: every case is compared with recomputation."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, images

import gradops
from gradops import _convert, _ops, _options, reference


def test_the_expected_upstream_gives_back_the_memo_itself(rng):
    """No copy: the returned gradient is the buffer that the forward pass wrote."""
    inputs, _ = _convert.inputs(*images(rng, (4, 5, 6, 3), "float32"))
    options = _options.check(**{k: v[0] for k, v in _options.allowed_names().items()})
    expected = tf.constant(0.25)
    loss, memo = _ops.loss_with_memo(inputs, expected, options)
    for upstream in (expected, tf.fill([4], 0.25)):
        gradient = _ops.loss_gradient(inputs, memo, expected, upstream, options)
        assert gradient._numpy().ctypes.data == memo._numpy().ctypes.data
    assert loss.shape == [4]


def test_persistent_tape_called_twice_with_different_upstreams(rng):
    y_true, y_pred = images(rng, (3, 6, 5, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred)
    first_weights = np.full(3, 1 / 3)
    for weights in (first_weights, np.array([1.0, -2.0, 0.0]), first_weights):
        gradient = tape.gradient(losses, y_pred, output_gradients=tf.constant(weights))
        assert_close(gradient, reference.loss_gradients(y_true, y_pred, weights)[1])


def test_a_returned_gradient_is_not_overwritten_by_a_later_call(rng):
    y_true, y_pred = images(rng, (2, 6, 5, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred)
    held = tape.gradient(losses, y_pred, output_gradients=tf.constant([0.5, 0.5], tf.float64))
    before = held.numpy().copy()
    tape.gradient(losses, y_pred, output_gradients=tf.constant([7.0, 7.0], tf.float64))
    del tape, losses
    np.testing.assert_array_equal(held.numpy(), before)


def test_two_equal_losses_with_different_weights_in_one_function(rng):
    """The graph optimiser merges the two forward ops; their gradients must stay apart."""
    y_true, y_pred = images(rng, (2, 6, 5, 2))

    @tf.function
    def step(y_true, y_pred):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y_pred)
            first = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred))
            second = 10.0 * tf.reduce_sum(gradops.gradient_loss(y_true, y_pred))
            both = first + second
        return [tape.gradient(x, y_pred) for x in (first, second, both)]

    for factor, gradient in zip((0.5, 10.0, 10.5), step(y_true, y_pred), strict=True):
        expected = reference.loss_gradients(y_true, y_pred, [factor, factor])[1]
        assert_close(gradient, expected)


@pytest.mark.parametrize("upstream", [0.0, np.inf, np.nan, 1e-30])
def test_unusual_upstreams(rng, upstream):
    y_true, y_pred = images(rng, (2, 4, 5, 1), "float32")
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred)
    gradient = tape.gradient(losses, y_pred, output_gradients=tf.constant([upstream, 1.0])).numpy()
    plain = reference.loss_gradients(y_true, y_pred)[1]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(gradient[0], plain[0] * np.float32(upstream), rtol=1e-5)
    assert_close(gradient[1], plain[1], "float32")
