"""Losses of depth as their papers and repositories define them.

Plain TensorFlow on float64 tensors [B, H, W, C]: slices, tf.pad and convolutions with typed taps.
Nothing is imported from gradops but what the table of cases names.
"""

import numpy as np
import tensorflow as tf
from preset_tools import STEEPNESS, Case, combined

import gradops

AWKWARD = [(2, 37, 34, 1), (3, 33, 41, 3), (1, 64, 35, 1)]
SMALL = [(2, 2, 7, 3), (3, 9, 2, 1), (2, 13, 8, 2)]


def by_example(sums, counts, normalizer, epsilon=0.0):
    """The quotient of each example, or that of the batch, times B and shared out; 0 of nothing."""
    if normalizer == "batch":
        counts = tf.ones_like(counts) * tf.reduce_sum(counts)
        sums = len(counts) * sums
    return tf.where(counts > 0, sums / (tf.maximum(counts, 1.0) + epsilon), 0.0)


def total(values):
    return tf.reduce_sum(values, axis=[1, 2, 3])


def as_weights(mask, images):
    if mask is None:
        return tf.ones_like(images)
    return tf.cast(tf.broadcast_to(mask, images.shape), "float64")


def clean(images, weights, value=0.0):
    """The images without what is masked, which may be NaN."""
    return tf.where(weights > 0, images, tf.constant(value, "float64"))


def matching(difference, weights, gap):
    """Sums of |D(i + gap) - D(i)| over pairs of valid pixels, and how many there are."""
    down = tf.abs(difference[:, gap:] - difference[:, :-gap])
    along = tf.abs(difference[:, :, gap:] - difference[:, :, :-gap])
    valid_down = weights[:, gap:] * weights[:, :-gap]
    valid_along = weights[:, :, gap:] * weights[:, :, :-gap]
    sums = total(down * valid_down) + total(along * valid_along)
    return sums, total(valid_down) + total(valid_along)


def align(y_true, y_pred, mask=None):
    """Scale and shift by the normal equations, with their determinant."""
    m = as_weights(mask, y_pred)
    p, t = clean(y_pred, m), clean(y_true, m)
    a00, a01, a11 = total(m * p * p), total(m * p), total(m)
    b0, b1 = total(m * p * t), total(m * t)
    determinant = a00 * a11 - a01 * a01
    scale = tf.math.divide_no_nan(a11 * b0 - a01 * b1, determinant)
    shift = tf.math.divide_no_nan(a00 * b1 - a01 * b0, determinant)
    return scale, shift


def dense_depth(y_true, y_pred, mask=None):
    m = as_weights(mask, y_pred)
    d = clean(y_pred, m) - clean(y_true, m)
    down = tf.pad((d[:, 1:] - d[:, :-1]) * m[:, 1:] * m[:, :-1], [[0, 0], [0, 1], [0, 0], [0, 0]])
    along = (d[:, :, 1:] - d[:, :, :-1]) * m[:, :, 1:] * m[:, :, :-1]
    along = tf.pad(along, [[0, 0], [0, 0], [0, 1], [0, 0]])
    return by_example(total(tf.abs(down) + tf.abs(along)), total(m), "image")


def midas(y_true, y_pred, scales=4, normalizer="image", align_first=False, mask=None):
    m = as_weights(mask, y_pred)
    if align_first:
        scale, shift = align(y_true, y_pred, mask)
        y_pred = y_pred * scale[:, None, None, None] + shift[:, None, None, None]
    d = m * (clean(y_pred, m) - clean(y_true, m))
    losses = 0.0
    for s in range(scales):
        valid = m[:, :: 2**s, :: 2**s]
        sums, _ = matching(d[:, :: 2**s, :: 2**s], valid, 1)
        losses += by_example(sums, total(valid), normalizer)
    return losses


def megadepth(y_true, y_pred, scales=5, prediction="depth", normalizer="image", mask=None):
    m = as_weights(mask, y_pred)
    p = clean(y_pred, m, 1.0)
    d = (tf.math.log(p) if prediction == "depth" else p) - tf.math.log(clean(y_true, m, 1.0))
    losses = 0.0
    for s in range(scales):
        sums, counts = matching(d[:, :: 2**s, :: 2**s], m[:, :: 2**s, :: 2**s], 2)
        losses += by_example(sums, counts, normalizer, 1e-6)
    return losses


def sobel(images, taps):
    """A 3 x 3 correlation of each channel, zeros outside."""
    filters = tf.tile(tf.constant(taps, "float64")[:, :, None, None], [1, 1, images.shape[3], 1])
    return tf.nn.depthwise_conv2d(images, filters, [1] * 4, "SAME")


SOBEL_X = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SOBEL_Y = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]


