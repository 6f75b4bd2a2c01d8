"""The loss, its gradient and its sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from gradops.composite import checks
from gradops.composite.problem import NORMALIZERS, Problem
from gradops.composite.scales import loss_over_scales

REDUCTIONS = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "none": tf.identity}


def gradient_loss(
    y_true,
    y_pred,
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
    weights=None,
    mask=None,
    normalizer: str = "residuals",
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """L_b = sum of w rho(r) / D_b over the counted residuals r of example b.

    Args:
        y_true: Targets t, [B, H, W, C] or [B, C, H, W]; cast to the dtype of y_pred. None: 0.
        y_pred: Predictions p, same shape, float16, bfloat16, float32 or float64.
        stencil: One of `STENCILS`.
        penalty: rho, one of `PENALTIES`.
        response: What is compared, one of `RESPONSES`.
        border: One of `BORDERS`.
        scale: One of `SCALES`.
        epsilon: Of the penalties charbonnier (default 1e-3) and log (0.5), > 0.
        delta: Of the penalty huber (default 1), > 0.
        alpha: Of the penalty power (default 2), >= 1.
        response_epsilon: Of the responses magnitude (default 0) and direction (1e-6), >= 0.
        weights: w, the shape of y_pred or that with one channel, >= 0; not differentiable.
        mask: Valid pixels, bool, the shape of y_pred or that with one channel. A residual that
            reads an invalid pixel does not count.
        normalizer: D_b, one of `NORMALIZERS`: the weights of the counted residuals, of all valid
            pixels and channels, or the former's mean over the batch. Where D_b = 0 the loss is 0.
        scales: Of how many levels the loss is the weighted sum, each half as high and wide as the
            one before.
        downsample: How they are made, one of `DOWNSAMPLES`.
        scale_weights: The weights of the levels, or None for 1 each.
        data_format: One of `DATA_FORMATS`, or None for `keras.config.image_data_format()`.
        name: Name scope of the ops.

    Returns:
        One loss per example, [B]: float64 for float64 images, else float32.

    Raises:
        ValueError: An unknown option, a parameter that is not the penalty's or response's or not
            in its range, another dtype; in a graph, as far as it knows, a rank other than 4, shapes
            that do not fit, too small a size.
        tf.errors.InvalidArgumentError: Such shapes and negative weights in eager mode, or when the
            graph runs (not under XLA, which drops assertions).
        NotImplementedError: The gradient by weights, in eager mode.
    """
    checks.check_option("normalizer", normalizer, NORMALIZERS)
    options: dict[str, Any] = dict(
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

    def loss_of_level(y_true, y_pred, weights, mask) -> tf.Tensor:
        return _loss(Problem(y_true, y_pred, weights=weights, mask=mask, **options), normalizer)

    with tf.name_scope(name or "gradient_loss"):
        return loss_over_scales(
            loss_of_level,
            y_true,
            y_pred,
            weights,
            mask,
            scales=scales,
            downsample=downsample,
            scale_weights=scale_weights,
            data_format=data_format,
        )


def _loss(problem: Problem, normalizer: str) -> tf.Tensor:
    if problem.is_difference_of_sobel_edges():
        mean = problem.mean_of_sobel_edges()
        return 2 * mean if normalizer == "pixels" else mean
    divisor = NORMALIZERS[normalizer](problem)
    # Weights that are all 0 make the loss and the gradient 0, also those of a NaN.
    sums = problem.sums(divisor > 0 if problem.has_weights() else None)
    return tf.math.divide_no_nan(tf.reduce_sum(sums, axis=1), divisor)


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
    epsilon: float | None = None,
    delta: float | None = None,
    alpha: float | None = None,
    response_epsilon: float | None = None,
    weights=None,
    mask=None,
    normalizer: str = "residuals",
    scales: int = 1,
    downsample: str = "stride",
    scale_weights: Sequence[float] | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """(R(L), dR(L)/dp) with R the reduction over examples, through tf.GradientTape.

    Args:
        y_true: See `gradient_loss`, as for every argument below but the reduction.
        y_pred: Predictions p.
        reduction: "mean" or "sum" over the examples; with "none" the loss is [B] and each
            example's gradient is that of its own loss.
        stencil: One of `STENCILS`.
        penalty: One of `PENALTIES`.
        response: One of `RESPONSES`.
        border: One of `BORDERS`.
        scale: One of `SCALES`.
        epsilon: Of the penalties charbonnier and log.
        delta: Of the penalty huber.
        alpha: Of the penalty power.
        response_epsilon: Of the responses magnitude and direction.
        weights: w.
        mask: Valid pixels.
        normalizer: One of `NORMALIZERS`.
        scales: Of how many levels.
        downsample: One of `DOWNSAMPLES`.
        scale_weights: The weights of the levels, or None.
        data_format: One of `DATA_FORMATS`, or None.
        name: Name scope of the ops.

    Returns:
        The loss, a scalar (or [B] for "none"), and the gradient, of the shape and dtype of y_pred.
        The mean over no examples (B = 0) is NaN, as tf.reduce_mean's.

    Raises:
        ValueError: As `gradient_loss`, or an unknown reduction.
    """
    checks.check_option("reduction", reduction, REDUCTIONS)
    y_pred = tf.convert_to_tensor(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = gradient_loss(
            y_true,
            y_pred,
            normalizer=normalizer,
            scales=scales,
            downsample=downsample,
            scale_weights=scale_weights,
            name=name,
            stencil=stencil,
            penalty=penalty,
            response=response,
            border=border,
            scale=scale,
            epsilon=epsilon,
            delta=delta,
            alpha=alpha,
            response_epsilon=response_epsilon,
            weights=weights,
            mask=mask,
            data_format=data_format,
        )
        loss = REDUCTIONS[reduction](losses)
    return loss, tape.gradient(loss, y_pred)


def gradient_sums(
    y_true,
    y_pred,
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
    weights=None,
    mask=None,
    data_format: str | None = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """(sum of w rho(r), sum of w) over the counted residuals r of each example and axis.

    Args:
        y_true: See `gradient_loss`, as for every argument below.
        y_pred: Predictions p.
        stencil: One of `STENCILS`.
        penalty: One of `PENALTIES`.
        response: One of `RESPONSES`.
        border: One of `BORDERS`.
        scale: One of `SCALES`.
        epsilon: Of the penalties charbonnier and log.
        delta: Of the penalty huber.
        alpha: Of the penalty power.
        response_epsilon: Of the responses magnitude and direction.
        weights: w.
        mask: Valid pixels.
        data_format: One of `DATA_FORMATS`, or None.
        name: Name scope of the ops.

    Returns:
        Sums and counts, [B, K] in the dtype of the loss: K = 2, for (gy, gx), with the responses
        component and absolute, K = 1 with the others. Counts are not differentiable.

    Raises:
        ValueError: As `gradient_loss`.
    """
    with tf.name_scope(name or "gradient_sums"):
        problem = Problem(
            y_true,
            y_pred,
            stencil=stencil,
            penalty=penalty,
            response=response,
            border=border,
            scale=scale,
            epsilon=epsilon,
            delta=delta,
            alpha=alpha,
            response_epsilon=response_epsilon,
            weights=weights,
            mask=mask,
            data_format=data_format,
        )
        return problem.sums(), problem.counts()
