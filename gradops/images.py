"""The stencil's derivatives of images, and where those of two differ, as functions of tensors."""

from __future__ import annotations

import tensorflow as tf

from gradops import _backend
from gradops._inputs import checks, convert
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.tensors import AXES

CHANNELS = ("mean", "each")


def image_gradients(
    images: TensorLike,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """gradients[..., 0] = S_y images, gradients[..., 1] = S_x images, in one fused pass.

    Args:
      images: Images [B, H, W, C] (channels_first: [B, C, H, W]), float16, bfloat16, float32 or
        float64. May have more leading axes than [B].
      stencil: See gradops.gradient_loss.
      border: See gradops.gradient_loss; with "valid", 0 where the stencil leaves the image.
      scale: See gradops.gradient_loss.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().
      name: Name of the operation.

    Returns:
      The derivatives down the rows and along the columns, in a last axis of 2 after those of
      images, for both data formats. They have the dtype of images. Differentiable to any order.

    Raises:
      ValueError: If an option or the dtype is not one of those allowed, or, in a graph, images have
        fewer than 4 axes or are too small.
      tf.errors.InvalidArgumentError: The same of images in eager mode, or where the graph did not
        know the shape.

    Example:
      >>> ramp = tf.reshape(tf.range(25.0), [1, 5, 5, 1])
      >>> gradops.image_gradients(ramp, scale="unit")[0, 2, 2, 0].numpy()
      array([5., 1.], dtype=float32)

    Source: docs/design.md; for the defaults tf.image.sobel_edges.
    """
    options = checks.options(stencil=stencil, border=border, scale=scale, data_format=data_format)
    with tf.name_scope(name or "image_gradients"):
        folded, leading = convert.folded_images("images", images)
        return leading.unfold_images(_backend.ops().image_gradients(folded, options))


def gradient_magnitude(
    images: TensorLike,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    response_epsilon: float | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """sqrt((S_y images)^2 + (S_x images)^2 + response_epsilon), in one fused pass.

    Args:
      images: Images [B, H, W, C] (channels_first: [B, C, H, W]), float16, bfloat16, float32 or
        float64. May have more leading axes than [B].
      stencil: See gradops.gradient_loss.
      border: See gradops.gradient_loss; with "valid", 0 where the stencil leaves the image.
      scale: See gradops.gradient_loss.
      response_epsilon: At least 0, the default: the derivative is 0 where the magnitude is.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().
      name: Name of the operation.

    Returns:
      Magnitudes, of the shape and dtype of images. Differentiable to any order.

    Raises:
      ValueError: As image_gradients, or if response_epsilon is negative or not finite.
      tf.errors.InvalidArgumentError: As image_gradients.

    Example:
      >>> ramp = tf.reshape(tf.range(25.0), [1, 5, 5, 1]) * [0.6]
      >>> gradops.gradient_magnitude(ramp, stencil="central")[0, 2, 2, 0].numpy().round(3)
      np.float32(6.119)

    Source: docs/design.md; with scale="unit", border="replicate" and response_epsilon=1e-6 that of
    kornia.filters.sobel.
    """
    options = checks.options(
        stencil=stencil,
        border=border,
        scale=scale,
        response_epsilon=response_epsilon,
        data_format=data_format,
    )
    with tf.name_scope(name or "gradient_magnitude"):
        folded, leading = convert.folded_images("images", images)
        return leading.unfold_images(_backend.ops().gradient_magnitude(folded, options))


def sobel_edges(images: TensorLike) -> tf.Tensor:
    """edges[..., 0] = S_y images, edges[..., 1] = S_x images: tf.image.sobel_edges, fused.

    Args:
      images: Images [B, H, W, C], float16, bfloat16, float32 or float64, H and W at least 2. May
        have more leading axes than [B].

    Returns:
      [B, H, W, C, 2]: the derivatives down the rows and along the columns by unscaled Sobel taps
      with a reflected border. Differentiable to any order.

    Raises:
      ValueError: If the dtype is not one of those, or, in a graph, images have fewer than 4 axes or
        are too small.
      tf.errors.InvalidArgumentError: The same of images in eager mode, or where the graph did not
        know the shape.

    Example:
      >>> ramp = tf.reshape(tf.range(25.0), [1, 5, 5, 1])
      >>> gradops.sobel_edges(ramp)[0, 2, 2, 0].numpy()
      array([40.,  8.], dtype=float32)

    Source: tensorflow/python/ops/image_ops_impl.py.
    """
    return image_gradients(images, data_format="channels_last", name="sobel_edges")


def residual_map(
    y_true: TensorLike | None,
    y_pred: TensorLike,
    *,
    stencil: str = "sobel",
    penalty: str = "l1",
    response: str = "component",
    border: str = "reflect",
    scale: str = "raw",
    epsilon: float | None = None,
    delta: float | None = None,
    alpha: float | None = None,
    response_epsilon: float | None = None,
    mask: MaskLike | None = None,
    channels: str = "mean",
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """map[b, h, w] = mean over channels of the sum over k of penalty(r_k) at each pixel.

    The residuals r_k are those of gradops.gradient_loss: the map shows where that loss comes from,
    for finding anomalies or artefacts. It is composed of TensorFlow's ops.

    Args:
      y_true: Target images, or None; see gradops.gradient_loss, as for all options below.
      y_pred: Predicted images [B, H, W, C] (channels_first: [B, C, H, W]), or with more leading
        axes.
      stencil: See gradops.gradient_loss.
      penalty: See gradops.gradient_loss.
      response: See gradops.gradient_loss.
      border: See gradops.gradient_loss.
      scale: See gradops.gradient_loss.
      epsilon: See gradops.gradient_loss.
      delta: See gradops.gradient_loss.
      alpha: See gradops.gradient_loss.
      response_epsilon: See gradops.gradient_loss.
      mask: See gradops.gradient_loss. Residuals that do not count are 0 in the map.
      channels: "mean" for the mean over channels, or "each" for a map of every channel.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().
      name: Name of the operation.

    Returns:
      [B, H, W], or for "each" the shape of y_pred; float64 for float64 images, else float32.
      Differentiable.

    Raises:
      ValueError: As gradops.gradient_loss, or if channels is unknown.
      tf.errors.InvalidArgumentError: As gradops.gradient_loss.

    Example:
      >>> target = tf.zeros([1, 5, 5, 1])
      >>> dot = tf.tensor_scatter_nd_add(target, [[0, 2, 2, 0]], [1.0])
      >>> gradops.residual_map(target, dot, stencil="central")[0, 2].numpy()
      array([0., 1., 0., 1., 0.], dtype=float32)

    Source: gradops.gradient_loss. Without a mask and for borders other than "valid" the map's mean
    is that loss, or twice that loss where it has two residuals at each pixel.
    """
    checks.choice("channels", channels, CHANNELS)
    options = checks.options(
        stencil=stencil,
        penalty=penalty,
        response=response,
        border=border,
        scale=scale,
        epsilon=epsilon,
        delta=delta,
        alpha=alpha,
        response_epsilon=response_epsilon,
        data_format=data_format,
    )
    with tf.name_scope(name or "residual_map"):
        inputs, leading = convert.inputs(y_true, y_pred, None, mask)
        residuals = _backend.composition().residual_map(inputs, options)
        if channels == "mean":
            channel_axis = AXES[options["data_format"]][2]
            residuals = tf.reduce_mean(residuals, axis=channel_axis)
        return leading.unfold_losses(residuals)
