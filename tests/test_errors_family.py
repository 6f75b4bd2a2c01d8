"""Bad parameters of the family: exceptions that name what they got and what is needed."""

import functools
import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
from family_options import PENALTIES, RESPONSES, STENCILS
from op_tools import at_run_time

import gradops

GOOD = np.zeros((2, 4, 5, 3), "float32")
OWNERS = {"charbonnier": "epsilon", "log": "epsilon", "huber": "delta", "power": "alpha"}
CALLS = {
    "gradient_loss": lambda **options: gradops.gradient_loss(GOOD, GOOD, **options),
    "value_and_gradient": lambda **options: gradops.value_and_gradient(GOOD, GOOD, **options),
    "gradient_sums": lambda **options: gradops.gradient_sums(GOOD, GOOD, **options),
    "GradientLoss": gradops.GradientLoss,
}
NO_NUMBERS = [
    *(True, False, np.True_, "1", "", b"1", [1.0], (), {}, 1j, object(), np.ones(2)),
    *(np.nan, np.inf, -np.inf, np.float32("nan"), 10**400, -(10**400)),
]
calls = pytest.mark.parametrize("call", CALLS)


def refuses(message, call, error=ValueError, **options):
    with pytest.raises(error, match=re.escape(message)):
        call(**options)


@calls
@pytest.mark.parametrize("penalty", PENALTIES)
def test_parameters_of_another_penalty(call, penalty):
    for name in {"epsilon", "delta", "alpha"} - {OWNERS.get(penalty)}:
        message = f"{name} is not a parameter of penalty '{penalty}', got {name}=1.5"
        refuses(message, CALLS[call], penalty=penalty, **{name: 1.5})
        if penalty in OWNERS:  # also beside the right one
            both = {OWNERS[penalty]: 1.0, name: 1.5}
            refuses(message, CALLS[call], penalty=penalty, **both)
    CALLS[call](penalty=penalty, epsilon=None, delta=None, alpha=None)


@calls
@pytest.mark.parametrize("response", RESPONSES)
def test_response_epsilon_of_another_response(call, response):
    if response in ("magnitude", "direction"):
        CALLS[call](response=response, response_epsilon=0)
        return
    message = (
        f"response_epsilon is not a parameter of response '{response}', got response_epsilon=0"
    )
    refuses(message, CALLS[call], response=response, response_epsilon=0)


@calls
@pytest.mark.parametrize("penalty", OWNERS)
def test_values_of_a_penalty_s_parameter(call, penalty):
    name = OWNERS[penalty]
    bound = "of at least 1" if name == "alpha" else "above 0"
    out_of_range = [0.999, 0, -2, 1 - 1e-9] if name == "alpha" else [0, 0.0, -0.0, -1e-3]
    for value in (*NO_NUMBERS, *out_of_range, np.float32(-1)):
        message = f"{name} must be a finite number {bound}, got {value!r}"
        refuses(message, CALLS[call], penalty=penalty, **{name: value})


@pytest.mark.parametrize("call", [*CALLS, "gradient_magnitude"])
@pytest.mark.parametrize("response", ["magnitude", "direction"])
def test_values_of_response_epsilon(call, response):
    if call == "gradient_magnitude":
        run, options = lambda **options: gradops.gradient_magnitude(GOOD, **options), {}
    else:
        run, options = CALLS[call], {"response": response}
    for value in (*NO_NUMBERS, -1e-9, -1):
        message = f"response_epsilon must be a finite number of at least 0, got {value!r}"
        refuses(message, run, response_epsilon=value, **options)


@pytest.mark.parametrize("name", ["epsilon", "response_epsilon"])
def test_a_bool_is_no_number_even_if_that_number_came_before(name):
    """The options that were checked are kept; True == 1 must not find those of 1."""
    options = {"penalty": "log", "response": "magnitude"}
    gradops.gradient_loss(GOOD, GOOD, **options, **{name: 1})
    refuses("got True", CALLS["gradient_loss"], **options, **{name: True})


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.float64(2), np.int8(2), np.uint64(2)])
def test_any_real_number_will_do(number):
    y_pred = np.random.default_rng(0).normal(size=(1, 4, 5, 1))
    plain, given = (
        gradops.gradient_loss(None, y_pred, penalty="huber", delta=x) for x in (2.0, number)
    )
    np.testing.assert_array_equal(plain, given)


