"""The same losses composed from public TensorFlow ops: what users write today, and a peer.

    L_b = mean over [H, W, C, 2] of rho(sobel_edges(p_b) - sobel_edges(t_b))

Gradients are TensorFlow's own. One difference from `gradops.reference`: `tf.image.sobel_edges` is a
convolution that also multiplies its zero taps, so a NaN or Inf reaches more pixels here. B = 0 is
supported where it is statically known (eager mode, or a fully defined shape).

This module shares no code with the kernels or with `gradops.reference`; it types its own tables.
"""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf


def _sobel_edges(images: tf.Tensor) -> tf.Tensor:
    if images.shape.num_elements() == 0:  # tf.image.sobel_edges rejects B = 0 on the CPU.
        return tf.stack([images, images], axis=-1)
    return tf.image.sobel_edges(images)


# (stencil, border) -> [B, H, W, C] -> [B, H, W, C, 2], (dy, dx) on the last axis.
_GRADIENTS = {("sobel", "reflect"): _sobel_edges}
# Border -> the smallest H and W it is defined for.
_MINIMUM_SIZES = {"reflect": 2}

STENCILS = tuple(dict.fromkeys(stencil for stencil, _ in _GRADIENTS))
BORDERS = tuple(dict.fromkeys(border for _, border in _GRADIENTS))
PENALTIES = {"l1": tf.abs, "l2": tf.square}  # TensorFlow's slope of |r| at 0 is 0.
RESPONSES = ("component",)
SCALES = ("raw",)
DATA_FORMATS = ("channels_last",)
REDUCTIONS = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "none": tf.identity}
_DTYPES = (tf.float32, tf.float64)


def _check_option(argument: str, value: object, allowed: Iterable[str]) -> None:
    names = tuple(allowed)
    if value not in names:
        raise ValueError(
            f"{argument}: got {value!r}, expected one of {', '.join(map(repr, names))}"
        )


def _check_stencil(stencil: str, border: str, scale: str, data_format: str | None) -> None:
    _check_option("stencil", stencil, STENCILS)
    _check_option("border", border, BORDERS)
    _check_option("scale", scale, SCALES)
    if data_format is None:
        data_format = tf.keras.backend.image_data_format()
    _check_option("data_format", data_format, DATA_FORMATS)


def _check_images(argument: str, images: tf.Tensor, border: str) -> tf.Tensor:
    if images.dtype not in _DTYPES:
        raise ValueError(f"{argument}: got {images.dtype.name}, expected float32 or float64")
    if images.shape.rank not in (None, 4):
        raise ValueError(f"{argument}: expected rank 4 [B, H, W, C], got shape {images.shape}")
    minimum = _MINIMUM_SIZES[border]
    sizes = [] if images.shape.rank is None else images.shape[1:3].as_list()
    if any(size is not None and size < minimum for size in sizes):
        raise ValueError(
            f"{argument}: border {border!r} needs H and W of at least {minimum}, "
            f"got shape {images.shape}"
        )
    return images


