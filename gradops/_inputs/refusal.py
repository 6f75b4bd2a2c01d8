"""Derivatives that are not available: an error if somebody wants them, and nothing else if not.

In eager mode that is known at once. In a graph the error has to wait: TensorFlow builds gradients
by all inputs of an op and leaves it to pruning to drop those that nobody asked for.
"""

from __future__ import annotations

import tensorflow as tf

WEIGHTS_MESSAGE = (
    "the gradient by weights is not available: pass weights=tf.stop_gradient(weights), inside of "
    "the tf.function if there is one"
)


def refused(like: tf.Tensor, upstream: tf.Tensor, message: str) -> tf.Tensor:
    """Stands for a derivative by `like`, linear in upstream: fails unless upstream is 0.

    So does its own derivative by upstream, unless it is taken along 0: a ForwardAccumulator asks
    for the derivatives by all inputs, most of them along zeros.
    """

    @tf.custom_gradient
    def stand_in(upstream: tf.Tensor):
        def pull_back(vector: tf.Tensor) -> tf.Tensor:
            return tf.zeros_like(upstream) + _zero_or_error(vector, message, upstream.dtype)

        zero = _zero_or_error(upstream, message, like.dtype)
        return tf.fill(tf.shape(like), zero), pull_back

    return stand_in(upstream)


def _zero_or_error(values: tf.Tensor, message: str, dtype: tf.DType) -> tf.Tensor:
    """A scalar 0 if all values are 0."""
    is_wrong = tf.reduce_any(tf.not_equal(values, 0))
    if tf.executing_eagerly():
        if is_wrong:
            raise NotImplementedError(message)
        return tf.zeros([], dtype)
    # The one stateless op that fails with a text of ours. Those of tf.debugging are stateful: a
    # tf.function runs them even where nobody uses what they return.
    return tf.cast(tf.strings.to_number(tf.where(is_wrong, message, "0")), dtype)
