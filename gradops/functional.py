"""The loss as functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from gradops import _backend, _scales
from gradops._inputs import checks, convert
from gradops._inputs.convert import MaskLike, TensorLike

REDUCTIONS = ("mean", "sum", "none")


def gradient_loss(
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
    weights: TensorLike | None = None,
    mask: MaskLike | None = None,
    normalizer: str = "residuals",
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """loss_b = sum_i w_i penalty(r_i) / D_b over the residuals r_i of example b.

    The residuals compare the stencil's derivatives of y_pred and y_true, down the rows and along
    the columns, at every pixel and channel. One fused pass over memory finds the loss and, where a
    GradientTape watches y_pred, its gradient: a training step reads the two images and writes the
    gradient.

    Args:
      y_true: Target images [B, H, W, C] (channels_first: [B, C, H, W]) of any real dtype. Images
        of different dtypes are compared in float64 if either is float64, else in float32. None
        stands for images of zeros: total variation and other penalties of one image.
      y_pred: Predicted images of the same shape, float16, bfloat16, float32 or float64. Images may
        have more leading axes than [B], such as [B, T] for videos; results have them in place of
        [B]. (If a graph does not know the rank, it must be 4.)
      stencil: "sobel", "scharr", "prewitt", "central" (the difference of the two neighbours),
        "forward" (the next pixel minus this one), "backward" (this pixel minus the one before), or
        second differences: "laplace" and "laplace8", whose gy + gx (response "sum") are the
        Laplacians of 4 and of 8 neighbours.
      penalty: rho(r): "l1" |r|, "l2" r^2, "charbonnier" sqrt(r^2 + epsilon^2), "huber" r^2 / 2 up
        to |r| = delta and linear from there, "log" log(1 + |r| / epsilon), "power" |r|^alpha,
        "truncated" min(|r|, delta), whose slope is 0 from |r| = delta on. The slope of |r| at 0
        is 0.
      response: What is compared of the gradients g = (gy, gx). "component": gy and gx separately.
        "magnitude": sqrt(gy^2 + gx^2 + response_epsilon). "absolute": |gy| and |gx|. "direction":
        1 - cos of the angle between the two gradients, 0 where either is shorter than
        response_epsilon. "normal": |n - n'|^2 / 2 of the unit surface normals (-gx, -gy, 1).
        "sum": gy + gx, in one residual.
      border: What the stencil sees outside of the image: "reflect" (as tf.image.sobel_edges),
        "replicate", "zero" or "circular". "valid" drops residuals that would read there.
      scale: "raw", the taps as they are, or "unit", divided so that a ramp of slope 1 has
        gradient 1 (or i^2 / 2 second difference 1).
      epsilon: For charbonnier (default 1e-3) and log (default 0.5), above 0.
      delta: For huber and truncated (default 1), above 0.
      alpha: For power (default 2), at least 1.
      response_epsilon: For magnitude (default 0) and direction (default 1e-6), at least 0.
      weights: w, non-negative, [B, H, W, 1] or [B, H, W, C] (channels_first: [B, 1, H, W] or
        [B, C, H, W]): the weights of the residuals centred at each pixel. A residual of weight 0
        does not count, whatever the images hold there. The largest weight of each example must be 0
        or from 1e-30 to 1e19 (float64: 1e-290 to 1e150). Differentiable. For learned weights use
        normalizer "residual_count" or "pixel_count": the others divide by the sum of the weights,
        so the loss would not depend on their overall size. At a weight of 0 the derivative is 0 if
        its residuals are NaN or infinite.
      mask: True where a pixel is valid, in the same shapes. Invalid pixels are not read and may be
        NaN. Residuals that depend on one are dropped.
      normalizer: D_b: "residuals", the sum of the weights of the residuals that were not dropped;
        "pixels", the sum of the weights of all valid pixels and channels; "batch", the mean over
        the batch of the first, so that the mean of the losses is the mean of all residuals of the
        batch; "residual_count" and "pixel_count", the numbers of those residuals and of those
        pixels and channels, counting weights of 0 too: for learned weights. Where D_b is 0, the
        loss is 0.
      scales: The number of levels, 1 to 16: the loss is sum_s w_s L_b(level s), where level 0 is
        the images and each further one is half as high and wide.
      downsample: How a level is made from the one before: "stride", every second row and column,
        beginning with the first (also of weights and mask), or "average", the means of 2 x 2 pixels
        without the last row or column of an odd size (also of weights; a mean is valid if its four
        pixels are).
      scale_weights: w_s, one number of at least 0 per level; None means 1 for each.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().
      name: Name of the operation.

    Returns:
      Per-example losses [B], float64 for a float64 y_pred, else float32. Twice differentiable with
      respect to both images, and differentiable with respect to weights; gradients have the dtype
      of their image.

    Raises:
      ValueError: If an option or parameter is not one of those listed, a dtype does not fit, or, in
        a graph, ranks or shapes do not match or H or W is too small (for all scales).
      tf.errors.InvalidArgumentError: If ranks or shapes do not match or H or W is too small, in
        eager mode or where the graph did not know the shape; if a weight is negative or NaN, or the
        largest weight of an example is out of range.

    Example:
      >>> target = tf.reshape(tf.range(32.0), [2, 4, 4, 1])
      >>> gradops.gradient_loss(target, target * 2).numpy()
      array([10., 10.], dtype=float32)
      >>> gradops.gradient_loss(None, target, stencil="forward", border="valid").numpy()
      array([2.5, 2.5], dtype=float32)
      >>> gradops.gradient_loss(target[None], target[None] * 2).shape  # a video of two images
      TensorShape([1, 2])

    Source: for the defaults |tf.image.sobel_edges(y_pred) - tf.image.sobel_edges(y_true)|. The
    other options are defined in docs/design.md.
    """
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
        normalizer=normalizer,
        data_format=data_format,
    )
    levels = _scales.check(scales, downsample, scale_weights)
    with tf.name_scope(name or "gradient_loss"):
        inputs, leading = convert.inputs(y_true, y_pred, weights, mask)
        return leading.unfold_losses(_scales.loss(inputs, options, levels))


def value_and_gradient(
    y_true: TensorLike | None,
    y_pred: TensorLike,
    *,
    reduction: str = "mean",
    stencil: str = "sobel",
    penalty: str = "l1",
    response: str = "component",
    border: str = "reflect",
    scale: str = "raw",
    epsilon: float | None = None,
    delta: float | None = None,
    alpha: float | None = None,
    response_epsilon: float | None = None,
    weights: TensorLike | None = None,
    mask: MaskLike | None = None,
    normalizer: str = "residuals",
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """(loss, d loss / d y_pred) in one fused pass, without a tape.

    With loss_b of gradient_loss, the loss is mean_b loss_b ("mean"), sum_b loss_b ("sum") or the
    [B] losses ("none", with the gradient of their sum).

    Args:
      y_true: Target images, or None; see gradient_loss, as for all options below.
      y_pred: Predicted images.
      reduction: "mean", "sum" or "none".
      stencil: See gradient_loss.
      penalty: See gradient_loss.
      response: See gradient_loss.
      border: See gradient_loss.
      scale: See gradient_loss.
      epsilon: See gradient_loss.
      delta: See gradient_loss.
      alpha: See gradient_loss.
      response_epsilon: See gradient_loss.
      weights: See gradient_loss.
      mask: See gradient_loss.
      normalizer: See gradient_loss.
      scales: See gradient_loss.
      downsample: See gradient_loss.
      scale_weights: See gradient_loss.
      data_format: See gradient_loss.
      name: Name of the operation.

    Returns:
      The loss, a scalar or [B], and its gradient, of the shape and dtype of y_pred. Both are
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
    checks.choice("reduction", reduction, REDUCTIONS)
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
        normalizer=normalizer,
        data_format=data_format,
    )
    levels = _scales.check(scales, downsample, scale_weights)
    with tf.name_scope(name or "value_and_gradient"):
        inputs, leading = convert.inputs(y_true, y_pred, weights, mask)
        losses, gradient = _scales.value_and_gradient(inputs, reduction, options, levels)
        losses = leading.unfold_losses(losses)
        gradient = leading.unfold_images(gradient)
        reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "none": tf.identity}[reduction]
        return reduce(losses), gradient


