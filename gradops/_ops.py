"""The ops in Python: which one runs when, and their registered gradients.

Call chain: functional.gradient_loss or losses.GradientLoss.call -> loss() here ->
op "Gradops>Loss..." -> csrc/tf/kernels.cc -> csrc/cpu/launch.cc -> kernels.

Every function takes tensors that are already of one floating dtype, and the options as a mapping of
op attributes (see _options.check).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import tensorflow as tf

from gradops import _library, _tape

Options = Mapping[str, str]

_library.ops()  # registers the ops; raises ImportError if the library does not fit


def loss(y_true: tf.Tensor, y_pred: tf.Tensor, options: Options, upstream: str = "mean"):
    """Per-example loss [B], with its gradient kept if somebody will want it.

    Args:
      y_true: Images [B, H, W, C].
      y_pred: Images [B, H, W, C] of the same dtype.
      options: Op attributes.
      upstream: How the loss will be reduced over the batch, "mean" or "sum": it says which upstream
        gradient to expect. A wrong guess costs time, not correctness.
    """
    if not _tape.is_watched([y_true, y_pred]):
        return _plain_loss(y_true, y_pred, options)
    return loss_with_memo(y_true, y_pred, expected_upstream(y_pred, upstream), options)[0]


def loss_with_memo(
    y_true: tf.Tensor, y_pred: tf.Tensor, expected: tf.Tensor, options: Options
) -> tuple[tf.Tensor, tf.Tensor]:
    """Per-example loss [B], differentiable, and the memo for loss_gradient."""
    images = [y_true, y_pred]
    if not tf.executing_eagerly() or not _tape.is_watched(images) or _tape.has_tangents(images):
        return _memo_loss(y_true, y_pred, expected, options)
    # A tape would hand the op's registered gradient an image of zeros for the memo's upstream, so
    # in eager mode the loss alone is recorded. (A ForwardAccumulator would read a gradient that no
    # tape wants as 0; with one around, the registered gradient serves.)
    with _tape.stop_recording():
        value, memo = _memo_loss(y_true, y_pred, expected, options)
    wants_true, wants_pred = _tape.is_watched([y_true]), _tape.is_watched([y_pred])

    def backward(upstream: tf.Tensor):
        gradient = loss_gradient(y_true, y_pred, memo, expected, upstream, options)
        return [-gradient if wants_true else None, gradient if wants_pred else None]

    _tape.record("GradopsLossMemo", [value], [y_true, y_pred], backward)
    return value, memo


def loss_gradient(y_true, y_pred, memo, expected, upstream, options: Options) -> tf.Tensor:
    """upstream_b * dloss_b / dy_pred [B, H, W, C]; memo may be an empty tensor."""
    return _library.ops().gradops_loss_grad(y_true, y_pred, memo, expected, upstream, **options)


def image_gradients(images: tf.Tensor, options: Options) -> tf.Tensor:
    """(dy, dx) [B, H, W, C, 2] of images [B, H, W, C]."""
    return _library.ops().gradops_image_gradients(images, **options)


def expected_upstream(y_pred: tf.Tensor, reduction: str) -> tf.Tensor:
    """The scalar that arrives at each example's loss when the batch is reduced so."""
    if reduction != "mean":
        return _scalar(1.0, y_pred.dtype)
    batch = y_pred.shape[0]
    if batch is None:
        return tf.math.reciprocal(tf.cast(tf.maximum(tf.shape(y_pred)[0], 1), y_pred.dtype))
    return _scalar(1.0 / max(batch, 1), y_pred.dtype)


def _scalar(value: float, dtype: tf.DType) -> tf.Tensor:
    return _eager_scalar(value, dtype) if tf.executing_eagerly() else tf.constant(value, dtype)


@functools.lru_cache(maxsize=64)
def _eager_scalar(value: float, dtype: tf.DType) -> tf.Tensor:
    return tf.constant(value, dtype)


def _plain_loss(y_true, y_pred, options: Options) -> tf.Tensor:
    return _library.ops().gradops_loss(y_true, y_pred, Tloss=y_pred.dtype, **options)


def _memo_loss(y_true, y_pred, expected, options: Options) -> tuple[tf.Tensor, tf.Tensor]:
    return _library.ops().gradops_loss_memo(y_true, y_pred, expected, **options)


