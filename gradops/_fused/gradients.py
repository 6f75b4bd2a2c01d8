"""The registered gradients of the ops.

A tape outside a tf.function, tf.gradients, a ForwardAccumulator and second derivatives use them. A
graph prunes the gradients that are not used; an eager tape says which inputs it wants gradients by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from gradops import _library
from gradops._fused import ops
from gradops._inputs import checks
from gradops._inputs.refusal import refused
from gradops._inputs.tensors import Inputs, absent, is_absent

_THIRD_MESSAGE = (
    "third derivatives of a gradient loss are not available, nor are second ones by two "
    "ForwardAccumulators: take one of them by a GradientTape"
)
_WEIGHTS_MESSAGE = (
    "derivatives of the gradient by weights are not available: those of the gradient by images "
    "are, by images and weights, and gradops.composite has all"
)


def _registered(name: str) -> Callable[[Callable], Callable]:
    return _library.registered_once(tf.RegisterGradient(name))


def _options_of(op: tf.Operation, like: str | None = None) -> dict[str, Any]:
    """The op's options, or only those that the op `like` has too."""
    row = _library.op_table()[(like or op.type).removeprefix("Gradops>")]
    return {name: tf.compat.as_str(op.get_attr(name)) for name in row.options}


def _is_wanted(op: tf.Operation, index: int) -> bool:
    """Whether the gradient by an input is wanted, as far as is known: an eager tape says so."""
    skipped = getattr(op, "skip_input_indices", None)
    return skipped is None or index not in skipped


def _wants_weights(op: tf.Operation) -> bool:
    return not is_absent(op.inputs[2]) and _is_wanted(op, 2)


def _loss_input_gradients(
    op: tf.Operation,
    memo: tf.Tensor,
    weights_memo: tf.Tensor,
    expected: tf.Tensor,
    upstream: tf.Tensor,
) -> list[tf.Tensor | None]:
    """The gradients by y_true, y_pred, weights and mask. Memos may be absent."""
    inputs, options = Inputs(*op.inputs[:4]), _options_of(op)
    wants_true = _is_wanted(op, 0) and not is_absent(inputs.y_true)
    is_difference = options["response"] == "component"
    gradient = by_true = by_weights = None
    if _is_wanted(op, 1) or (wants_true and is_difference):
        gradient = ops.loss_grad(inputs, memo, expected, upstream, options)
    if wants_true:
        by_true = ops.gradient_by_true(inputs, gradient, upstream, options)
    if _wants_weights(op):
        by_weights = ops.loss_weights_grad(inputs, weights_memo, expected, upstream, options)
    return [by_true, gradient, by_weights, None]


@_registered("Gradops>Loss")
def _loss_gradients(op: tf.Operation, upstream: tf.Tensor):
    memo, weights_memo = absent(op.inputs[1].dtype), absent(upstream.dtype)
    return _loss_input_gradients(op, memo, weights_memo, upstream, upstream)


@_registered("Gradops>LossMemo")
def _loss_memo_gradients(op: tf.Operation, upstream: tf.Tensor, _memo_upstream: tf.Tensor):
    memo, weights_memo = op.outputs[1], absent(upstream.dtype)
    return [*_loss_input_gradients(op, memo, weights_memo, op.inputs[4], upstream), None]


@_registered("Gradops>LossWeightsMemo")
def _loss_weights_memo_gradients(op: tf.Operation, upstream: tf.Tensor, *_memo_upstreams: Any):
    _, memo, weights_memo = op.outputs
    return [*_loss_input_gradients(op, memo, weights_memo, op.inputs[4], upstream), None]


@_registered("Gradops>ExpectedUpstream")
def _expected_upstream_gradients(_op: tf.Operation, _upstream: tf.Tensor):
    """None: what is expected changes no result."""
    return [None, None]


