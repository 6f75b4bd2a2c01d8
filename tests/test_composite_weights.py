"""The TensorFlow composition: weights, masks, and NaN under, beside and away from masks."""

import numpy as np
import pytest
import tensorflow as tf
from composite_tools import (
    check_close,
    check_loss_and_gradients,
    check_second_order,
    losses_and_gradients,
    pair,
)

from gradops import composite, reference

STENCILS = ["sobel", "central", "forward"]
RESPONSES = ["component", "magnitude", "absolute", "direction", "normal"]
BORDERS = ["reflect", "replicate", "zero", "circular", "valid"]
PENALTIES = ["l1", "l2", "charbonnier", "huber", "log", "power"]
SHAPE = (2, 7, 6, 2)


def mask_of(shape=SHAPE, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(size=(*shape[:-1], channels)) > 0.1


def weights_of(shape=SHAPE, channels=1, seed=0):
    weights = np.random.default_rng(seed).uniform(0, 3, size=(*shape[:-1], channels))
    return np.where(weights < 0.5, 0.0, weights)


def under(mask, y, value=np.nan):
    return np.where(mask, y, value)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("normalizer", ["residuals", "pixels", "batch"])
@pytest.mark.parametrize("response", RESPONSES)
def test_weights_and_mask(response, normalizer, channels):
    weights, mask = weights_of(channels=channels), mask_of(channels=3 - channels)
    for options in ({"weights": weights}, {"mask": mask}, {"weights": weights, "mask": mask}):
        check_loss_and_gradients(
            *pair(1, SHAPE), response=response, normalizer=normalizer, **options
        )


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", STENCILS)
@pytest.mark.parametrize("response", ["component", "normal"])
def test_support_of_every_stencil_and_border(response, stencil, border):
    """One invalid pixel at a time: which residuals count."""
    shape = (12, 3, 4, 1)
    mask = np.ones(shape, bool)
    mask.reshape(12, 12)[np.arange(12), np.arange(12)] = False
    y_true, y_pred = (under(mask, y) for y in pair(2, shape))
    options = dict(response=response, stencil=stencil, border=border, mask=mask, penalty="l2")
    check_loss_and_gradients(y_true, y_pred, **options)
    counts = composite.gradient_sums(y_true, y_pred, **options)[1]
    check_close(counts, reference.gradient_sums(y_true, y_pred, **options)[1])


@pytest.mark.parametrize("border", ["reflect", "replicate", "zero", "circular"])
@pytest.mark.parametrize("size", [(2, 2), (2, 3), (1, 1), (1, 4)])
def test_support_in_small_images(border, size):
    """Taps that land on one pixel cancel: a residual with an empty support always counts."""
    if border == "reflect":  # Which needs at least 2.
        size = np.maximum(size, 2)
    shape = (3, *size, 1)
    mask = mask_of(shape, seed=3)
    mask[0] = False
    y_true, y_pred = (under(mask, y) for y in pair(3, shape))
    check_loss_and_gradients(y_true, y_pred, border=border, mask=mask, penalty="huber")


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_under_a_mask_is_used(response, penalty, bad):
    mask = mask_of()
    y_true, y_pred = pair(4, SHAPE)
    options = dict(response=response, penalty=penalty, mask=mask, border="replicate")
    clean = check_loss_and_gradients(y_true, y_pred, **options)
    dirty = losses_and_gradients(under(mask, y_true, bad), under(mask, y_pred, -bad), **options)
    for ours, theirs in zip(dirty, clean, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for gradient in dirty[1:]:
        assert not np.any(np.where(mask, 0.0, gradient))
    check_second_order(under(mask, y_true, bad), under(mask, y_pred, bad), **options)


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("stencil, border", [("scharr", "reflect"), ("forward", "zero")])
def test_nan_reaches_what_reads_it(response, stencil, border):
    """Also beside a mask: a dropped residual drops even if it reads a valid NaN."""
    options = dict(response=response, stencil=stencil, border=border)
    y_true, y_pred = pair(5, (3, 6, 5, 1))
    y_pred[0, 2, 2] = y_pred[1, 0, 0] = np.nan
    check_loss_and_gradients(y_true, y_pred, **options)
    mask = np.ones(y_pred.shape, bool)
    mask[0, 2, 3] = mask[0, 1, 1] = mask[1, 1, :3] = mask[1, 0, 1] = False
    check_loss_and_gradients(y_true, y_pred, mask=mask, **options)


def test_nan_in_a_direction_beside_a_flat_region():
    y_true, y_pred = np.ones((1, 4, 4, 1)), pair(6, (1, 4, 4, 1))[1]
    y_pred[0, 1, 1] = np.nan
    check_loss_and_gradients(y_true, y_pred, response="direction", border="zero")


def test_dropping_the_nan_of_one_image_by_valid():
    """`valid` drops the residuals of the first row of gy but not those of gx of `central`."""
    y_true, y_pred = pair(7, (1, 5, 5, 1))
    y_pred[0, 0, 0] = np.nan
    for response in RESPONSES:
        options = dict(response=response, stencil="central", border="valid")
        check_loss_and_gradients(y_true, y_pred, **options)


def test_weight_0_does_not_hide_nan():
    y_true, y_pred = pair(8, SHAPE)
    y_pred[0, 3, 3] = np.nan
    weights = np.where(np.isnan(y_pred), 0.0, 1.0)
    check_loss_and_gradients(y_true, y_pred, weights=weights, stencil="prewitt")


@pytest.mark.parametrize("normalizer", ["residuals", "pixels", "batch"])
@pytest.mark.parametrize("response", RESPONSES)
def test_no_weight_at_all_hides_nan(response, normalizer):
    """D_b = 0: the loss and the gradient are 0 by definition."""
    y_true, y_pred = pair(8, SHAPE)
    y_pred[0, 3, 3] = y_pred[1, 3, 3] = np.nan
    weights = np.zeros(SHAPE)
    options = dict(response=response, normalizer=normalizer, weights=weights)
    loss, *gradients = check_loss_and_gradients(y_true, y_pred, **options)
    assert not np.any(loss) and not np.any(gradients)
    weights[0, 0, 0] = 1.0
    check_loss_and_gradients(y_true, y_pred, **options)


@pytest.mark.parametrize("normalizer", ["residuals", "pixels", "batch"])
@pytest.mark.parametrize("response", ["component", "direction"])
def test_nothing_counted(response, normalizer):
    mask = mask_of()
    mask[0] = False
    weights = np.where(np.arange(7) > 3, 1, 0)[None, :, None, None] * np.ones((2, 7, 6, 1), int)
    for options in ({"mask": mask}, {"mask": mask & False}, {"mask": mask, "weights": weights}):
        options.update(response=response, normalizer=normalizer, border="zero")
        loss, *gradients = check_loss_and_gradients(*pair(9, SHAPE), **options)
        assert loss[0] == 0 and not np.any(gradients[1][0])


@pytest.mark.parametrize("border", BORDERS)
def test_channels_first(border):
    shape = (2, 3, 4, 5)
    rng = np.random.default_rng(10)
    for channels in (1, 3):
        mask = rng.uniform(size=(2, channels, 4, 5)) > 0.1
        weights = rng.uniform(size=(2, 4 - channels if channels == 3 else 3, 4, 5))
        check_loss_and_gradients(
            *pair(10, shape),
            mask=mask,
            weights=weights,
            border=border,
            data_format="channels_first",
        )


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
def test_dtypes_of_weights(dtype):
    weights = np.random.default_rng(11).integers(0, 2, size=(2, 7, 6, 1)).astype(dtype)
    y_true, y_pred = pair(11, SHAPE, "float32")
    loss = composite.gradient_loss(y_true, y_pred, weights=weights)
    check_close(loss, reference.gradient_loss(y_true, y_pred, weights=weights), "float32")
    nested = composite.gradient_loss(y_true, y_pred, weights=weights.tolist())
    np.testing.assert_array_equal(loss, nested)


@pytest.mark.parametrize("graph", [False, True])
def test_weights_are_not_differentiable(graph):
    y_true, y_pred = pair(12, SHAPE)
    variable = tf.Variable(weights_of())

    def step(stop):
        with tf.GradientTape() as tape:
            weights = tf.stop_gradient(variable * 2) if stop else variable * 2
            loss = composite.gradient_loss(y_true, y_pred, weights=weights)
        return tape.gradient(loss, variable, unconnected_gradients="zero")

    step = tf.function(step) if graph else step
    error = tf.errors.InvalidArgumentError if graph else NotImplementedError
    message = r"the gradient by weights is not available: pass weights=tf.stop_gradient\(weights\)"
    with pytest.raises(error, match=message):
        step(False)
    assert not np.any(step(True))


def test_weights_as_the_argument_of_a_function():
    """Its backward function is built for all arguments; what it gives for weights is right."""
    y_true, y_pred = pair(13, (1, 2, 3, 1))
    function = tf.function(lambda p, w: composite.gradient_loss(y_true, p, weights=w))
    p, weights = tf.constant(y_pred), tf.constant(weights_of((1, 2, 3, 1)) + 1)
    with tf.GradientTape() as tape:
        tape.watch([p, weights])
        loss = function(p, weights)
    by_pred, by_weights = tape.gradient(loss, [p, weights])
    expected = reference.loss_gradients(y_true, y_pred, weights=weights)[1]
    check_close(by_pred, expected)
    for i in np.ndindex(*weights.shape):
        step = np.zeros(weights.shape)
        step[i] = 1e-6
        up, down = (reference.gradient_loss(y_true, p, weights=weights + s) for s in (step, -step))
        np.testing.assert_allclose(by_weights[i], (up - down)[0] / 2e-6, rtol=1e-6)


def test_counts_have_no_gradient():
    y_true, y_pred = (tf.constant(y) for y in pair(13, SHAPE))
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        counts = composite.gradient_sums(y_true, y_pred, mask=mask_of(), border="valid")[1]
    assert tape.gradient(counts, y_pred) is None
