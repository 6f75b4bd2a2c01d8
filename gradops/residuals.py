"""Where two images' gradients differ."""

from __future__ import annotations

import tensorflow as tf

from gradops import _backend
from gradops._inputs import checks, convert
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.tensors import AXES

CHANNELS = ("mean", "each")


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