@_registered("Gradops>LossGrad")
def _loss_grad_gradients(op: tf.Operation, vector: tf.Tensor):
    """The gradients of <vector, upstream_b * dL_b/dy_pred> by images, weights and upstream."""
    inputs, upstream = Inputs(*op.inputs[:4]), op.inputs[6]
    options = _options_of(op)
    wants_true = _is_wanted(op, 0) and not is_absent(inputs.y_true)
    is_difference = options["response"] == "component"
    by_true = by_weights = None
    if tf.executing_eagerly():
        by_true, by_pred, by_upstream = ops.loss_grad_grad(
            inputs, vector, upstream, wants_true and not is_difference, options
        )
    else:  # by_true comes from a second op, which is pruned if it is not used
        _, by_pred, by_upstream = ops.loss_grad_grad(inputs, vector, upstream, False, options)
        if wants_true and not is_difference:
            by_true, _, _ = ops.loss_grad_grad(inputs, vector, upstream, True, options)
    if not wants_true:
        by_true = None
    elif is_difference:
        by_true = -by_pred
    if _wants_weights(op):
        by_weights = ops.loss_weights_grad_grad(inputs, vector, upstream, options)
    by_upstream = _sum_to_shape_of(upstream, by_upstream)
    return [by_true, by_pred, by_weights, None, None, None, by_upstream]


@_registered("Gradops>LossWeightsGrad")
def _loss_weights_grad_gradients(op: tf.Operation, vector: tf.Tensor):
    """The gradient of <vector, upstream_b * dL_b/dweights> by upstream; others are refused."""
    inputs, upstream = Inputs(*op.inputs[:4]), op.inputs[6]
    refusals = [
        refused(tensor, vector, _WEIGHTS_MESSAGE)
        if _is_wanted(op, i) and not is_absent(tensor)
        else None
        for i, tensor in enumerate(inputs[:3])
    ]
    by_upstream = None
    if _is_wanted(op, 6):
        by_upstream = _along_weights(inputs, vector, upstream, _options_of(op))
    return [*refusals, None, None, None, by_upstream]


def _along_weights(
    inputs: Inputs, vector: tf.Tensor, upstream: tf.Tensor, options: dict[str, Any]
) -> tf.Tensor:
    """<vector, dL_b/dweights>, of the shape of upstream, in which the derivative is linear."""

    def along(u: tf.Tensor) -> tf.Tensor:
        return vector * ops.loss_weights_grad(inputs, absent(u.dtype), u, u, options)

    if upstream.shape.rank == 0:
        return tf.reduce_sum(along(tf.ones_like(upstream)))
    if options["normalizer"] == "batch":  # each loss depends on the weights of all examples
        examples = tf.eye(tf.shape(inputs.y_pred)[0], dtype=upstream.dtype)
        by_loss = tf.map_fn(lambda example: tf.reduce_sum(along(example)), examples)
    elif options["normalizer"] == checks.SUMS:
        by_loss = _by_axis(upstream, along)
    else:
        by_loss = tf.reduce_sum(along(tf.ones([], upstream.dtype)), axis=[1, 2, 3])
    return _sum_to_shape_of(upstream, by_loss)


def _by_axis(upstream: tf.Tensor, along: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """The sums of along(1 for one axis and 0 for the others) by example and axis, [B, K]."""
    ones = tf.unstack(tf.eye(upstream.shape[-1], dtype=upstream.dtype))
    axes = [tf.broadcast_to(axis, tf.shape(upstream)) for axis in ones]
    return tf.stack([tf.reduce_sum(along(axis), axis=[1, 2, 3]) for axis in axes], axis=1)


def _sum_to_shape_of(upstream: tf.Tensor, by_loss: tf.Tensor) -> tf.Tensor:
    """The sum of by_loss for a scalar upstream, else by_loss."""
    if upstream.shape.rank is not None:
        return by_loss if upstream.shape.rank else tf.reduce_sum(by_loss)
    shape = tf.shape(upstream)
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=tf.shape(by_loss))
    return tf.reshape(tf.reduce_sum(by_loss, axes), shape)