def _require_equal_shapes(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """y_true, checked now where the shapes are static and by an assertion where they are not."""
    message = "y_true: expected the shape of y_pred"
    if not y_true.shape.is_compatible_with(y_pred.shape):
        raise ValueError(f"{message} {y_pred.shape}, got shape {y_true.shape}")
    if y_true.shape.is_fully_defined() and y_pred.shape.is_fully_defined():
        return y_true
    check = tf.debugging.assert_equal(tf.shape(y_true), tf.shape(y_pred), message=message)
    with tf.control_dependencies([] if check is None else [check]):  # None in eager mode.
        return tf.identity(y_true)


def gradient_loss(
    y_true,
    y_pred,
    *,
    stencil: str = "sobel",
    penalty: str = "l1",
    response: str = "component",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """L_b = mean of rho(S_k p_b - S_k t_b) over k in (y, x) and every pixel and channel.

    Args:
        y_true: Targets t, [B, H, W, C]; cast to the dtype of y_pred.
        y_pred: Predictions p, same shape, float32 or float64.
        stencil: One of `STENCILS`.
        penalty: rho, a key of `PENALTIES`.
        response: What is compared, one of `RESPONSES`.
        border: One of `BORDERS`.
        scale: One of `SCALES`.
        data_format: "channels_last", or None for `keras.config.image_data_format()`.
        name: Name scope of the ops.

    Returns:
        One loss per example, [B], in the dtype of y_pred.

    Raises:
        ValueError: An unknown option, another dtype, a rank other than 4, unequal shapes, or too
            small a size. Unequal shapes known only at run time: tf.errors.InvalidArgumentError
            (not under XLA, which drops assertions).
    """
    _check_stencil(stencil, border, scale, data_format)
    _check_option("penalty", penalty, PENALTIES)
    _check_option("response", response, RESPONSES)
    with tf.name_scope(name or "gradient_loss"):
        y_pred = _check_images("y_pred", tf.convert_to_tensor(y_pred), border)
        y_true = _require_equal_shapes(tf.cast(y_true, y_pred.dtype), y_pred)
        gradients = _GRADIENTS[stencil, border]
        residuals = gradients(y_pred) - gradients(y_true)
        return tf.reduce_mean(PENALTIES[penalty](residuals), axis=[1, 2, 3, 4])


def value_and_gradient(
    y_true,
    y_pred,
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
    """(R(L), dR(L)/dp) with R the reduction over examples, through tf.GradientTape.

    Args:
        y_true: Targets t, [B, H, W, C]; cast to the dtype of y_pred.
        y_pred: Predictions p, same shape, float32 or float64.
        reduction: "mean" or "sum" over the examples; with "none" the loss is [B] and each
            example's gradient is that of its own loss.
        stencil: See `gradient_loss`, as for the options below.
        penalty: One of `PENALTIES`.
        response: One of `RESPONSES`.
        border: One of `BORDERS`.
        scale: One of `SCALES`.
        data_format: One of `DATA_FORMATS`, or None.
        name: Name of the operation.

    Returns:
        The loss, a scalar (or [B] for "none"), and the gradient, [B, H, W, C], in y_pred's dtype.
        The mean over no examples (B = 0) is NaN, as tf.reduce_mean's.

    Raises:
        ValueError: As `gradient_loss`, or an unknown reduction.
    """
    _check_option("reduction", reduction, REDUCTIONS)
    y_pred = tf.convert_to_tensor(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = gradient_loss(
            y_true,
            y_pred,
            stencil=stencil,
            penalty=penalty,
            response=response,
            border=border,
            scale=scale,
            data_format=data_format,
            name=name,
        )
        loss = REDUCTIONS[reduction](losses)
    return loss, tape.gradient(loss, y_pred)


def image_gradients(
    images,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """(S_y x, S_x x): downwards and rightwards differences are positive.

    Args:
        images: x, [B, H, W, C], float32 or float64.
        stencil: One of `STENCILS`.
        border: One of `BORDERS`.
        scale: One of `SCALES`.
        data_format: "channels_last", or None for `keras.config.image_data_format()`.
        name: Name scope of the ops.

    Returns:
        [B, H, W, C, 2], (dy, dx) on the last axis, in the dtype of images.

    Raises:
        ValueError: An unknown option, another dtype, a rank other than 4, or too small a size.
    """
    _check_stencil(stencil, border, scale, data_format)
    with tf.name_scope(name or "image_gradients"):
        images = _check_images("images", tf.convert_to_tensor(images), border)
        return _GRADIENTS[stencil, border](images)


def sobel_edges(images) -> tf.Tensor:
    """tf.image.sobel_edges: (dy, dx) of the raw sobel stencil with the reflect border.

    Args:
        images: [B, H, W, C], float32 or float64.

    Returns:
        [B, H, W, C, 2], (dy, dx) on the last axis, in the dtype of images.

    Raises:
        ValueError: As `image_gradients`.
    """
    return image_gradients(images, data_format="channels_last", name="sobel_edges")
