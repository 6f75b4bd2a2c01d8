"""The gradient error of mattes as the evaluation programs of matting define it.

Plain TensorFlow on float64 tensors [B, H, W, C]. Nothing is imported from gradops but what the
table of cases names.
"""

import numpy as np
import tensorflow as tf
from preset_references_depth import total
from preset_tools import STEEPNESS, Case, combined

import gradops


def gaussian_gradient_taps(sigma):
    """The filter along the columns, [2 h + 1, 2 h + 1]."""

    def gauss(x):
        return np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))

    h = int(np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * 0.01))))
    u = np.arange(-h, h + 1)
    taps = gauss(u)[:, None] * (-u * gauss(u) / sigma**2)[None, :]
    return taps / np.sqrt(np.sum(taps**2))


def matting_gradient_error(y_true, y_pred, sigma=1.4, unknown=None):
    taps = gaussian_gradient_taps(sigma)
    h = len(taps) // 2

    def magnitude(x):
        for _ in range(h):  # Repeats edge pixels, one ring after the other.
            x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
        squares = 0.0
        for each in (taps, taps.T):
            flipped = each[::-1, ::-1].copy()  # a convolution
            filters = tf.tile(tf.constant(flipped)[:, :, None, None], [1, 1, x.shape[3], 1])
            squares += tf.nn.depthwise_conv2d(x, filters, [1] * 4, "VALID") ** 2
        return tf.sqrt(squares)

    errors = (magnitude(y_pred) - magnitude(y_true)) ** 2
    if unknown is not None:
        errors = tf.where(tf.reshape(unknown, [*y_pred.shape[:3], 1]), errors, 0.0)
    return total(errors) / 1000


def mattes(rng, every):
    shapes = [(2, 17, 12, 1), (1, 9, 20, 3), (2, 3, 2, 2)]
    trimaps = [None, "without channels", "one channel"]
    for shape, trimap, options in combined(every, shapes, trimaps, [{}, {"sigma": 0.8}]):
        if trimap is not None:
            unknown = rng.random((*shape[:3], 1)) < 0.6
            options = {**options, "unknown": unknown[..., 0] if trimap[0] == "w" else unknown}
        yield rng.random(shape), rng.random(shape), options


PRESETS = {
    "matting_gradient_error": Case(
        gradops.presets.matting_gradient_error,
        matting_gradient_error,
        "Rhemann et al. 2009; the evaluation of Deep Image Matting",
        "composed",
        mattes,
        STEEPNESS["matting_gradient_error"],  # of a magnitude near 0
    ),
}
