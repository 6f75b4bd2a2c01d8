"""The composition by its own names: bad options and dtypes, in its own words.

Shapes, sizes, weights and masks: test_errors.py and test_errors_maps.py, on both backends.
"""

import re

import numpy as np
import pytest
import tensorflow as tf
from op_tools import each

from gradops import composite

GOOD = np.zeros((2, 4, 5, 3), np.float32)
LOSSES = ["gradient_loss", "value_and_gradient", "gradient_sums"]
IMAGES = ["image_gradients", "gradient_magnitude"]
OPTIONS = {
    "stencil": "'sobel', 'scharr', 'prewitt', 'central', 'forward'",
    "border": "'reflect', 'replicate', 'zero', 'circular', 'valid'",
    "scale": "'raw', 'unit'",
    "data_format": "'channels_last', 'channels_first'",
    "penalty": "'l1', 'l2', 'charbonnier', 'huber', 'log', 'power'",
    "response": "'component', 'magnitude', 'absolute', 'direction', 'normal'",
    "normalizer": "'residuals', 'pixels', 'batch'",
}


def call(function, **options):
    images = [GOOD] if function in IMAGES else [GOOD, GOOD]
    return getattr(composite, function)(*images, **options)


@pytest.mark.parametrize("argument", OPTIONS)
def test_unknown_options(argument):
    for function in LOSSES + IMAGES:
        for value in ("wrong", 3, ["l1"]):
            check_unknown_option(function, argument, value)


def check_unknown_option(function, argument, value):
    if function in IMAGES and argument not in list(OPTIONS)[:4]:
        function = "gradient_loss"
    if function == "gradient_sums" and argument == "normalizer":
        function = "value_and_gradient"
    message = f"^{argument}: got {re.escape(repr(value))}, expected one of {OPTIONS[argument]}$"
    with pytest.raises(ValueError, match=message):
        call(function, **{argument: value})


def test_unknown_reduction():
    message = "^reduction: got 'wrong', expected one of 'mean', 'sum', 'none'$"
    with pytest.raises(ValueError, match=message):
        composite.value_and_gradient(GOOD, GOOD, reduction="wrong")


def test_data_format_none_is_that_of_keras():
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    before = tf.keras.backend.image_data_format()
    tf.keras.backend.set_image_data_format("channels_first")
    try:
        for name in ("gradient_magnitude", "image_gradients"):
            function = getattr(composite, name)
            expected = function(images, data_format="channels_first")
            np.testing.assert_array_equal(function(images), expected)
        loss = composite.gradient_loss(None, images)
        edges = composite.sobel_edges(images)
    finally:
        tf.keras.backend.set_image_data_format(before)
    expected = composite.gradient_loss(None, images, data_format="channels_first")
    np.testing.assert_array_equal(loss, expected)
    np.testing.assert_array_equal(edges, tf.image.sobel_edges(tf.constant(images)))


@each(LOSSES, ["gradient_loss"], name="function")
@pytest.mark.parametrize(
    "options, owner",
    [
        ({"epsilon": 0.5}, "penalty 'l1'"),
        ({"delta": 0.5}, "penalty 'l1'"),
        ({"penalty": "huber", "epsilon": 0.5}, "penalty 'huber'"),
        ({"penalty": "power", "delta": 0.5}, "penalty 'power'"),
        ({"penalty": "log", "alpha": 0.5}, "penalty 'log'"),
        ({"response_epsilon": 0.5}, "response 'component'"),
        ({"response": "normal", "response_epsilon": 0.5}, "response 'normal'"),
    ],
)
def test_parameters_of_something_else(function, options, owner):
    name = list(options)[-1]
    with pytest.raises(ValueError, match=f"^{name} is not a parameter of {owner}, got 0.5$"):
        call(function, **options)


@pytest.mark.parametrize(
    "options, least",
    [
        ({"penalty": "charbonnier", "epsilon": None}, "> 0"),
        ({"penalty": "log", "epsilon": None}, "> 0"),
        ({"penalty": "huber", "delta": None}, "> 0"),
        ({"penalty": "power", "alpha": None}, ">= 1"),
        ({"response": "magnitude", "response_epsilon": None}, ">= 0"),
        ({"response": "direction", "response_epsilon": None}, ">= 0"),
    ],
)
def test_parameters_out_of_range(options, least):
    for value in (0.0, -1, np.nan, np.inf, "1", True, [1.0]):
        check_out_of_range(options, least, value)


def check_out_of_range(options, least, value):
    name = list(options)[-1]
    options = {**options, name: value}
    if least == ">= 0" and value == 0:
        assert call("gradient_loss", **options).shape == (2,)
        return
    message = f"^{name}: got {re.escape(repr(value))}, expected a finite number {least}$"
    with pytest.raises(ValueError, match=message):
        call("gradient_loss", **options)


def test_response_epsilon_of_gradient_magnitude():
    with pytest.raises(
        ValueError, match=r"^response_epsilon: got -1, expected a finite number >= 0"
    ):
        composite.gradient_magnitude(GOOD, response_epsilon=-1)


def test_numbers_of_numpy_are_parameters():
    expected = call("gradient_loss", penalty="power", alpha=3.0)
    for alpha in (3, np.int64(3), np.float32(3)):
        np.testing.assert_array_equal(call("gradient_loss", penalty="power", alpha=alpha), expected)


DTYPES = "expected float16, bfloat16, float32 or float64"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((GOOD, GOOD.astype("int32")), "y_pred: got int32, " + DTYPES),
        ((GOOD, GOOD.astype("complex64")), "y_pred: got complex64, " + DTYPES),
        ((GOOD, GOOD, {"mask": GOOD}), "mask: got float32, expected bool"),
        (
            (GOOD, GOOD, {"weights": GOOD.astype("complex64")}),
            "weights: got complex64, expected a floating, integer or bool dtype",
        ),
    ],
)
@each(LOSSES, ["gradient_loss"], name="function")
def test_bad_dtypes(function, arguments, message):
    y_true, y_pred, *options = arguments
    with pytest.raises(ValueError, match=f"^{message}"):
        getattr(composite, function)(y_true, y_pred, **(options or [{}])[0])


def test_bad_images():
    for function in (
        composite.image_gradients,
        composite.gradient_magnitude,
        composite.sobel_edges,
    ):
        with pytest.raises(ValueError, match="^images: got uint8, " + DTYPES):
            function(GOOD.astype("uint8"))
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=r"^images must have rank 4 \[B, H, W, C\], got shape \[",
        ):
            function(GOOD[0])