@pytest.mark.parametrize("value", [x for x in NO_NUMBERS if x is not False])
def test_weight_of_a_keras_loss(value):
    message = f"weight must be a finite number, got {value!r}"
    refuses(message, gradops.GradientLoss, weight=value)


def test_sobel_loss():
    refuses("'scharr'; use GradientLoss", gradops.SobelLoss, stencil="scharr")
    refuses("delta is not a parameter of penalty 'l1'", gradops.SobelLoss, delta=1.0)


# Sizes

MINIMUM = {"reflect": 2, "valid": 3}


@pytest.mark.parametrize("stencil", STENCILS)
@pytest.mark.parametrize("border", ["reflect", "replicate", "zero", "circular", "valid"])
def test_smallest_sizes(stencil, border):
    """Every function, in both formats, eager and where the graph did not know the shape."""
    minimum = MINIMUM.get(border, 1)
    if stencil == "forward":
        minimum = 2 if border == "valid" else 1
    options = {"stencil": stencil, "border": border}
    functions = {
        "y_pred": lambda x, **options: gradops.gradient_loss(None, x, **options),
        "images": gradops.image_gradients,
    }
    sizes = (minimum, minimum), (minimum - 1, 9), (9, minimum - 1)
    for argument, first, (height, width) in itertools.product(functions, (False, True), sizes):
        layout = {"data_format": "channels_first" if first else "channels_last"}
        function = functools.partial(functions[argument], **options, **layout)
        shape = [1, 2, height, width] if first else [1, height, width, 2]
        unknown = tf.function(function).get_concrete_function(tf.TensorSpec(None))
        message = (
            f"{argument} is too small: border '{border}' with stencil '{stencil}' needs height and "
            f"width of at least {minimum}, got height {height} and width {width}"
        )
        for call, text in ((function, message), (unknown, at_run_time(message))):
            if min(height, width) == minimum:
                call(tf.ones(shape))
                continue
            with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                call(tf.ones(shape))
        if min(height, width) < minimum:
            with pytest.raises(ValueError, match=message):
                tf.function(function).get_concrete_function(tf.TensorSpec(shape))


# One image


@pytest.mark.parametrize("shape", [(0,), (3,), (), (4, 5), (4, 5, 3), (1, 2, 4, 5, 3)])
@pytest.mark.parametrize("argument", ["y_true", "y_pred", "weights", "mask"])
def test_other_ranks(shape, argument):
    """Also that of the vector of no numbers which stands for None inside."""
    given = {"y_true": GOOD, "y_pred": GOOD, "weights": GOOD, "mask": GOOD == 0}
    given[argument] = np.zeros(shape, bool if argument == "mask" else "float32")
    message = unknown_message = f"{argument} must have rank 4.*got shape"
    if argument == "y_pred":
        rank = len(shape)
        few, other = "y_pred must have rank 3 or more", f"y_true must have rank {rank} as y_pred"
        message = f"{other if rank > 2 else few}.*got shape"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        gradops.gradient_loss(**given)
    known = {key: tf.TensorSpec(x.shape, x.dtype) for key, x in given.items()}
    unknown = {key: tf.TensorSpec(None, x.dtype) for key, x in given.items()}
    function = tf.function(lambda given: gradops.gradient_loss(**given))
    with pytest.raises(ValueError, match=message):
        function.get_concrete_function(known)
    with pytest.raises(tf.errors.InvalidArgumentError, match=unknown_message):
        function.get_concrete_function(unknown)({k: tf.constant(x) for k, x in given.items()})


def test_no_prediction():
    for call in (gradops.gradient_loss, gradops.value_and_gradient, gradops.gradient_sums):
        with pytest.raises(ValueError, match="y_pred cannot be converted to a tensor"):
            call(GOOD, None)
    assert gradops.gradient_loss(None, GOOD).shape == 2
