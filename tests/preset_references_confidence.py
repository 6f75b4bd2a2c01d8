"""The loss of predicted confidences, as its papers and repositories define it.

Plain TensorFlow on float64 tensors [B, H, W, C]. Nothing is imported from gradops but what the
table of cases names.
"""

import numpy as np
import tensorflow as tf
from preset_references_depth import as_weights, by_example, clean, mask_of, total
from preset_tools import Case, combined

import gradops


def confidence_weighted(
    y_true,
    y_pred,
    confidence=None,
    pixel_weight=1.0,
    gradient_weight=1.0,
    gamma=1.0,
    alpha=0.2,
    delta=100.0,
    scales=4,
    log_pairs="valid",
    normalizer="image",
    mask=None,
):
    if confidence is None:
        y_pred, confidence = y_pred[..., :-1], y_pred[..., -1:]
    c = tf.reshape(confidence, [*y_pred.shape[:3], 1])
    # A pixel is valid if all of its channels are.
    m = tf.reduce_min(as_weights(mask, y_pred), axis=3, keepdims=True)
    everywhere = m * tf.ones_like(y_pred)
    d = everywhere * (clean(y_pred, everywhere) - clean(y_true, everywhere))
    if log_pairs == "valid":
        c = clean(c, m, 1.0)

    # The length of d, whose slope at 0 is taken to be 0.
    squares = tf.reduce_sum(d * d, axis=3, keepdims=True)
    length = tf.where(squares > 0, tf.sqrt(tf.where(squares > 0, squares, 1.0)), 0.0)
    pixels = gamma * c * length - alpha * tf.math.log(c)
    losses = pixel_weight * by_example(total(pixels * m), total(m), normalizer)

    for s in range(scales):
        d_s, m_s, c_s = (x[:, :: 2**s, :: 2**s] for x in (d, m, c))
        sums = 0.0
        for d1, d0, m1, m0, later in (
            (d_s[:, 1:], d_s[:, :-1], m_s[:, 1:], m_s[:, :-1], c_s[:, 1:]),
            (d_s[:, :, 1:], d_s[:, :, :-1], m_s[:, :, 1:], m_s[:, :, :-1], c_s[:, :, 1:]),
        ):
            truncated = tf.clip_by_value(m1 * m0 * tf.abs(d1 - d0), 0, delta)
            logs = tf.math.log(later) * tf.ones_like(d1)
            if log_pairs == "valid":
                logs *= m1 * m0
            sums += total(gamma * truncated * later - alpha * logs)
        count = total(m_s * tf.ones_like(d_s))
        losses += gradient_weight / scales * by_example(sums, count, normalizer)
    return losses


def stacked(rng, every):
    """Predictions whose last channel is the confidence; a mask hides both of them and targets."""
    shapes = [(2, 19, 22, 1), (3, 9, 25, 3), (1, 17, 10, 2)]
    kinds = [None, "one channel", "all channels", "empty"]
    choices = [
        {},
        {"normalizer": "batch", "delta": 0.5, "gamma": 0.7},
        {"pixel_weight": 0.0, "alpha": 1.5, "scales": 2},
        {"gradient_weight": 0.0, "normalizer": "batch"},
        {"gradient_weight": 2.0, "pixel_weight": 0.5, "log_pairs": "all"},
        {"normalizer": "batch", "log_pairs": "all", "scales": 3},
    ]
    for shape, kind, options in combined(every, shapes, kinds, choices):
        target, prediction = rng.standard_normal((2, *shape))
        confidence = 0.2 + rng.gamma(2.0, size=(*shape[:3], 1))
        mask = mask_of(rng, shape, kind)
        if mask is not None:
            target = np.where(mask, target, np.nan)
            prediction = np.where(mask, prediction, np.inf)
            if options.get("log_pairs") != "all":
                valid = mask.all(axis=3, keepdims=True)
                confidence = np.where(valid, confidence, [np.nan, 0.0, -1.0][len(options) % 3])
            options = {**options, "mask": mask}
        yield target, np.concatenate([prediction, confidence], axis=3), options


PRESETS = {
    "confidence_weighted": Case(
        gradops.presets.confidence_weighted,
        confidence_weighted,
        "facebookresearch/vggt, loss.py; naver/dust3r, losses.py",
        "partly fused",
        stacked,
    ),
}
