"""The TensorFlow composition of the whole family against the NumPy reference."""

import numpy as np
import pytest
import tensorflow as tf
from composite_tools import check_close, check_loss_and_gradients, check_second_order, pair

from gradops import composite, reference

STENCILS = ["sobel", "scharr", "prewitt", "central", "forward"]
PENALTIES = ["l1", "l2", "charbonnier", "huber", "log", "power"]
RESPONSES = ["component", "magnitude", "absolute", "direction", "normal"]
BORDERS = ["reflect", "replicate", "zero", "circular", "valid"]
SCALES = ["raw", "unit"]
DATA_FORMATS = ["channels_last", "channels_first"]
SHAPE = (2, 5, 6, 3)
MINIMUM_SIZES = {"reflect": 2, "replicate": 1, "zero": 1, "circular": 1, "valid": 3}
PARAMETERS = [
    {"penalty": "charbonnier", "epsilon": 0.3},
    {"penalty": "huber", "delta": 2.5},
    {"penalty": "log", "epsilon": 0.1},
    {"penalty": "power", "alpha": 1},
    {"penalty": "power", "alpha": 1.5},
    {"penalty": "power", "alpha": 3.0},
    {"response": "magnitude", "response_epsilon": 0.25},
    {"response": "direction", "response_epsilon": 2.0},
    {"response": "direction", "response_epsilon": 0},
]


def images(*shape):
    return np.random.default_rng(1).normal(size=shape or SHAPE)


def test_tables_are_in_the_agreed_order():
    assert tuple(composite.STENCILS) == tuple(STENCILS)
    assert tuple(composite.PENALTIES) == tuple(PENALTIES)
    assert tuple(composite.RESPONSES) == tuple(RESPONSES)
    assert tuple(composite.BORDERS) == tuple(BORDERS)
    assert tuple(composite.SCALES) == tuple(SCALES)
    assert tuple(composite.NORMALIZERS) == ("residuals", "pixels", "batch")
    assert tuple(composite.DATA_FORMATS) == tuple(DATA_FORMATS)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", STENCILS)
def test_stencils_and_borders(stencil, border, scale):
    options = dict(stencil=stencil, border=border, scale=scale)
    check_loss_and_gradients(*pair(1, SHAPE), penalty="charbonnier", **options)
    gradients = composite.image_gradients(images(), **options)
    check_close(gradients, reference.image_gradients(images(), **options))
    magnitude = composite.gradient_magnitude(images(), **options)
    check_close(magnitude, reference.gradient_magnitude(images(), **options))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", STENCILS)
def test_smallest_sizes(stencil, border):
    least = MINIMUM_SIZES[border]
    if stencil == "forward":
        least = 2 if border == "valid" else 1
    for height, width in [(least, least), (least, least + 1), (least + 1, least), (least, 5)]:
        shape = (2, height, width, 2)
        # Not l1: tf.image.sobel_edges rounds taps that cancel, and their signs are no zeros.
        check_loss_and_gradients(*pair(2, shape), stencil=stencil, border=border, penalty="l2")
        check_loss_and_gradients(
            *pair(2, shape), stencil=stencil, border=border, response="magnitude"
        )


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("stencil, border", [("scharr", "reflect"), ("forward", "valid")])
def test_responses_and_penalties(response, penalty, stencil, border):
    options = dict(response=response, penalty=penalty, stencil=stencil, border=border)
    check_loss_and_gradients(*pair(3, SHAPE), **options)
    check_second_order(*pair(3, SHAPE), **options)


@pytest.mark.parametrize("options", PARAMETERS, ids=str)
def test_parameters(options):
    check_loss_and_gradients(*pair(4, SHAPE), **options)
    check_second_order(*pair(4, SHAPE), **options)


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("response", RESPONSES)
def test_one_image(response, data_format):
    options = dict(response=response, data_format=data_format, border="replicate")
    loss, _ = check_loss_and_gradients(None, images(), penalty="huber", **options)
    zeros = composite.gradient_loss(np.zeros(SHAPE), images(), penalty="huber", **options)
    np.testing.assert_allclose(loss, zeros, rtol=1e-14)