def gradient_sums(
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
    weights: TensorLike | None = None,
    mask: MaskLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """sums[b, k] = sum_i w_i penalty(r_i), counts[b, k] = sum_i w_i over the residuals of axis k.

    The parts of gradient_loss, for losses with other divisors.

    Args:
      y_true: Target images, or None; see gradient_loss, as for all options below.
      y_pred: Predicted images.
      stencil: See gradient_loss.
      penalty: See gradient_loss.
      response: See gradient_loss.
      border: See gradient_loss.
      scale: See gradient_loss.
      epsilon: See gradient_loss.
      delta: See gradient_loss.
      alpha: See gradient_loss.
      response_epsilon: See gradient_loss.
      weights: See gradient_loss.
      mask: See gradient_loss.
      data_format: See gradient_loss.
      name: Name of the operation.

    Returns:
      sums and counts, both [B, 2], down the rows (k = 0) and along the columns (k = 1); [B, 1] for
      the responses "magnitude", "direction", "normal" and "sum", which have one residual. float64
      for float64 images, else float32. The sums are differentiable, and with respect to weights
      both are.

    Raises:
      ValueError: As gradient_loss.
      tf.errors.InvalidArgumentError: As gradient_loss.

    Example:
      >>> ramp = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> sums, counts = gradops.gradient_sums(None, ramp, stencil="forward", border="valid")
      >>> (sums / counts).numpy()
      array([[4., 1.]], dtype=float32)

    Source: gradient_loss.
    """
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
    options = {**options, "normalizer": checks.SUMS}
    with tf.name_scope(name or "gradient_sums"):
        inputs, leading = convert.inputs(y_true, y_pred, weights, mask)
        sums, counts = _backend.ops().sums(inputs, options)
        return leading.unfold_losses(sums), leading.unfold_losses(counts)
