"""The loss of models that predict a confidence with their depth or points: DUSt3R and VGGT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from gradops import _scales, functional
from gradops._inputs import checks, convert
from gradops._inputs.convert import MaskLike, TensorLike
from gradops._inputs.leading import check_rank
from gradops._inputs.tensors import AXES, loss_dtype, shape_error, shape_text
from gradops.presets import _images
from gradops.presets._keras import PresetLoss

#: Which pairs have a logarithm in the gradient term.
LOG_PAIRS = ("valid", "all")
#: The axis of channels, from the last one, in images of any rank.
_CHANNELS = {"channels_last": -1, "channels_first": -3}


def confidence_weighted(
    y_true: TensorLike,
    y_pred: TensorLike,
    confidence: TensorLike | None = None,
    *,
    pixel_weight: float = 1.0,
    gradient_weight: float = 1.0,
    gamma: float = 1.0,
    alpha: float = 0.2,
    delta: float = 100.0,
    scales: int = 4,
    log_pairs: str = "valid",
    normalizer: str = "image",
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = a mean (g c |D| - h log c) + b mean_s (sum (g c |D'| / C - h log c) / M_s).

    D = y_pred - y_true, |D| its length over the C channels, c the confidence; a, b, g and h are
    pixel_weight, gradient_weight, gamma and alpha. The first mean is over the valid pixels. In the
    second term, level s = 0, 1, ... is every 2^s-th row and column, and the sum is over pairs of
    neighbours, one below or to the right of the other: |D'| is the sum over the channels of
    min(|D(later) - D(earlier)|, delta), and c is that of the later pixel. M_s is the number of
    valid pixels. The differences of all levels are one fused loss (with a mask and normalizer
    "batch", one per level), and logarithms and the first term are TensorFlow's ops.

    Args:
      y_true: Target depth or points [B, H, W, C] (channels_first: [B, C, H, W]).
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64. If confidence is
        None, they have one more channel, the last, which is the confidence.
      confidence: c, [B, H, W] or [B, H, W, 1] (channels_first: [B, 1, H, W]), above 0 at every
        valid pixel, such as 1 + exp(x) of a network's output x. Differentiable.
      pixel_weight: a, at least 0.
      gradient_weight: b, at least 0. With 0 this is DUSt3R's loss.
      gamma: g, at least 0.
      alpha: h, at least 0. With 0 the best confidence is 0.
      delta: Where differences are truncated, above 0; their slope is 0 from there on.
      scales: The number of levels, 1 to 16; the smallest must have 2 rows and columns.
      log_pairs: "valid": the sum of the logarithms is over pairs whose two pixels are valid, as
        that of the differences. "all": it is over all pairs, as in VGGT, and c must be above 0
        everywhere. That rewards confidence where nothing is known, without bound.
      normalizer: "image": the mean over the valid pixels, and M_s, are those of each image.
        "batch": they divide by the mean number of them over the batch, so that the mean of the
        losses is a sum over the batch divided by a count over the batch, as in VGGT.
      mask: True where a pixel is valid, bool, with one channel or the shape of y_true, where a
        pixel is valid if all of its channels are. Others are not read and may be NaN.
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32; 0 for images without valid pixels. They
      may be negative.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or are too
        small.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them; if a confidence that is used is not above 0. (Under XLA, which drops assertions,
        the loss of the example is NaN then.)

    Example:
      >>> depth = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> loss = gradops.presets.confidence_weighted
      >>> loss(depth, 2 * depth, tf.ones([1, 4, 4]), gradient_weight=0).numpy()
      array([7.5], dtype=float32)
      >>> loss(depth, 2 * depth, tf.ones([1, 4, 4]), pixel_weight=0, scales=1).numpy()
      array([3.75], dtype=float32)

    Source: Wang et al., VGGT, CVPR 2025; facebookresearch/vggt, training/loss.py (regression_loss
    and gradient_loss, which it calls with confidences if gradient_loss_fn contains "conf"). The
    first term is that of Wang et al., DUSt3R, CVPR 2024; naver/dust3r, losses.py (ConfLoss), after
    Kendall and Gal 2017.
    """
    pixel_weight = checks.bounded("pixel_weight", pixel_weight, 0)
    gradient_weight = checks.bounded("gradient_weight", gradient_weight, 0)
    if pixel_weight == gradient_weight == 0:
        raise ValueError("one of pixel_weight and gradient_weight must be above 0, got 0 for both")
    gamma = checks.bounded("gamma", gamma, 0)
    alpha = checks.bounded("alpha", alpha, 0)
    delta = checks.bounded("delta", delta, 0, is_open=True)
    _scales.check(scales, "stride", None)
    checks.choice("log_pairs", log_pairs, LOG_PAIRS)
    checks.choice("normalizer", normalizer, _images.NORMALIZERS)
    data_format = _images.layout(data_format)
    with tf.name_scope("confidence_weighted"):
        _images.check_target(y_true)
        y_true, y_pred = convert.tensor("y_true", y_true), convert.images("y_pred", y_pred)
        check_rank("y_pred", y_pred)
        if confidence is None:
            y_pred, confidence = _split(y_true, y_pred, data_format)
        given = _images.pair(y_true, y_pred, mask, data_format)
        dtype = loss_dtype(given.y_pred.dtype)
        c = convert.real("confidence", confidence, dtype, given.leading.rank)
        c = _images.map_of("confidence", c, given)
        is_used_everywhere = log_pairs == "all" and gradient_weight > 0
        if given.mask is not None:
            valid = tf.reduce_all(given.mask, axis=AXES[data_format][2], keepdims=True)
            given = given._replace(mask=valid)
            if not is_used_everywhere:
                c = tf.where(valid, c, tf.ones_like(c))
        where = "every pixel" if is_used_everywhere else "every valid pixel"
        logs = _images.logarithm("confidence", c, where)
        c = tf.where(c > 0, c, tf.ones_like(c))  # under XLA a loss with another is NaN by its log
        terms = []
        if pixel_weight:
            values = gamma * c * _lengths(given) - alpha * logs
            sums = _images.total(values, given.mask)
            pixels = _images.total(tf.ones_like(values), given.mask)
            terms.append(pixel_weight * _images.by_example(sums, pixels, normalizer))
        if gradient_weight:
            weight = gradient_weight / scales
            options: dict[str, Any] = dict(scales=scales, normalizer=normalizer)
            terms.append(_differences(given, c, weight * gamma, delta, **options))
            of_pairs = given.mask if log_pairs == "valid" else None
            terms.append(-weight * alpha * _logarithms(given, logs, of_pairs, **options))
        return given.losses(tf.add_n(terms))