def hu(
    y_true,
    y_pred,
    depth_weight=1.0,
    gradient_weight=1.0,
    normal_weight=1.0,
    epsilon=0.5,
    mask=None,
):
    m = as_weights(mask, y_pred)
    p, t = clean(y_pred, m), clean(y_true, m)
    px, tx, py, ty = (sobel(x, taps) for taps in (SOBEL_X, SOBEL_Y) for x in (p, t))
    # A derivative counts if no tap other than 0 meets an invalid pixel.
    spoilt_x, spoilt_y = (sobel(1 - m, np.abs(taps)) for taps in (SOBEL_X, SOBEL_Y))
    good_x, good_y = (tf.cast(spoilt == 0, "float64") for spoilt in (spoilt_x, spoilt_y))

    def mean_log(difference, good):
        return mean(tf.math.log(tf.abs(difference) + epsilon), good)

    def mean(values, good):
        return by_example(total(values * good), total(good), "image")

    dot = px * tx + py * ty + 1
    cosine = dot / tf.sqrt((px**2 + py**2 + 1) * (tx**2 + ty**2 + 1))
    return (
        depth_weight * mean_log(p - t, m)
        + gradient_weight * (mean_log(px - tx, good_x) + mean_log(py - ty, good_y))
        + normal_weight * mean(tf.abs(1 - cosine), good_x * good_y)
    )


def zoedepth(y_true, y_pred, direction="atan", normalizer="image", mask=None):
    m = as_weights(mask, y_pred)
    good = m[:, 1:, 1:] * m[:, 1:, :-1] * m[:, :-1, 1:]

    def gradients(images):
        images = clean(images, m)
        inner = images[:, 1:, 1:]
        return inner - images[:, 1:, :-1], inner - images[:, :-1, 1:]

    (px, py), (tx, ty) = gradients(y_pred), gradients(y_true)
    terms = tf.abs(px**2 + py**2 - (tx**2 + ty**2))
    if direction == "atan":
        terms += tf.abs(tf.atan(py / (px + 1e-10)) - tf.atan(ty / (tx + 1e-10)))
    if direction == "stable":
        lengths = tf.sqrt(px**2 + py**2), tf.sqrt(tx**2 + ty**2)
        some = (lengths[0] >= 1e-6) & (lengths[1] >= 1e-6)
        product = tf.where(some, lengths[0] * lengths[1], tf.ones_like(px))
        terms += tf.where(some, 1 - (px * tx + py * ty) / product, tf.zeros_like(px))
    return by_example(total(terms * good), total(good), normalizer)


def depths(rng, shape, spread=1.0):
    """Target and prediction, above 0."""
    return [np.exp(spread * rng.standard_normal(shape)) for _ in range(2)]


def mask_of(rng, shape, kind):
    """None, or which pixels are valid: of one channel or of all; or none of the first example."""
    if kind is None:
        return None
    if kind == "empty":
        return np.arange(shape[0])[:, None, None, None] + np.zeros((*shape[:3], 1)) > 0
    return rng.random((*shape[:3], 1 if kind == "one channel" else shape[3])) < 0.8


def cases(shapes, *choices):
    """Inputs of each shape with each of the options, without a mask and with targets with holes."""

    def inputs(rng, every):
        kinds = [None, "one channel", "all channels", "empty"]
        for shape, kind, options in combined(every, shapes, kinds, choices):
            target, prediction = depths(rng, shape)
            mask = mask_of(rng, shape, kind)
            if mask is not None:
                holes = np.where(rng.random(shape) < 0.5, np.nan, np.inf)
                target, options = np.where(mask, target, holes), {**options, "mask": mask}
            yield target, prediction, options

    return inputs


def midas_reference(y_true, y_pred, align=False, **options):
    return midas(y_true, y_pred, align_first=align, **options)


PRESETS = {
    "dense_depth_edges": Case(
        gradops.presets.dense_depth_edges,
        dense_depth,
        "ialhashim/DenseDepth, loss.py",
        "fused",
        cases(SMALL, {}),
    ),
    "midas_gradient_matching": Case(
        gradops.presets.midas_gradient_matching,
        midas_reference,
        "Ranftl et al. 2022; isl-org/MiDaS",
        "fused",
        cases(AWKWARD, {}, {"normalizer": "batch"}, {"scales": 2, "align": True}),
    ),
    "megadepth_gradient_matching": Case(
        gradops.presets.megadepth_gradient_matching,
        megadepth,
        "Li and Snavely 2018; google/mannequinchallenge, networks.py",
        "partly fused",
        cases(AWKWARD, {}, {"normalizer": "batch"}, {"scales": 2, "prediction": "log_depth"}),
    ),
    "hu_loss": Case(
        gradops.presets.hu_loss,
        hu,
        "JunjH/Revisiting_Single_Depth_Estimation, train.py",
        "partly fused",
        cases(SMALL, {}, {"epsilon": 0.1, "gradient_weight": 2.0, "normal_weight": 0.5}),
        STEEPNESS["hu_loss"],  # of the logarithm at epsilon
    ),
    "zoedepth_grad_l1": Case(
        gradops.presets.zoedepth_grad_l1,
        zoedepth,
        "isl-org/ZoeDepth and LiheYoung/Depth-Anything, loss.py",
        "composed",
        cases(SMALL, {}, {"normalizer": "batch"}),
    ),
    'zoedepth_grad_l1, direction="stable"': Case(
        gradops.presets.zoedepth_grad_l1,
        zoedepth,
        "the same, 1 - cos in place of atan",
        "partly fused",
        cases(SMALL, {"direction": "stable"}, {"direction": "stable", "normalizer": "batch"}),
    ),
}
