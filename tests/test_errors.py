"""Every bad input gives an exception that names the argument, what it got and what it needs."""

import re

import numpy as np
import pytest
import tensorflow as tf
from op_tools import at_run_time

import gradops

IMAGE_OPTIONS = ("stencil", "border", "scale", "data_format")

GOOD = np.zeros((2, 4, 5, 3), "float32")
PAIR_CALLS = {
    "gradient_loss": gradops.gradient_loss,
    "value_and_gradient": gradops.value_and_gradient,
    "SobelLoss": lambda t, p: gradops.SobelLoss()(t, p),
}
RANK_3 = r" must have rank 4 \[B, H, W, C\], got shape \[4,5,3\]"
SMALL = (
    "y_pred is too small: border 'reflect' with stencil 'sobel' needs height and width of at "
    "least 2, got "
)
BAD_PAIRS = {
    "rank of y_true": (
        GOOD[0],
        GOOD,
        "y_true" + RANK_3,
    ),
    "rank of y_pred": (
        GOOD,
        GOOD[..., 0, 0],
        r"y_pred must have rank (3|4).*, got shape \[2,4\]",
    ),
    "batch": (GOOD[:1], GOOD, r"same shape, got \[1,4,5,3\] and \[2,4,5,3\]"),
    "width": (GOOD, GOOD[:, :, :4], r"same shape, got \[2,4,5,3\] and \[2,4,4,3\]"),
    "channels": (GOOD, GOOD[..., :1], r"same shape, got \[2,4,5,3\] and \[2,4,5,1\]"),
    "height too small": (GOOD[:, :1], GOOD[:, :1], SMALL + "height 1 and width 5"),
    "width too small": (GOOD[:, :, :1], GOOD[:, :, :1], SMALL + "height 4 and width 1"),
    "no rows": (GOOD[:, :0], GOOD[:, :0], SMALL + "height 0 and width 5"),
}


@pytest.mark.parametrize("call", PAIR_CALLS)
@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_shapes_eager(call, case):
    y_true, y_pred, message = BAD_PAIRS[case]
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
        PAIR_CALLS[call](y_true, y_pred)


@pytest.mark.parametrize("call", PAIR_CALLS)
@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_shapes_at_graph_construction(call, case):
    y_true, y_pred, message = BAD_PAIRS[case]
    message = message.replace(",", ",? ?")  # graphs write a shape with other spaces
    specs = [tf.TensorSpec(a.shape, a.dtype) for a in (y_true, y_pred)]
    with pytest.raises(ValueError, match=message):
        tf.function(PAIR_CALLS[call]).get_concrete_function(*specs)


@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_shapes_that_the_graph_did_not_know(case):
    y_true, y_pred, message = BAD_PAIRS[case]
    spec = tf.TensorSpec(None, tf.float32)
    function = tf.function(gradops.gradient_loss).get_concrete_function(spec, spec)
    with pytest.raises(tf.errors.InvalidArgumentError, match=at_run_time(message)):
        function(tf.constant(y_true), tf.constant(y_pred))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD[..., 0, 0], r"images must have rank 3 or more, .*, got shape \[2,4\]"),
        (GOOD[:, :1], r"images is too small: .* got height 1 and width 5"),
    ],
)
def test_sobel_edges(images, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        gradops.sobel_edges(images)
    with pytest.raises(ValueError, match=message.replace(",", ",? ?")):
        tf.function(gradops.sobel_edges).get_concrete_function(
            tf.TensorSpec(images.shape, tf.float32)
        )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "complex64"])
def test_dtype_of_the_prediction(dtype):
    y_pred = tf.cast(GOOD, dtype)
    dtypes = "float16, bfloat16, float32, float64"
    message = f"y_pred must have one of the dtypes {dtypes}, got {dtype}"
    for call in (gradops.gradient_loss, gradops.value_and_gradient, gradops.gradient_sums):
        with pytest.raises(ValueError, match=message):
            call(GOOD, y_pred)
    for call in (gradops.sobel_edges, gradops.image_gradients, gradops.gradient_magnitude):
        with pytest.raises(ValueError, match=message.replace("y_pred", "images")):
            call(y_pred)


ALLOWED = {
    "stencil": "'sobel', 'scharr', 'prewitt', 'central', 'forward'",
    "penalty": "'l1', 'l2', 'charbonnier', 'huber', 'log', 'power'",
    "response": "'component', 'magnitude', 'absolute', 'direction', 'normal'",
    "border": "'reflect', 'replicate', 'zero', 'circular', 'valid'",
    "scale": "'raw', 'unit'",
    "normalizer": "'residuals', 'pixels', 'batch'",
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
    for wrong in ("laplace", "", "none", None, 3, ["l1"], np.array(["l1", "l2"])):
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
    with pytest.raises(ValueError, match="stencil of SobelLoss is 'sobel', got 'scharr'"):
        gradops.SobelLoss(stencil="scharr")


def test_another_keras_backend(monkeypatch):
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="needs the TensorFlow backend of Keras, got 'jax'"):
        gradops.SobelLoss()


def test_ragged_images():
    ragged = tf.ragged.constant([[[[1.0]], [[2.0], [3.0]]]])
    with pytest.raises(ValueError, match="y_pred must be a dense tensor, got a RaggedTensor"):
        gradops.gradient_loss(GOOD, ragged)
    with pytest.raises(ValueError, match="y_true must be a dense tensor, got a RaggedTensor"):
        gradops.gradient_loss(ragged, GOOD)


@pytest.mark.parametrize("value", [None, object(), "text", [[1.0], [2.0, 3.0]], 1j * GOOD])
def test_what_is_no_image(value):
    if value is not None:  # one image
        message = r"y_true (cannot be converted|must have a real dtype)"
        with pytest.raises(ValueError, match=message):
            gradops.gradient_loss(value, GOOD)
    with pytest.raises(ValueError, match=r"y_pred (cannot be converted|must have one of)"):
        gradops.gradient_loss(GOOD, value)
