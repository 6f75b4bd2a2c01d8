"""Losses of smoothness as their papers and repositories define them, in plain TensorFlow.

Float64 tensors [B, H, W, C]. Nothing is imported from gradops but what the table of cases names.
"""

import tensorflow as tf
from preset_references_depth import SMALL, as_weights, by_example, cases, clean
from preset_tools import Case

import gradops


def edge_aware(image, disparity, normalize=False):
    if normalize:
        disparity = disparity / (tf.reduce_mean(disparity, [1, 2], keepdims=True) + 1e-7)

    def differences(x):
        return tf.abs(x[:, 1:] - x[:, :-1]), tf.abs(x[:, :, 1:] - x[:, :, :-1])

    losses = 0.0
    for slope, edge in zip(differences(disparity), differences(image), strict=True):
        weight = tf.exp(-tf.reduce_mean(edge, axis=3, keepdims=True))
        losses += tf.reduce_mean(slope * weight, axis=[1, 2, 3])
    return losses


def variation(_y_true, y_pred, total="mean", mask=None):
    m = as_weights(mask, y_pred)
    x = clean(y_pred, m)
    down, along = tf.abs(x[:, 1:] - x[:, :-1]), tf.abs(x[:, :, 1:] - x[:, :, :-1])
    weights = m[:, 1:] * m[:, :-1], m[:, :, 1:] * m[:, :, :-1]
    losses = 0.0
    for values, good in zip((down, along), weights, strict=True):
        sums, counts = (tf.reduce_sum(each, axis=[1, 2, 3]) for each in (values * good, good))
        losses += sums if total == "sum" else by_example(sums, counts, "image")
    return losses


def smoothness_inputs(rng):
    for batch, height, width, channels in SMALL:
        for of_disparity in (1, 2):
            for normalize in (False, True):
                image = rng.random((batch, height, width, channels))
                disparity = 0.1 + rng.random((batch, height, width, of_disparity))
                yield image, disparity, {"normalize": normalize}


def variation_of_prediction(y_true, y_pred, **options):
    """The preset with the arguments of the others."""
    return gradops.presets.total_variation(y_pred, **options)


PRESETS = {
    "edge_aware_smoothness": Case(
        gradops.presets.edge_aware_smoothness,
        edge_aware,
        "nianticlabs/monodepth2, layers.py",
        "composed",
        smoothness_inputs,
    ),
    "total_variation": Case(
        variation_of_prediction,
        variation,
        "tf.image.total_variation; kornia",
        "fused",
        cases(SMALL, {}, {"total": "sum"}),
    ),
}
