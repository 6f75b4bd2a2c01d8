"""The loss as functions of tensors."""

from __future__ import annotations

from typing import TypeAlias

import numpy.typing as npt
import tensorflow as tf

from gradops import _ops, _options

TensorLike: TypeAlias = tf.Tensor | tf.Variable | npt.ArrayLike

#: Image dtypes that the kernels compute.
DTYPES = (tf.float32, tf.float64)
REDUCTIONS = ("mean", "sum", "none")


def gradient_loss(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    stencil: str = "sobel",
    penalty: str = "l1",
    response: str = "component",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """loss_b = mean over h, w, c and k in {y, x} of penalty((S_k y_pred)_b - (S_k y_true)_b).

    S_y and S_x are the stencil with its border: the derivative down the rows and along the
    columns. One fused pass over memory. Where a GradientTape watches y_pred, that pass finds the
    gradient too: a training step reads the two images and writes the gradient, and nothing else.

    Args:
      y_true: Target images [B, H, W, C]; converted to y_pred's dtype.
      y_pred: Predicted images [B, H, W, C], float32 or float64.
      stencil: "sobel", the taps of tf.image.sobel_edges.
      penalty: "l1" for |r| (its slope at 0 is 0) or "l2" for r^2.
      response: "component": both derivatives are compared, each on its own.
      border: "reflect", that of tf.image.sobel_edges; needs H, W >= 2.
      scale: "raw": the taps as they are.
      data_format: "channels_last"; None means keras.config.image_data_format().
      name: Name of the operation.

    Returns:
      Per-example losses [B], of y_pred's dtype. Differentiable twice with respect to both images.

    Raises:
      ValueError: If an option is not one of those listed, y_pred is no float32 or float64 tensor,
        or, in a graph, ranks or shapes do not match or H or W is too small.
      tf.errors.InvalidArgumentError: If ranks or shapes do not match or H or W is too small, in
        eager mode or where the graph did not know the shape.

    Example:
      >>> target = tf.reshape(tf.range(32.0), [2, 4, 4, 1])
      >>> gradops.gradient_loss(target, target * 2).numpy()
      array([10., 10.], dtype=float32)

    Source: the composition |tf.image.sobel_edges(y_pred) - tf.image.sobel_edges(y_true)|, which
    gives the same numbers.
    """
    options = _checked_options(stencil, penalty, response, border, scale, data_format)
    with tf.name_scope(name or "gradient_loss"):
        y_true, y_pred = convert_images(y_true, y_pred)
        return _ops.loss(y_true, y_pred, options)


def value_and_gradient(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    reduction: str = "mean",
    stencil: str = "sobel",
    penalty: str = "l1",
    response: str = "component",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str | None = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """(loss, d loss / d y_pred) in one fused pass, without a tape.

    With loss_b of gradient_loss: loss = mean_b loss_b ("mean"), sum_b loss_b ("sum") or the [B]
    tensor itself ("none", whose gradient is that of the sum, each example's own).

    Args:
      y_true: Target images [B, H, W, C]; converted to y_pred's dtype.
      y_pred: Predicted images [B, H, W, C], float32 or float64.
      reduction: "mean", "sum" or "none".
      stencil: See gradient_loss.
      penalty: See gradient_loss.
      response: See gradient_loss.
      border: See gradient_loss.
      scale: See gradient_loss.
      data_format: See gradient_loss.
      name: Name of the operation.

    Returns:
      The loss, a scalar or [B], and its gradient [B, H, W, C], both of y_pred's dtype. Both are
      differentiable.

    Raises:
      ValueError: As gradient_loss, or if reduction is unknown.
      tf.errors.InvalidArgumentError: As gradient_loss.

    Example:
      >>> target = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> loss, gradient = gradops.value_and_gradient(target, target * 2)
      >>> loss.numpy(), gradient.shape
      (np.float32(10.0), TensorShape([1, 4, 4, 1]))

    Source: the derivation in csrc/math/stencil.h.
    """
    _options.check_choice("reduction", reduction, REDUCTIONS)
    options = _checked_options(stencil, penalty, response, border, scale, data_format)
    with tf.name_scope(name or "value_and_gradient"):
        y_true, y_pred = convert_images(y_true, y_pred)
        expected = _ops.expected_upstream(y_pred, reduction)
        losses, memo = _ops.loss_with_memo(y_true, y_pred, expected, options)
        gradient = _ops.loss_gradient(y_true, y_pred, memo, expected, expected, options)
        reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "none": tf.identity}[reduction]
        return reduce(losses), gradient


def sobel_edges(images: TensorLike) -> tf.Tensor:
    """edges[..., 0] = S_y images, edges[..., 1] = S_x images: tf.image.sobel_edges, fused.

    Args:
      images: Images [B, H, W, C], float32 or float64, H and W at least 2.

    Returns:
      [B, H, W, C, 2]: the derivative down the rows, then along the columns, of unscaled Sobel taps
      with a reflected border. Differentiable, to any order.

    Raises:
      ValueError: If images is no float32 or float64 tensor, or, in a graph, not of rank 4 or too
        small.
      tf.errors.InvalidArgumentError: If it is not of rank 4 or too small, in eager mode or where
        the graph did not know the shape.

    Example:
      >>> ramp = tf.reshape(tf.range(25.0), [1, 5, 5, 1])
      >>> gradops.sobel_edges(ramp)[0, 2, 2, 0].numpy()
      array([40.,  8.], dtype=float32)

    Source: tensorflow/python/ops/image_ops_impl.py.
    """
    options = _options.check(stencil="sobel", border="reflect", scale="raw")
    with tf.name_scope("sobel_edges"):
        return _ops.image_gradients(_convert("images", images), options)


def convert_images(y_true: TensorLike, y_pred: TensorLike) -> tuple[tf.Tensor, tf.Tensor]:
    """Both as tensors of y_pred's dtype, which must be one of DTYPES."""
    y_pred = _convert("y_pred", y_pred)
    y_true = _to_tensor("y_true", y_true)
    if y_true.dtype != y_pred.dtype:
        if not (y_true.dtype.is_floating or y_true.dtype.is_integer or y_true.dtype.is_bool):
            raise ValueError(f"y_true must have a real dtype, got {y_true.dtype.name}")
        y_true = tf.cast(y_true, y_pred.dtype)
    return y_true, y_pred


def _convert(argument: str, images: TensorLike) -> tf.Tensor:
    images = _to_tensor(argument, images)
    if images.dtype not in DTYPES:
        names = ", ".join(dtype.name for dtype in DTYPES)
        raise ValueError(f"{argument} must have one of the dtypes {names}, got {images.dtype.name}")
    return images


def _to_tensor(argument: str, images: TensorLike) -> tf.Tensor:
    if isinstance(images, tf.RaggedTensor | tf.SparseTensor):
        raise ValueError(f"{argument} must be a dense tensor, got a {type(images).__name__}")
    try:
        return tf.convert_to_tensor(images, name=argument)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{argument} cannot be converted to a tensor: {error}") from error


def _checked_options(
    stencil: str, penalty: str, response: str, border: str, scale: str, data_format: str | None
) -> _ops.Options:
    _options.check_data_format(data_format)
    return _options.check(
        stencil=stencil, penalty=penalty, response=response, border=border, scale=scale
    )
