"""The presets of restoration and quality as their sources define them, in plain TensorFlow.

Typed from the papers and repositories that each names; nothing here comes from gradops but the
functions that are compared. Images are float64, [B, H, W, C].
"""

import numpy as np
import tensorflow as tf
from preset_tools import STEEPNESS, Case, combined

from gradops import presets


def mean(values):
    """By example."""
    return tf.reduce_mean(values, axis=[1, 2, 3])


def total(values):
    return tf.reduce_sum(values, axis=[1, 2, 3])


def filtered(images, taps, padding="VALID"):
    """Each channel correlated with the same taps."""
    kernel = tf.constant(taps, images.dtype)[:, :, None, None]
    channels = images.shape[3]
    return tf.nn.depthwise_conv2d(
        images, tf.tile(kernel, [1, 1, channels, 1]), [1, 1, 1, 1], padding
    )


def hidden(y_true, y_pred, mask):
    """Both with zeros where the mask, of their own shape afterwards, is False."""
    if mask is None:
        mask = tf.ones_like(y_pred, tf.bool)
    mask = tf.broadcast_to(mask, y_pred.shape)
    zero = tf.zeros_like(y_pred)
    return tf.where(mask, y_true, zero), tf.where(mask, y_pred, zero), mask


def differences(images):
    """Down the rows and along the columns, of neighbours inside of the image."""
    return images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1]


def pairs(mask):
    """Where both neighbours are valid, as 1 and 0."""
    both = mask[:, 1:] & mask[:, :-1], mask[:, :, 1:] & mask[:, :, :-1]
    return tuple(tf.cast(valid, tf.float64) for valid in both)


def gradient_difference(y_true, y_pred, *, alpha=1.0, normalizer="residuals", mask=None):
    y_true, y_pred, mask = hidden(y_true, y_pred, mask)
    sums, counts = [], []
    for of_true, of_pred, valid in zip(
        differences(y_true), differences(y_pred), pairs(mask), strict=True
    ):
        sums.append(total(tf.abs(tf.abs(of_true) - tf.abs(of_pred)) ** alpha * valid))
        counts.append(total(valid))
    if normalizer == "axes":
        return sums[0] / counts[0] + sums[1] / counts[1]
    divisors = {
        "sum": 1.0,
        "residuals": counts[0] + counts[1],
        "pixels": total(tf.cast(mask, tf.float64)),
        "batch": tf.reduce_mean(counts[0] + counts[1]),
    }
    return (sums[0] + sums[1]) / divisors[normalizer]


SPSR_VERTICAL = [[0, -1, 0], [0, 0, 0], [0, 1, 0]]
SPSR_HORIZONTAL = [[0, 0, 0], [-1, 0, 1], [0, 0, 0]]