def test_one_image_on_sobel_edges():
    check_loss_and_gradients(None, images())


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("response", RESPONSES)
def test_channels_first(response, border):
    options = dict(response=response, border=border, data_format="channels_first")
    check_loss_and_gradients(*pair(5, (2, 3, 4, 6)), **options)


@pytest.mark.parametrize("border", BORDERS)
def test_channels_first_images(border):
    options = dict(border=border, data_format="channels_first")
    for name in ("image_gradients", "gradient_magnitude"):
        actual = getattr(composite, name)(images(2, 3, 4, 5), **options)
        check_close(actual, getattr(reference, name)(images(2, 3, 4, 5), **options))


@pytest.mark.parametrize("normalizer", ["residuals", "pixels", "batch"])
@pytest.mark.parametrize("border", ["reflect", "valid"])
@pytest.mark.parametrize("response", ["component", "magnitude"])
def test_normalizers(response, border, normalizer):
    options = dict(response=response, border=border, normalizer=normalizer)
    check_loss_and_gradients(*pair(6, SHAPE), **options)
    check_loss_and_gradients(*pair(6, SHAPE), stencil="forward", **options)


@pytest.mark.parametrize("border", ["reflect", "valid"])
@pytest.mark.parametrize("response", RESPONSES)
def test_gradient_sums(response, border):
    y_true, y_pred = pair(7, SHAPE)
    options = dict(response=response, border=border, penalty="charbonnier")
    p = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(p)
        sums, counts = composite.gradient_sums(y_true, p, **options)
    axes = 2 if response in ("component", "absolute") else 1
    factors = np.arange(1.0, 2 * axes + 1).reshape(2, axes)
    for ours, theirs in zip(
        (sums, counts), reference.gradient_sums(y_true, y_pred, **options), strict=True
    ):
        check_close(ours, theirs)
    gradient = tape.gradient(sums, p, output_gradients=tf.constant(factors))
    check_close(gradient, reference.sums_gradients(y_true, y_pred, factors, **options)[1])


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("stencil", ["sobel", "scharr"])
def test_identical_images_have_no_gradient(response, penalty, stencil):
    y = images()
    y[:, :, :3] = 0.5  # A flat region too: no magnitude, no direction.
    for y_true in (y, y.astype("float32")):
        loss, *gradients = check_loss_and_gradients(
            y_true, y_true, response=response, penalty=penalty, stencil=stencil
        )
        assert not np.any(gradients)
        assert (np.asarray(loss) == 0).all() or penalty == "charbonnier"


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("response", RESPONSES)
def test_flat_regions_and_ties(response, penalty):
    """Small integers and flat patches: zero residuals and zero magnitudes with finite slopes."""
    rng = np.random.default_rng(8)
    y_true, y_pred = rng.integers(0, 2, size=(2, 2, 8, 9, 2)).astype("float64")
    y_true[:, :5, :4] = y_pred[:, 3:, 2:] = 1.0
    check_loss_and_gradients(y_true, y_pred, response=response, penalty=penalty, border="zero")
    check_second_order(y_true, y_pred, response=response, penalty=penalty, border="zero")


def test_gradient_magnitude_of_flat_regions():
    x = tf.Variable(np.pad(images(1, 3, 3, 1), ((0, 0), (0, 4), (0, 4), (0, 0))))
    with tf.GradientTape() as tape:
        magnitude = composite.gradient_magnitude(x, border="replicate")
    u = np.random.default_rng(9).normal(size=magnitude.shape)
    gradient = tape.gradient(magnitude, x, output_gradients=tf.constant(u))
    expected = reference.gradient_magnitude_gradient(x.numpy(), u, border="replicate")
    check_close(gradient, expected)
    smooth = composite.gradient_magnitude(x, response_epsilon=0.5, border="valid")
    expected = reference.gradient_magnitude(x.numpy(), response_epsilon=0.5, border="valid")
    check_close(smooth, expected)