class ConfidenceWeightedLoss(PresetLoss):
    """loss_b = a mean (g c |D| - h log c) + b mean_s (sum (g c |D'| / C - h log c) / M_s).

    The Keras form of gradops.presets.confidence_weighted without the argument confidence: y_pred
    has one channel more than y_true, the last, which is c.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: pixel_weight, gradient_weight, gamma, alpha, delta, scales, log_pairs, normalizer
        and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> loss = gradops.presets.ConfidenceWeightedLoss(alpha=0.1, mask="finite")
      >>> depth, confidence = tf.random.uniform([2, 16, 16, 1]), tf.ones([2, 16, 16, 1])
      >>> loss(depth, tf.concat([depth, confidence], -1)).numpy()
      np.float32(0.0)

    Source: gradops.presets.confidence_weighted.
    """

    function = staticmethod(confidence_weighted)


def _split(y_true: tf.Tensor, y_pred: tf.Tensor, data_format: str) -> tuple[tf.Tensor, tf.Tensor]:
    """The predictions without their last channel, and that channel."""
    axis = _CHANNELS[data_format]
    shapes = [x.shape for x in (y_true, y_pred)]
    if all(shape.rank is not None and shape.rank >= -axis for shape in shapes):
        target, predicted = (shape[axis] for shape in shapes)
        if None not in (target, predicted) and predicted != target + 1:
            both = " and ".join(map(shape_text, shapes[::-1]))
            raise shape_error(
                f"y_pred must have one channel more than y_true, the confidence, got {both}"
            )
    after = (slice(None),) * (-axis - 1)
    return y_pred[(..., slice(-1), *after)], y_pred[(..., slice(-1, None), *after)]


def _lengths(given: _images.Pair) -> tf.Tensor:
    """|y_pred - y_true| over the channels, [B, H, W, 1], with slope 0 at 0."""
    true, predicted = given.widened().hidden(0.0)
    channels = AXES[given.data_format][2]
    if predicted.shape[channels] == 1:
        return tf.abs(predicted - true)
    return _images.root(tf.reduce_sum(tf.square(predicted - true), axis=channels, keepdims=True))


def _differences(
    given: _images.Pair,
    c: tf.Tensor,
    weight: float,
    delta: float,
    *,
    scales: int,
    normalizer: str,
) -> tf.Tensor:
    """Weighted: sum_s (sum over pairs of c |D'| / C) / M_s, [B]."""
    options: dict[str, Any] = dict(
        stencil="backward",  # its residuals are centred at the later pixel, whose c counts
        border="valid",
        penalty="truncated",
        delta=delta,
        normalizer="pixel_count",
        data_format=given.data_format,
    )
    if normalizer == "image" or given.mask is None:
        options |= dict(scales=scales, scale_weights=[weight] * scales)
        return functional.gradient_loss(*given.images(), weights=c, mask=given.mask, **options)
    _images.check_levels(given, scales, 2)
    terms = []
    for *images, valid, weights in _images.levels([*given[:3], c], scales, given.data_format):
        losses = functional.gradient_loss(*images, weights=weights, mask=valid, **options)
        pixels = _images.total(tf.ones_like(weights), valid)
        terms.append(_images.by_example(losses * pixels, pixels, normalizer))
    return weight * tf.add_n(terms)


def _logarithms(
    given: _images.Pair,
    logs: tf.Tensor,
    of_pairs: tf.Tensor | None,
    *,
    scales: int,
    normalizer: str,
) -> tf.Tensor:
    """sum_s (sum over pairs of log c) / M_s, [B]. Both pixels of a pair are in the map of_pairs."""
    terms = []
    maps = logs, given.mask, of_pairs
    for level, counted, pairs in _images.levels(maps, scales, given.data_format):
        sums = 0.0
        for later, earlier in _neighbours(given.data_format):
            both = None if pairs is None else pairs[later] & pairs[earlier]
            sums += _images.total(level[later], both)
        pixels = _images.total(tf.ones_like(level), counted)
        terms.append(_images.by_example(sums, pixels, normalizer))
    return tf.add_n(terms)


def _neighbours(data_format: str) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """The indices of the later and of the earlier pixels of all pairs: vertical, horizontal."""
    every, later, earlier = slice(None), slice(1, None), slice(-1)
    for rows_columns in (((later, every), (earlier, every)), ((every, later), (every, earlier))):
        one, other = (_images.along(data_format, *part) for part in rows_columns)
        yield one, other