@_registered("Gradops>LossGradGrad")
def _loss_grad_grad_gradients(
    op: tf.Operation, to_true: tf.Tensor, to_pred: tf.Tensor, to_upstream: tf.Tensor
):
    """The gradients of <to_true, H_tp v> + <to_pred, H_pp v> + sum_b to_upstream_b <v_b, dL_b/dp>.

    The gradient by the vector v is for a ForwardAccumulator around a gradient. Those by the images
    and the weights are for a tape around a ForwardAccumulator: they are those of the last term, as
    those of the others would be third derivatives.
    """
    inputs, (vector, upstream) = Inputs(*op.inputs[:4]), op.inputs[4:]
    options = _options_of(op)
    has_true = op.get_attr("wants_true")

    def third(tensor: tf.Tensor) -> tf.Tensor:
        derivative = refused(tensor, to_pred, _THIRD_MESSAGE)
        return derivative + refused(tensor, to_true, _THIRD_MESSAGE) if has_true else derivative

    by_true = by_pred = by_weights = by_vector = by_upstream = None
    wants_true = _is_wanted(op, 0) and not is_absent(inputs.y_true)
    if wants_true or _is_wanted(op, 1):
        by_true, by_pred, _ = ops.loss_grad_grad(inputs, vector, to_upstream, wants_true, options)
        by_pred += third(inputs.y_pred)
        by_true = by_true + third(inputs.y_true) if wants_true else None
    if _wants_weights(op):
        by_weights = ops.loss_weights_grad_grad(inputs, vector, to_upstream, options)
        by_weights += third(inputs.weights)
    if _is_wanted(op, 4):
        none = absent(vector.dtype)
        by_vector = ops.loss_grad(inputs, none, to_upstream, to_upstream, options)
        by_vector += ops.loss_grad_grad(inputs, to_pred, upstream, False, options)[1]
        if has_true:
            by_vector += ops.loss_grad_grad(inputs.swapped(), to_true, upstream, True, options)[0]
    if _is_wanted(op, 5):
        by_upstream = third(upstream)
    return [by_true, by_pred, by_weights, None, by_vector, by_upstream]


@_registered("Gradops>LossWeightsGradGrad")
def _loss_weights_grad_grad_gradients(op: tf.Operation, to_weights: tf.Tensor):
    """All are refused: third derivatives, or those of the gradient by weights."""
    return [
        refused(tensor, to_weights, _THIRD_MESSAGE if i < 4 else _WEIGHTS_MESSAGE)
        if i != 3 and _is_wanted(op, i) and not is_absent(tensor)
        else None
        for i, tensor in enumerate(op.inputs)
    ]


@_registered("Gradops>LossCounts")
def _loss_counts_gradients(op: tf.Operation, upstream: tf.Tensor):
    by_weights = None
    if _wants_weights(op):
        by_weights = ops.counts_weights_grad(Inputs(*op.inputs[:4]), upstream, _options_of(op))
    return [None, None, by_weights, None]


@_registered("Gradops>LossCountsGrad")
def _loss_counts_grad_gradients(op: tf.Operation, vector: tf.Tensor):
    """Counts are linear in the weights, so the gradient by upstream is the only one."""
    inputs, options = Inputs(*op.inputs[:4]), _options_of(op)

    def along(axis: tf.Tensor) -> tf.Tensor:
        return vector * ops.counts_weights_grad(inputs, axis, options)

    return [None, None, None, None, _by_axis(op.inputs[4], along)]


@_registered("Gradops>ImageGradients")
def _image_gradients_gradient(op: tf.Operation, upstream: tf.Tensor):
    return _library.ops().gradops_image_gradients_adjoint(upstream, **_options_of(op))


@_registered("Gradops>ImageGradientsAdjoint")
def _image_gradients_adjoint_gradient(op: tf.Operation, upstream: tf.Tensor):
    return ops.image_gradients(upstream, _options_of(op))


@_registered("Gradops>GradientMagnitude")
def _gradient_magnitude_gradients(op: tf.Operation, upstream: tf.Tensor):
    options = _options_of(op)
    return _library.ops().gradops_gradient_magnitude_grad(op.inputs[0], upstream, **options)


@_registered("Gradops>GradientMagnitudeGrad")
def _gradient_magnitude_grad_gradient(op: tf.Operation, vector: tf.Tensor):
    """The gradients of <vector, S^T(upstream * g / m)> with g = S images and m = |g|.

    By upstream it is along = <S vector, g / m> and by images S^T(upstream * (S vector - along * g /
    m) / m), both 0 where m is 0. They are made of differentiable ops.
    """
    images, upstream = op.inputs
    options = _options_of(op, like="ImageGradients")
    magnitude_options = _options_of(op)
    magnitude = ops.gradient_magnitude(images, magnitude_options)[..., tf.newaxis]
    gradients = ops.image_gradients(images, options)
    unit = tf.math.divide_no_nan(gradients, magnitude)
    turned = ops.image_gradients(vector, options)
    along = tf.reduce_sum(turned * unit, axis=-1, keepdims=True)
    across = tf.math.divide_no_nan(turned - along * unit, magnitude)
    slopes = upstream[..., tf.newaxis] * across
    by_images = _library.ops().gradops_image_gradients_adjoint(slopes, **options)
    return [by_images, tf.squeeze(along, -1)]