def spsr_gradient(y_true, y_pred, *, penalty="l2", padding=1, mask=None):
    y_true, y_pred, mask = hidden(y_true, y_pred, mask)
    pads = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]

    def magnitude(images):
        padded = tf.pad(images, pads)
        squares = [tf.square(filtered(padded, k)) for k in (SPSR_VERTICAL, SPSR_HORIZONTAL)]
        return tf.sqrt(squares[0] + squares[1] + 1e-6)

    errors = tf.abs(magnitude(y_pred) - magnitude(y_true))
    # Dropped where one of the four neighbours is a pixel of the image and invalid.
    invalid = tf.pad(tf.cast(~mask, tf.float64), pads)
    neighbours = filtered(invalid, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    counted = tf.cast(neighbours == 0, tf.float64)
    return total(counted * (errors**2 if penalty == "l2" else errors)) / total(counted)


GAUSSIAN = tf.constant([0.05, 0.25, 0.4, 0.25, 0.05], tf.float64)


def mprnet_edge(y_true, y_pred, *, epsilon=1e-3):
    kernel = GAUSSIAN[:, None] * GAUSSIAN[None, :]

    def smooth(images):
        for axis in (1, 2):  # the edge repeated twice
            first = tf.gather(images, [0, 0], axis=axis)
            last = tf.gather(images, [images.shape[axis] - 1] * 2, axis=axis)
            images = tf.concat([first, images, last], axis)
        return filtered(images, kernel)

    def laplacian(images):
        height, width = images.shape[1:3]
        is_kept = (tf.range(height) % 2 == 0)[:, None] & (tf.range(width) % 2 == 0)[None, :]
        kept = tf.cast(is_kept, tf.float64)[None, :, :, None]
        return images - smooth(4 * kept * smooth(images))

    return mean(tf.sqrt((laplacian(y_true) - laplacian(y_pred)) ** 2 + epsilon**2))


def grey(images, red):
    if images.shape[3] == 1:
        return images
    return red * images[..., 0:1] + 0.5870 * images[..., 1:2] + 0.1140 * images[..., 2:3]


def gradient_variance(y_true, y_pred, *, patch_size=8):
    horizontal = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    vertical = [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]

    def variances(images, taps):
        derivative = filtered(grey(images, 0.2989), taps, "SAME")
        found = []
        for top in range(0, images.shape[1] - patch_size + 1, patch_size):
            for left in range(0, images.shape[2] - patch_size + 1, patch_size):
                patch = derivative[:, top : top + patch_size, left : left + patch_size, 0]
                patch = tf.reshape(patch, [-1, patch_size**2])
                deviations = patch - tf.reduce_mean(patch, axis=1, keepdims=True)
                found.append(tf.reduce_sum(deviations**2, axis=1) / (patch_size**2 - 1))
        return tf.stack(found, axis=1)

    losses = [
        tf.reduce_mean((variances(y_true, taps) - variances(y_pred, taps)) ** 2, axis=1)
        for taps in (horizontal, vertical)
    ]
    return losses[0] + losses[1]


def mean_magnitude(y_true, y_pred, *, mask=None):
    y_true, y_pred, mask = hidden(y_true, y_pred, mask)

    def magnitude(images):
        down, along = (
            total(tf.abs(values) * valid) / total(valid)
            for values, valid in zip(differences(images), pairs(mask), strict=True)
        )
        return down + along

    return (magnitude(y_pred) - magnitude(y_true)) ** 2


def pixel_and_gradient(
    y_true,
    y_pred,
    *,
    pixel_weight=1.0,
    gradient_weight=1.0,
    stencil="sobel",
    border="reflect",
    weights=1.0,
    mask=None,
    normalizer="residuals",
):
    """With L1 of Sobel derivatives of all pixels, or of forward differences of valid ones."""
    y_true, y_pred, mask = hidden(y_true, y_pred, mask)
    factors = weights * tf.cast(mask, tf.float64)
    if stencil == "sobel":
        assert border == "reflect"
        edges = tf.image.sobel_edges(y_pred) - tf.image.sobel_edges(y_true)
        gradient = tf.reduce_sum(tf.abs(edges) * factors[..., None], axis=[1, 2, 3, 4])
        count = 2 * total(factors)
    else:
        assert (stencil, border) == ("forward", "valid")
        down, along = differences(y_pred - y_true)
        valid_down, valid_along = pairs(mask)
        down_factors = valid_down * factors[:, :-1]
        along_factors = valid_along * factors[:, :, :-1]
        gradient = total(down_factors * tf.abs(down)) + total(along_factors * tf.abs(along))
        count = total(down_factors) + total(along_factors)
    pixels, pixel_count = total(factors * tf.abs(y_pred - y_true)), total(factors)
    if normalizer == "batch":
        count, pixel_count = tf.reduce_mean(count), tf.reduce_mean(pixel_count)
    return pixel_weight * pixels / pixel_count + gradient_weight * gradient / count


PREWITT = [[1 / 3, 0, -1 / 3]] * 3
PREWITT_TRANSPOSED = [[1 / 3] * 3, [0.0] * 3, [-1 / 3] * 3]


def similarity(y_true, y_pred, constant, masking):
    m, n = (
        tf.sqrt(filtered(x, PREWITT, "SAME") ** 2 + filtered(x, PREWITT_TRANSPOSED, "SAME") ** 2)
        for x in (y_true, y_pred)
    )
    return ((2 - masking) * m * n + constant) / (m**2 + n**2 - masking * m * n + constant)


def variance_over_pixels(values):
    return mean((values - tf.reduce_mean(values, axis=[1, 2, 3], keepdims=True)) ** 2)


def pooled(images):
    """Means of 2 x 2 pixels; zeros complete an odd last row or column."""
    height, width = images.shape[1:3]
    images = tf.pad(images, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
    corners = [images[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return tf.add_n(corners) / 4


def gmsd(y_true, y_pred, *, value_range=1.0):
    lumas = [pooled(grey(x, 0.299) * (255 / value_range)) for x in (y_true, y_pred)]
    return tf.sqrt(variance_over_pixels(similarity(*lumas, constant=170.0, masking=0.0)))


def ms_gmsd(
    y_true, y_pred, *, value_range=1.0, scale_weights=(0.096, 0.596, 0.289, 0.019), masking=0.5
):
    lumas = [grey(x, 0.299) * (255 / value_range) for x in (y_true, y_pred)]
    squares = []
    for scale, weight in enumerate(scale_weights):
        if scale > 0:
            lumas = [pooled(x) for x in lumas]
        deviation = tf.sqrt(variance_over_pixels(similarity(*lumas, 170.0, masking)))
        squares.append(weight / sum(scale_weights) * deviation**2)
    return tf.sqrt(tf.add_n(squares))


SHAPES = [(2, 16, 16, 3), (1, 17, 23, 1), (2, 18, 17, 3), (1, 21, 18, 3)]  # odd sizes and even


def drawn(*options, shapes=SHAPES, scale=1.0):
    """Inputs of these shapes with each of the options."""

    def inputs(rng, every):
        for shape, each in combined(every, shapes, options):
            yield scale * rng.random(shape), scale * rng.random(shape), each

    return inputs


def with_masks(*options, with_weights=False, contrast=1.0):
    """The same, and with holes in the targets that are NaN, under masks of one channel or all."""

    def inputs(rng, every):
        places = [(SHAPES[0], 0), ((2, 12, 9, 3), 1), ((2, 9, 12, 3), 3)]
        for (shape, channels), each in combined(every, places, options):
            y_true, y_pred, maps = rng.random(shape), contrast * rng.random(shape), {}
            if channels > 0:
                maps["mask"] = rng.random((*shape[:3], channels)) > 0.2
                y_true = np.where(maps["mask"], y_true, np.nan)
            if with_weights:
                maps["weights"] = rng.random((*shape[:3], 3 if channels == 1 else 1))
            yield y_true, y_pred, {**each, **maps}

    return inputs


def either(*several):
    """The inputs of all of them."""
    return lambda rng, every: (each for inputs in several for each in inputs(rng, every))


FORWARD = {"stencil": "forward", "border": "valid"}
PRESETS = {
    "gradient_difference": Case(
        presets.gradient_difference,
        gradient_difference,
        "Mathieu et al. 2016",
        "fused",
        with_masks(
            {},
            {"alpha": 2, "normalizer": "sum"},
            {"alpha": 1.5, "normalizer": "axes"},
            {"normalizer": "pixels"},
            {"alpha": 2, "normalizer": "batch"},
        ),
    ),
    "spsr_gradient": Case(
        presets.spsr_gradient,
        spsr_gradient,
        "Maclory/SPSR",
        "fused",
        with_masks({}, {"penalty": "l1"}, {"padding": 2}),
    ),
    "mprnet_edge": Case(
        presets.mprnet_edge,
        mprnet_edge,
        "swz30/MPRNet",
        "composed",
        drawn({}, {"epsilon": 0.1}, shapes=[*SHAPES, (2, 1, 6, 2), (2, 3, 2, 4)]),
        STEEPNESS["mprnet_edge"],  # of Charbonnier's slope near 0
    ),
    "gradient_variance": Case(
        presets.gradient_variance,
        gradient_variance,
        "lusinlu/gradient-variance-loss",
        "composed",
        drawn({}, {"patch_size": 5}),
    ),
    "mean_magnitude": Case(  # whose two means would cancel if they were nearly the same
        presets.mean_magnitude,
        mean_magnitude,
        "tutorials",
        "fused",
        with_masks({}, contrast=3.0),
    ),
    "pixel_and_gradient": Case(
        presets.pixel_and_gradient,
        pixel_and_gradient,
        "mean absolute error and gradient_loss",
        "fused",
        either(
            drawn({}, {"pixel_weight": 0.0}, {"gradient_weight": 0.3, "normalizer": "batch"}),
            with_masks(FORWARD, {"normalizer": "batch", **FORWARD}, with_weights=True),
        ),
    ),
    "gmsd": Case(
        presets.gmsd,
        gmsd,
        "Xue et al. 2014",
        "composed",
        either(drawn({}), drawn({"value_range": 255}, shapes=SHAPES[2:3], scale=255.0)),
        STEEPNESS["gmsd"],  # of a magnitude near 0
    ),
    "ms_gmsd": Case(
        presets.ms_gmsd,
        ms_gmsd,
        "Zhang et al. 2017, photosynthesis-team/piq",
        "composed",
        drawn(
            {},
            {"masking": 0.0},
            {"scale_weights": [1.0, 3.0]},
            shapes=[(2, 32, 24, 3), (1, 17, 23, 1), (2, 34, 19, 3)],
        ),
        STEEPNESS["ms_gmsd"],
    ),
}
