"""The fused backend: which op runs when. The other backend is _composite/ops.py.

Call chain: functional.gradient_loss or losses.GradientLoss.losses -> _scales.loss -> loss() here
-> op "Gradops>Loss..." -> csrc/bindings/tf/kernels.cc -> csrc/cpu/launch/launch_loss.cc -> kernels.
The ops' registered gradients are in gradients.py.

All functions take tensors of one floating dtype, and options as op attributes (_inputs/checks.py).
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from gradops import _library
from gradops._fused import tape
from gradops._inputs.checks import Options
from gradops._inputs.tensors import Inputs, absent, is_absent, loss_dtype

_library.ops()  # registers the ops; raises ImportError if the library does not fit


def loss(
    inputs: Inputs,
    options: Options,
    upstream: str | None = "mean",
    factor: float = 1.0,
    axes: int = 1,
) -> tf.Tensor:
    """Per-example losses. If a tape watches an image, the same pass finds and caches the gradient.

    Args:
      inputs: Images, weights and mask.
      options: Op attributes.
      upstream: How the losses will be reduced over the batch, "mean" or "sum", from which the
        upstream gradient is predicted, or None if that is unknown: then only what it was in the
        steps before can tell. A wrong prediction costs time and does not change results.
      factor: What the reduced loss will be multiplied with.
      axes: How many losses each example has.
    """
    is_watched = tape.is_watched([inputs.y_true, inputs.y_pred])
    has_history = is_watched and _has_history(inputs, axes)
    # Losses of float16 images are usually scaled: only a history can tell by what.
    reduction = None if inputs.y_pred.dtype == tf.float16 else upstream
    if not is_watched or (reduction is None and not has_history):
        return _library.ops().gradops_loss(*inputs, **options)
    if not tape.is_watched([inputs.y_pred]):
        inputs = inputs.swapped()
    if reduction is None:
        expected = _scalar(0.0, loss_dtype(inputs.y_pred.dtype))
    else:
        expected = expected_upstream(inputs.y_pred, reduction, factor)
    if has_history:
        site = _eager_site if tf.executing_eagerly() else _new_site
        call = (inputs.y_pred.shape, upstream, factor, *options.items())
        options = {**options, "site": site(*call)}
        expected = _library.ops().gradops_expected_upstream(inputs.y_pred, expected, **options)
    return loss_memo(inputs, expected, options)[0]


def _has_history(inputs: Inputs, axes: int) -> bool:
    """Whether upstream gradients are predicted from those of the steps before.

    Only where the bits of a gradient cannot show whether a prediction was right: a memo of 16 bits,
    or of losses by axis, is never scaled, one of the derivative by the weights is. Not where
    TensorFlow sees a GPU, on which nothing is remembered.
    """
    is_never_scaled = inputs.y_pred.dtype.size == 2 or axes > 1
    if not is_never_scaled or tape.is_watched([inputs.weights]):
        return False
    return not _library.has_device("GPU")


def _new_site(*_call: Any) -> str:
    """The number of a call of a loss in a graph."""
    return str(next(_SITES) % 10**9)


#: The number of all calls in eager mode with the same arguments.
_eager_site = functools.lru_cache(maxsize=1024)(_new_site)
_SITES = itertools.count()


def loss_memo(inputs: Inputs, expected: tf.Tensor, options: Options) -> tuple[tf.Tensor, tf.Tensor]:
    """Per-example losses [B], differentiable, and the memo for loss_grad.

    If a tape watches the weights, the same pass finds and caches the derivative by them.
    """
    tensors = list(inputs[: 2 if is_absent(inputs.weights) else 3])
    wants_true, wants_pred, *others = (tape.is_watched([tensor]) for tensor in tensors)
    wants_weights = any(others)
    # In eager mode only the loss is recorded: for a memo, a tape would pass an image of zeros to
    # the op's registered gradient. With a ForwardAccumulator the registered gradient is used all
    # the same, because it would take a gradient that no tape wants for 0.
    watched = wants_true or wants_pred or wants_weights
    if not watched or tape.has_tangents(tensors) or not tf.executing_eagerly():
        return _memo_loss(inputs, expected, wants_weights, options)[:2]
    with tape.stop_recording():
        value, memo, weights_memo = _memo_loss(inputs, expected, wants_weights, options)

    def backward(upstream: tf.Tensor):
        gradient = by_true = by_weights = None
        if wants_true or wants_pred:
            gradient = loss_grad(inputs, memo, expected, upstream, options)
        if wants_true:
            by_true = gradient_by_true(inputs, gradient, upstream, options)
        if wants_weights:
            by_weights = loss_weights_grad(inputs, weights_memo, expected, upstream, options)
        return [by_true, gradient if wants_pred else None, by_weights][: len(tensors)]

    tape.record("GradopsLossMemo", [value], tensors, backward)
    return value, memo


def loss_grad(
    inputs: Inputs, memo: tf.Tensor, expected: tf.Tensor, upstream: tf.Tensor, options: Options
) -> tf.Tensor:
    """upstream_b * dloss_b / dy_pred, with the shape of y_pred. The memo may be absent."""
    return _library.ops().gradops_loss_grad(*inputs, memo, expected, upstream, **options)


def loss_weights_grad(
    inputs: Inputs,
    weights_memo: tf.Tensor,
    expected: tf.Tensor,
    upstream: tf.Tensor,
    options: Options,
) -> tf.Tensor:
    """The sum over b of upstream_b * dloss_b / dweights. The memo may be absent."""
    return _library.ops().gradops_loss_weights_grad(
        *inputs, weights_memo, expected, upstream, **options
    )


def gradient_by_true(
    inputs: Inputs, by_pred: tf.Tensor, upstream: tf.Tensor, options: Options
) -> tf.Tensor:
    """upstream_b * dloss_b / dy_true, given by_pred = upstream_b * dloss_b / dy_pred."""
    if options["response"] == "component":
        return -by_pred
    none = absent(inputs.y_pred.dtype)
    return loss_grad(inputs.swapped(), none, upstream, upstream, options)


def loss_grad_grad(
    inputs: Inputs, vector: tf.Tensor, upstream: tf.Tensor, wants_true: bool, options: Options
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The derivatives of <vector, upstream_b * dloss_b / dy_pred> by y_true, y_pred, upstream."""
    return _library.ops().gradops_loss_grad_grad(
        *inputs, vector, upstream, wants_true=wants_true, **options
    )


