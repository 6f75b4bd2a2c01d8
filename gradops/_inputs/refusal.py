"""Derivatives that are not available: an error if they are used, and no effect otherwise.

Eager mode can raise at once. In a graph the error must wait until it runs: TensorFlow builds the
gradients by all inputs of an op and prunes those that are not used.
"""

from __future__ import annotations

import tensorflow as tf


def refused(like: tf.Tensor, upstream: tf.Tensor, message: str) -> tf.Tensor:
    """Stands in for a derivative by `like` that is linear in upstream: fails unless upstream is 0.

    Its own derivative by upstream fails too, unless it is taken along zeros: a ForwardAccumulator
    takes the derivatives by all inputs, most of them along zeros.
    """

    @tf.custom_gradient
    def stand_in(upstream: tf.Tensor):
        def pull_back(vector: tf.Tensor) -> tf.Tensor:
            return tf.zeros_like(upstream) + _zero_or_error(vector, message, upstream.dtype)

        zero = _zero_or_error(upstream, message, like.dtype)
        return tf.fill(tf.shape(like), zero), pull_back

    return stand_in(upstream)


def _zero_or_error(values: tf.Tensor, message: str, dtype: tf.DType) -> tf.Tensor:
    """A scalar 0 if all values are 0, else an error."""
    is_wrong = tf.reduce_any(tf.not_equal(values, 0))
    if tf.executing_eagerly():
        if is_wrong:
            raise NotImplementedError(message)
        return tf.zeros([], dtype)
    # The only stateless op that fails with a message of ours. The ops of tf.debugging are stateful:
    # a tf.function runs them even if their results are not used.
    return tf.cast(tf.strings.to_number(tf.where(is_wrong, message, "0")), dtype)