# Registered gradients. They are what a tape outside a tf.function, tf.gradients, a
# ForwardAccumulator and second derivatives use.

_IMAGE_OPTIONS = ("stencil", "border", "scale")
_LOSS_OPTIONS = (*_IMAGE_OPTIONS, "penalty", "response")


def _options_of(op: tf.Operation, names: tuple[str, ...]) -> dict[str, str]:
    return {name: tf.compat.as_str(op.get_attr(name)) for name in names}


def _is_wanted(op: tf.Operation, index: int) -> bool:
    """False if an eager tape has no use for that input's gradient; graphs prune by themselves."""
    skipped = getattr(op, "skip_input_indices", None)
    return skipped is None or index not in skipped


def _no_memo(y_pred: tf.Tensor) -> tf.Tensor:
    return tf.zeros([0], y_pred.dtype)


@tf.RegisterGradient("Gradops>Loss")
def _loss_gradients(op: tf.Operation, upstream: tf.Tensor):
    y_true, y_pred = op.inputs
    gradient = loss_gradient(
        y_true, y_pred, _no_memo(y_pred), upstream, upstream, _options_of(op, _LOSS_OPTIONS)
    )
    return [-gradient if _is_wanted(op, 0) else None, gradient]


@tf.RegisterGradient("Gradops>LossMemo")
def _loss_memo_gradients(op: tf.Operation, upstream: tf.Tensor, _memo_upstream: tf.Tensor):
    y_true, y_pred, expected = op.inputs
    gradient = loss_gradient(
        y_true, y_pred, op.outputs[1], expected, upstream, _options_of(op, _LOSS_OPTIONS)
    )
    return [-gradient if _is_wanted(op, 0) else None, gradient, None]


@tf.RegisterGradient("Gradops>LossGrad")
def _loss_grad_gradients(op: tf.Operation, vector: tf.Tensor):
    """Of upstream_b * dL_b/dy_pred: the Hessian-vector product, and <vector_b, dL_b/dy_pred>."""
    y_true, y_pred, _, _, upstream = op.inputs
    options = _options_of(op, _LOSS_OPTIONS)
    by_pred = by_true = by_upstream = None
    if _is_wanted(op, 0) or _is_wanted(op, 1):
        by_pred = _hessian_vector_product(vector, upstream, options)
        by_true = -by_pred if _is_wanted(op, 0) else None
    if _is_wanted(op, 4):
        one = tf.ones_like(upstream)
        gradient = loss_gradient(y_true, y_pred, _no_memo(y_pred), one, one, options)
        products = tf.reduce_sum(vector * gradient, axis=[1, 2, 3])
        by_upstream = _sum_to_shape_of(upstream, products)
    return [by_true, by_pred, None, None, by_upstream]


def _sum_to_shape_of(upstream: tf.Tensor, products: tf.Tensor) -> tf.Tensor:
    """The sum of products [B] for a scalar upstream, the products themselves for [B]."""
    if upstream.shape.rank is not None:
        return products if upstream.shape.rank else tf.reduce_sum(products)
    shape = tf.shape(upstream)
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=tf.shape(products))
    return tf.reshape(tf.reduce_sum(products, axes), shape)


def _hessian_vector_product(vector, upstream, options: Options) -> tf.Tensor:
    """upstream_b * c * sum_k S_k^T (rho''(S_k d) * S_k vector)."""
    if options["penalty"] == "l1":
        return tf.zeros_like(vector)  # rho'' is 0 almost everywhere
    if options["penalty"] == "l2":
        # rho' is linear, so the product is the gradient itself, taken at d = vector.
        zero = tf.zeros_like(vector)
        return loss_gradient(zero, vector, _no_memo(vector), upstream, upstream, options)
    raise NotImplementedError(f"no second derivative for penalty {options['penalty']!r}")


@tf.RegisterGradient("Gradops>ImageGradients")
def _image_gradients_gradient(op: tf.Operation, upstream: tf.Tensor):
    options = _options_of(op, _IMAGE_OPTIONS)
    return _library.ops().gradops_image_gradients_adjoint(upstream, **options)


@tf.RegisterGradient("Gradops>ImageGradientsAdjoint")
def _image_gradients_adjoint_gradient(op: tf.Operation, upstream: tf.Tensor):
    return image_gradients(upstream, _options_of(op, _IMAGE_OPTIONS))
