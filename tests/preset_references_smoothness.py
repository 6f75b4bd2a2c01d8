"""Losses of smoothness as their papers and repositories define them, in plain TensorFlow.

Float64 tensors [B, H, W, C]. Nothing is imported from gradops but what the table of cases names.
"""

import tensorflow as tf
from preset_references_depth import SMALL, as_weights, by_example, cases, clean
from preset_tools import Case, combined, function_of

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


def voxelmorph(_y_true, y_pred, penalty="l1", loss_mult=1.0, mask=None):
    m = as_weights(mask, y_pred)
    x = clean(y_pred, m)
    means = []
    for values, good in (
        (x[:, 1:] - x[:, :-1], m[:, 1:] * m[:, :-1]),
        (x[:, :, 1:] - x[:, :, :-1], m[:, :, 1:] * m[:, :, :-1]),
    ):
        values = tf.abs(values) if penalty == "l1" else values * values
        sums, counts = (tf.reduce_sum(each, axis=[1, 2, 3]) for each in (values * good, good))
        means.append(by_example(sums, counts, "image"))
    return loss_mult * tf.add_n(means) / len(means)


def smoothness_inputs(rng, every):
    forms = [(channels, normalize) for channels in (1, 2) for normalize in (False, True)]
    for shape, (channels, normalize) in combined(every, SMALL, forms):
        yield rng.random(shape), 0.1 + rng.random((*shape[:3], channels)), {"normalize": normalize}


PRESETS = {
    "edge_aware_smoothness": Case(
        gradops.presets.edge_aware_smoothness,
        edge_aware,
        "nianticlabs/monodepth2, layers.py",
        "composed",
        smoothness_inputs,
    ),
    "total_variation": Case(
        function_of("total_variation"),
        variation,
        "tf.image.total_variation; kornia",
        "fused",
        cases(SMALL, {}, {"total": "sum"}),
    ),
    "voxelmorph_grad": Case(
        function_of("voxelmorph_grad"),
        voxelmorph,
        "voxelmorph/voxelmorph, tf/losses.py",
        "fused",
        cases(SMALL, {}, {"penalty": "l2", "loss_mult": 2.0}),
    ),
}
