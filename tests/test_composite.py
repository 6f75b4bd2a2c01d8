"""The composition by its own names, against the NumPy reference: what only it could get wrong.

test_ops.py and others run the public functions on it, of every pair of options.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from composite_tools import check_close, check_loss_and_gradients, check_second_order, pair
from family_options import (
    BORDERS,
    RESPONSES,
    STENCILS,
)
from family_tools import smallest
from op_tools import MEMBERS, each, pairs_of
from reference_tools import NORMALIZERS

import gradops
from gradops import composite, reference

SHAPE = (2, 7, 6, 2)


def mask_of(shape=SHAPE, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(size=(*shape[:-1], channels)) > 0.1


def under(mask, y, value=np.nan):
    return np.where(mask, y, value)


@pytest.mark.parametrize("border", BORDERS)
def test_smallest_sizes(border):
    for stencil in STENCILS:
        check_smallest_sizes(stencil, border)


def check_smallest_sizes(stencil, border):
    least = smallest(stencil, border)
    for height, width in [(least, least), (least + 1, least), (least, 5)]:
        shape = (2, height, width, 2)
        check_loss_and_gradients(*pair(2, shape), stencil=stencil, border=border)
        check_loss_and_gradients(
            *pair(2, shape), stencil=stencil, border=border, response="magnitude"
        )


@pairs_of(stencil=STENCILS, border=BORDERS, response=["component", "normal"])
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
def test_support_in_small_images(border):
    """Taps that land on one pixel cancel: a residual with an empty support always counts."""
    for size in ((2, 2), (2, 3), (1, 1), (1, 4)):
        check_support(border, size)


def check_support(border, size):
    if border == "reflect":  # Which needs at least 2.
        size = np.maximum(size, 2)
    shape = (3, *size, 1)
    mask = mask_of(shape, seed=3)
    mask[0] = False
    y_true, y_pred = (under(mask, y) for y in pair(3, shape))
    check_loss_and_gradients(y_true, y_pred, border=border, mask=mask, penalty="huber")


@each(MEMBERS, MEMBERS[::3])
def test_flat_regions_and_ties(options):
    """Small integers and flat patches: zero residuals and zero magnitudes with finite slopes."""
    rng = np.random.default_rng(8)
    y_true, y_pred = rng.integers(0, 2, size=(2, 2, 8, 9, 2)).astype("float64")
    y_true[:, :5, :4] = y_pred[:, 3:, 2:] = 1.0
    check_loss_and_gradients(y_true, y_pred, **options)
    check_second_order(y_true, y_pred, **options)


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize(
    "stencil, border",
    [("scharr", "reflect"), ("forward", "zero"), ("backward", "valid"), ("laplace8", "replicate")],
)
def test_nan_reaches_what_reads_it(response, stencil, border):
    """Also beside a mask: a dropped residual drops even if it reads a valid NaN."""
    options = dict(response=response, stencil=stencil, border=border)
    y_true, y_pred = pair(5, (3, 6, 5, 1))
    y_pred[0, 2, 2] = y_pred[1, 0, 0] = np.nan
    check_loss_and_gradients(y_true, y_pred, **options)
    mask = np.ones(y_pred.shape, bool)
    mask[0, 2, 3] = mask[0, 1, 1] = mask[1, 1, :3] = mask[1, 0, 1] = False
    check_loss_and_gradients(y_true, y_pred, mask=mask, **options)


@pytest.mark.parametrize("border", BORDERS)
def test_infinite_pixels_of_second_differences(border):
    """At an edge that replicates, a ghost cancels one of two taps on the infinite pixel."""
    for stencil, pixel, shape in itertools.product(
        ("laplace", "laplace8"), ((0, 0), (0, 1), (2, 2)), ((1, 3, 3, 1), (1, 3, 1, 1))
    ):
        if min(shape[1:3]) < smallest(stencil, border):
            continue
        y_pred = pair(5, shape)[1]
        y_pred[0, pixel[0] % shape[1], pixel[1] % shape[2]] = np.inf
        options = {"stencil": stencil, "border": border}
        found = composite.image_gradients(y_pred, **options)
        np.testing.assert_array_equal(found, reference.image_gradients(y_pred, **options))


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


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@each(RESPONSES, ["component", "direction"], name="response")
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


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("response", ["component", "direction"])
def test_nothing_counted(response, normalizer):
    mask = mask_of()
    mask[0] = False
    weights = np.where(np.arange(7) > 3, 1, 0)[None, :, None, None] * np.ones((2, 7, 6, 1), int)
    for options in ({"mask": mask}, {"mask": mask & False}, {"mask": mask, "weights": weights}):
        options.update(response=response, normalizer=normalizer, border="zero")
        loss, *gradients = check_loss_and_gradients(*pair(9, SHAPE), **options)
        assert loss[0] == 0 and not np.any(gradients[1][0])


def test_counts_have_no_gradient():
    y_true, y_pred = (tf.constant(y) for y in pair(13, SHAPE))
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        counts = composite.gradient_sums(y_true, y_pred, mask=mask_of(), border="valid")[1]
    assert tape.gradient(counts, y_pred) is None


def test_accepts_variables_and_nested_lists():
    y_true, y_pred = pair(10, (2, 4, 5, 3), "float32")
    loss = composite.gradient_loss(y_true.tolist(), tf.Variable(y_pred))
    check_close(loss, reference.gradient_loss(y_true, y_pred), "float32")


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("penalty", ["l1", "huber"])
def test_the_loss_that_is_made_of_sobel_edges(penalty, normalizer):
    """The default, which has neither weights nor a mask; and one image."""
    y_true, y_pred = pair(4, SHAPE)
    for target in (y_true, None):
        check_loss_and_gradients(target, y_pred, penalty=penalty, normalizer=normalizer)


def test_value_and_gradient_of_one_variable_for_both():
    images = tf.Variable(pair(4, (2, 4, 5, 1), "float32")[0])
    value, gradient = composite.value_and_gradient(images, images, penalty="l2")
    assert value == 0 and not np.any(gradient)
    default, _ = composite.value_and_gradient(images, images + 1.0)
    assert default.shape == ()  # The mean is the default.


def test_its_functions_are_the_public_ones_and_check_what_they_check():
    images = np.zeros(SHAPE)
    for name in ("gradient_loss", "value_and_gradient", "gradient_sums"):
        assert getattr(composite, name).__doc__ == getattr(gradops, name).__doc__
        with pytest.raises(ValueError, match=r"penalty must be one of 'l1', .* got 'wrong'"):
            getattr(composite, name)(images, images, penalty="wrong")
    for name in ("image_gradients", "gradient_magnitude"):
        with pytest.raises(ValueError, match=r"border must be one of 'reflect', .* got 'wrong'"):
            getattr(composite, name)(images, border="wrong")
    with pytest.raises(tf.errors.InvalidArgumentError, match="images must have rank 4"):
        composite.sobel_edges(images[0])


def test_name_is_the_scope_of_the_ops():
    with tf.Graph().as_default():
        images = tf.zeros([2, 4, 5, 3])
        assert composite.gradient_loss(images, images, name="edges").op.name.startswith("edges/")
        assert composite.image_gradients(images, name="edges").op.name.startswith("edges_1/")
        assert composite.sobel_edges(images).op.name.startswith("sobel_edges/")


@pytest.mark.parametrize("penalty", ["charbonnier", "log"])
def test_an_epsilon_below_the_range_of_the_type(penalty):
    y = pair(8, SHAPE, "float32")[0]
    for stencil in ("sobel", "forward"):
        options = dict(penalty=penalty, epsilon=1e-60, stencil=stencil)
        loss, gradient = composite.value_and_gradient(y, y, **options)
        assert loss < 1e-6 and not np.any(gradient)


def test_a_huber_residual_whose_square_overflows():
    y_pred = pair(9, SHAPE, "float32")[0] * np.float32(1e25)
    loss, gradient = composite.value_and_gradient(None, y_pred, penalty="huber")
    assert np.isfinite(loss) and np.isfinite(gradient).all() and np.any(gradient)
