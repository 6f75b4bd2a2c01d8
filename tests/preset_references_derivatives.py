"""The multi-scale derivative losses of Depth Pro, as the paper defines them.

Plain TensorFlow on float64 tensors [B, H, W, C]. Nothing is imported from gradops but what the
table of cases names.
"""

import numpy as np
import tensorflow as tf
from preset_references_depth import as_weights, by_example, cases, clean, total
from preset_tools import Case

import gradops

SCHARR_X = np.array([[-3.0, 0, 3], [-10, 0, 10], [-3, 0, 3]])
LAPLACE = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
# What |.|^p is added up of, p, and the largest derivative of a slope of 1 or of i^2 / 2.
ERRORS = {"mage": ((SCHARR_X, SCHARR_X.T), 1, 32), "msge": ((SCHARR_X, SCHARR_X.T), 2, 32)}
ERRORS["male"] = ((LAPLACE,), 1, 1)


def filtered(images, taps):
    """A 3 x 3 correlation of each channel, inside of the image."""
    filters = tf.tile(tf.constant(taps)[:, :, None, None], [1, 1, images.shape[3], 1])
    return tf.nn.depthwise_conv2d(images, filters, [1] * 4, "VALID")


def halved(images):
    """Means of 2 x 2 pixels, without an odd last row or column."""
    return tf.nn.avg_pool2d(images, 2, 2, "VALID")


def multiscale_derivative(
    y_true, y_pred, error="mage", scales=6, scale="raw", normalizer="image", mask=None
):
    m = as_weights(mask, y_pred)
    d = clean(y_pred, m) - clean(y_true, m)
    operators, p, divisor = ERRORS[error]
    losses = 0.0
    for _ in range(scales):
        sums, counts = 0.0, 0.0
        for taps in operators:
            values = filtered(d, taps / divisor if scale == "unit" else taps)
            good = tf.cast(filtered(1 - m, (taps != 0).astype("float64")) == 0, "float64")
            sums += total(tf.abs(values) ** p * good)
            counts += total(good)
        losses += by_example(len(operators) * sums, counts, normalizer) / scales
        d, m = halved(d), tf.cast(halved(m) == 1, "float64")
    return losses


LARGE = [(2, 97, 100, 1), (1, 104, 99, 2), (3, 96, 98, 1)]
SMALL = [(2, 6, 13, 3), (3, 9, 7, 1), (2, 13, 8, 2)]


def inputs_of(error):
    """The 6 scales of the paper, and fewer with the other options."""
    options = {"error": error, "scales": 2, "scale": "unit", "normalizer": "batch"}
    several = cases(LARGE, {"error": error}), cases(SMALL, options)
    return lambda rng, every: (each for inputs in several for each in inputs(rng, every))


PRESETS = {
    f'multiscale_derivative, error="{error}"': Case(
        gradops.presets.multiscale_derivative,
        multiscale_derivative,
        f"Bochkovskii et al. 2025 ({error.upper()})",
        "fused",
        inputs_of(error),
    )
    for error in ("mage", "male", "msge")
}
