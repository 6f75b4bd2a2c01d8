"""Bad options and parameters: exceptions that name what they got and what is needed."""

import re

import keras
import numpy as np
import pytest
from family_options import PENALTIES, RESPONSES

import gradops

IMAGE_OPTIONS = ("stencil", "border", "scale", "data_format")
GOOD = np.zeros((2, 4, 5, 3), "float32")
# Typed: the names and their order are what users rely on.
ALLOWED = {
    "stencil": "'sobel', 'scharr', 'prewitt', 'central', 'forward', "
    "'backward', 'laplace', 'laplace8'",
    "penalty": "'l1', 'l2', 'charbonnier', 'huber', 'log', 'power', 'truncated'",
    "response": "'component', 'magnitude', 'absolute', 'direction', 'normal', 'sum'",
    "border": "'reflect', 'replicate', 'zero', 'circular', 'valid'",
    "scale": "'raw', 'unit'",
    "normalizer": "'residuals', 'pixels', 'batch', 'residual_count', 'pixel_count'",
    "data_format": "'channels_last', 'channels_first'",
}
OPTION_CALLS = {
    "gradient_loss": lambda **options: gradops.gradient_loss(GOOD, GOOD, **options),
    "value_and_gradient": lambda **options: gradops.value_and_gradient(GOOD, GOOD, **options),
    "gradient_sums": lambda **options: gradops.gradient_sums(GOOD, GOOD, **options),
    "GradientLoss": gradops.GradientLoss,
    "image_gradients": lambda **options: gradops.image_gradients(GOOD, **options),
    "gradient_magnitude": lambda **options: gradops.gradient_magnitude(GOOD, **options),
}


@pytest.mark.parametrize("call", OPTION_CALLS)
def test_options_list_what_exists(call):
    options = IMAGE_OPTIONS if call in ("image_gradients", "gradient_magnitude") else ALLOWED
    options = set(options) - ({"normalizer"} if call == "gradient_sums" else set())
    for option in options:
        check_that_an_option_lists_what_exists(option, OPTION_CALLS[call])


def check_that_an_option_lists_what_exists(option, call):
    for wrong in ("laplacian", "", "none", None, 3, ["l1"], np.array(["l1", "l2"])):
        if option == "data_format" and wrong is None:
            continue  # allowed there
        message = re.escape(f"{option} must be one of {ALLOWED[option]}, got {wrong!r}")
        with pytest.raises(ValueError, match=message):
            call(**{option: wrong})


@pytest.mark.parametrize("call", OPTION_CALLS)
def test_options_that_do_not_exist(call):
    with pytest.raises(TypeError, match="unexpected keyword argument 'sharpness'"):
        OPTION_CALLS[call](sharpness=1)
    if call == "gradient_sums":
        with pytest.raises(TypeError, match="unexpected keyword argument 'normalizer'"):
            OPTION_CALLS[call](normalizer="residuals")


def test_reduction():
    with pytest.raises(ValueError, match="one of 'mean', 'sum', 'none', got 'max'"):
        gradops.value_and_gradient(GOOD, GOOD, reduction="max")
    with pytest.raises(ValueError, match="reduction"):
        gradops.SobelLoss(reduction="max")


def test_keras_losses():
    message = r"dtype must be one of 'float16', 'bfloat16', 'float32', 'float64', got 'int32'"
    with pytest.raises(ValueError, match=message):
        gradops.SobelLoss(dtype="int32")


def test_another_keras_backend(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="needs the TensorFlow backend of Keras, got 'jax'"):
        gradops.SobelLoss()


OWNERS = {
    "charbonnier": "epsilon",
    "log": "epsilon",
    "huber": "delta",
    "power": "alpha",
    "truncated": "delta",
}
CALLS = [OPTION_CALLS[name] for name in ("gradient_loss", "gradient_sums", "GradientLoss")]
NO_NUMBERS = [
    *(True, False, np.True_, "1", "", b"1", [1.0], (), {}, 1j, object(), np.ones(2)),
    *(np.nan, np.inf, -np.inf, np.float32("nan"), 10**400, -(10**400)),
]


def refuses(message, *calls, **options):
    for call in calls:
        with pytest.raises(ValueError, match=re.escape(message)):
            call(**options)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_parameters_of_another_penalty(penalty):
    for name in {"epsilon", "delta", "alpha"} - {OWNERS.get(penalty)}:
        message = f"{name} is not a parameter of penalty '{penalty}', got {name}=1.5"
        refuses(message, *CALLS, penalty=penalty, **{name: 1.5})
        if penalty in OWNERS:  # also beside the right one
            both = {OWNERS[penalty]: 1.0, name: 1.5}
            refuses(message, *CALLS, penalty=penalty, **both)
    for call in CALLS:
        call(penalty=penalty, epsilon=None, delta=None, alpha=None)


@pytest.mark.parametrize("response", RESPONSES)
def test_response_epsilon_of_another_response(response):
    if response in ("magnitude", "direction"):
        for call in CALLS:
            call(response=response, response_epsilon=0)
        return
    message = (
        f"response_epsilon is not a parameter of response '{response}', got response_epsilon=0"
    )
    refuses(message, *CALLS, response=response, response_epsilon=0)


@pytest.mark.parametrize("penalty", OWNERS)
def test_values_of_a_penalty_s_parameter(penalty):
    name = OWNERS[penalty]
    bound = "of at least 1" if name == "alpha" else "above 0"
    out_of_range = [0.999, 0, -2, 1 - 1e-9] if name == "alpha" else [0, 0.0, -0.0, -1e-3]
    for value in (*NO_NUMBERS, *out_of_range, np.float32(-1)):
        message = f"{name} must be a finite number {bound}, got {value!r}"
        refuses(message, *CALLS, penalty=penalty, **{name: value})


@pytest.mark.parametrize("response", ["magnitude", "direction"])
def test_values_of_response_epsilon(response):
    for value in (*NO_NUMBERS, -1e-9, -1):
        message = f"response_epsilon must be a finite number of at least 0, got {value!r}"
        refuses(message, *CALLS, response=response, response_epsilon=value)
        refuses(message, OPTION_CALLS["gradient_magnitude"], response_epsilon=value)


@pytest.mark.parametrize("name", ["epsilon", "response_epsilon"])
def test_a_bool_is_no_number_even_if_that_number_came_before(name):
    """The options that were checked are kept; True == 1 must not find those of 1."""
    options = {"penalty": "log", "response": "magnitude"}
    gradops.gradient_loss(GOOD, GOOD, **options, **{name: 1})
    refuses("got True", CALLS[0], **options, **{name: True})


def test_any_real_number_will_do():
    y_pred = np.random.default_rng(0).normal(size=(1, 4, 5, 1))
    plain = gradops.gradient_loss(None, y_pred, penalty="huber", delta=2.0)
    for number in (2, np.float32(2), np.float64(2), np.int8(2), np.uint64(2)):
        given = gradops.gradient_loss(None, y_pred, penalty="huber", delta=number)
        np.testing.assert_array_equal(plain, given)


def test_weight_of_a_keras_loss():
    for value in NO_NUMBERS:
        message = f"weight must be a finite number, got {value!r}"
        refuses(message, gradops.GradientLoss, weight=value)


def test_sobel_loss():
    refuses(
        "stencil of SobelLoss must be 'sobel', got 'scharr'; use GradientLoss",
        gradops.SobelLoss,
        stencil="scharr",
    )
    refuses("delta is not a parameter of penalty 'l1'", gradops.SobelLoss, delta=1.0)