def loss_weights_grad_grad(
    inputs: Inputs, vector: tf.Tensor, upstream: tf.Tensor, options: Options
) -> tf.Tensor:
    """The derivative of <vector, upstream_b * dloss_b / dy_pred> by weights."""
    return _library.ops().gradops_loss_weights_grad_grad(*inputs, vector, upstream, **options)


def value_and_gradient(
    inputs: Inputs, reduction: str, options: Options
) -> tuple[tf.Tensor, tf.Tensor]:
    """Per-example losses [B], and the gradient by y_pred of their mean or sum ("none": sum)."""
    expected = expected_upstream(inputs.y_pred, reduction)
    losses, memo = loss_memo(inputs, expected, options)
    return losses, loss_grad(inputs, memo, expected, expected, options)


def sums(inputs: Inputs, options: Options) -> tuple[tf.Tensor, tf.Tensor]:
    """The sums by example and axis, for normalizer "none", and the sums of the weights."""
    counts = _library.ops().gradops_loss_counts(*_without_target(inputs), **options)
    return loss(inputs, options, upstream=None, axes=counts.shape[1]), counts  # [B, axes]


def counts_weights_grad(inputs: Inputs, upstream: tf.Tensor, options: Options) -> tf.Tensor:
    """The sum over b and k of upstream_bk * dcounts_bk / dweights."""
    return _library.ops().gradops_loss_counts_grad(*_without_target(inputs), upstream, **options)


def _without_target(inputs: Inputs) -> Inputs:
    return inputs._replace(y_true=absent(inputs.y_pred.dtype))


def image_gradients(images: tf.Tensor, options: Options) -> tf.Tensor:
    """(dy, dx) of images, in a last axis of 2."""
    return _library.ops().gradops_image_gradients(images, **options)


def gradient_magnitude(images: tf.Tensor, options: Options) -> tf.Tensor:
    """sqrt(dy^2 + dx^2 + response_epsilon) of images."""
    return _library.ops().gradops_gradient_magnitude(images, **options)


def expected_upstream(y_pred: tf.Tensor, reduction: str, factor: float = 1.0) -> tf.Tensor:
    """The upstream gradient of each example if the loss is factor * the reduced batch."""
    dtype = loss_dtype(y_pred.dtype)
    if reduction != "mean":
        return _scalar(factor, dtype)
    batch = y_pred.shape[0]
    if batch is None:
        mean = tf.math.reciprocal(tf.cast(tf.maximum(tf.shape(y_pred)[0], 1), dtype))
        return mean if factor == 1 else _scalar(factor, dtype) * mean
    if factor == 1:
        return _scalar(1 / max(batch, 1), dtype)
    rounded = dtype.as_numpy_dtype
    with np.errstate(over="ignore"):  # rounded twice, as the real upstream gradient will be
        return _scalar(float(rounded(1 / max(batch, 1)) * rounded(factor)), dtype)


def _scalar(value: float, dtype: tf.DType) -> tf.Tensor:
    return _eager_scalar(value, dtype) if tf.executing_eagerly() else tf.constant(value, dtype)


@functools.lru_cache(maxsize=64)
def _eager_scalar(value: float, dtype: tf.DType) -> tf.Tensor:
    return tf.constant(value, dtype)


def _memo_loss(
    inputs: Inputs, expected: tf.Tensor, wants_weights: bool, options: Options
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    if wants_weights:
        return _library.ops().gradops_loss_weights_memo(*inputs, expected, **options)
    return (*_library.ops().gradops_loss_memo(*inputs, expected, **options), None)
