"""Every bad input gives an exception that names the argument, what it got and what it needs."""

import re

import numpy as np
import pytest
import tensorflow as tf

import gradops
from gradops import _library

GOOD = np.zeros((2, 4, 5, 3), "float32")
PAIR_CALLS = {
    "gradient_loss": gradops.gradient_loss,
    "value_and_gradient": gradops.value_and_gradient,
    "SobelLoss": lambda t, p: gradops.SobelLoss()(t, p),
}
RANK_3 = r" must have rank 4 \[B, H, W, C\], got shape \[4,5,3\]"
BAD_PAIRS = {
    "rank of y_true": (
        GOOD[0],
        GOOD,
        "y_true" + RANK_3,
    ),
    "rank of y_pred": (
        GOOD,
        GOOD[0],
        "y_pred" + RANK_3,
    ),
    "batch": (GOOD[:1], GOOD, r"same shape, got \[1,4,5,3\] and \[2,4,5,3\]"),
    "width": (GOOD, GOOD[:, :, :4], r"same shape, got \[2,4,5,3\] and \[2,4,4,3\]"),
    "channels": (GOOD, GOOD[..., :1], r"same shape, got \[2,4,5,3\] and \[2,4,5,1\]"),
    "height too small": (GOOD[:, :1], GOOD[:, :1], r"'reflect' needs .* at least 2, got height 1"),
    "width too small": (GOOD[:, :, :1], GOOD[:, :, :1], r"at least 2, got height 4 and width 1"),
    "no rows": (GOOD[:, :0], GOOD[:, :0], r"at least 2, got height 0"),
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
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        function(tf.constant(y_true), tf.constant(y_pred))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD[0], "images" + RANK_3),
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


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "bfloat16", "complex64"])
def test_dtype_of_the_prediction(dtype):
    y_pred = tf.cast(GOOD, dtype)
    message = f"y_pred must have one of the dtypes float32, float64, got {dtype}"
    for call in (gradops.gradient_loss, gradops.value_and_gradient):
        with pytest.raises(ValueError, match=message):
            call(GOOD, y_pred)
    with pytest.raises(ValueError, match=message.replace("y_pred", "images")):
        gradops.sobel_edges(y_pred)


BAD_OPTIONS = {
    "stencil": ("laplace", "'sobel'"),
    "penalty": ("huber", "'l1', 'l2'"),
    "response": ("magnitude", "'component'"),
    "border": ("replicate", "'reflect'"),
    "scale": ("unit", "'raw'"),
    "data_format": ("channels_first", "'channels_last'"),
}


@pytest.mark.parametrize("option", BAD_OPTIONS)
@pytest.mark.parametrize("value", ["as listed", "", None, 3, ["l1"]])
def test_options_list_what_exists(option, value):
    wrong, allowed = BAD_OPTIONS[option]
    if option == "data_format" and value is None:
        value = "as listed"  # None is allowed there
    wrong = wrong if value == "as listed" else value
    message = re.escape(f"{option} must be one of {allowed}, got {wrong!r}")
    calls = [
        lambda **options: gradops.gradient_loss(GOOD, GOOD, **options),
        lambda **options: gradops.value_and_gradient(GOOD, GOOD, **options),
        gradops.GradientLoss,
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call(**{option: wrong})


def test_channels_first_as_the_keras_default(monkeypatch):
    import keras

    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(ValueError, match="data_format must be one of 'channels_last'"):
        gradops.gradient_loss(GOOD, GOOD)


def test_reduction():
    with pytest.raises(ValueError, match="one of 'mean', 'sum', 'none', got 'max'"):
        gradops.value_and_gradient(GOOD, GOOD, reduction="max")
    with pytest.raises(ValueError, match="reduction"):
        gradops.SobelLoss(reduction="max")


def test_keras_losses():
    with pytest.raises(ValueError, match=r"dtype must be .* 'float64', got 'float16'"):
        gradops.SobelLoss(dtype="float16")
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
    with pytest.raises(ValueError, match=r"y_true (cannot be converted|must have a real dtype)"):
        gradops.gradient_loss(value, GOOD)
    with pytest.raises(ValueError, match=r"y_pred (cannot be converted|must have one of)"):
        gradops.gradient_loss(GOOD, value)


# The raw ops


def raw(name, *args, **attributes):
    attributes = {"Tloss": tf.float32, **attributes} if name == "gradops_loss" else attributes
    return getattr(_library.ops(), name)(*args, **attributes)


IMAGES = tf.constant(GOOD)
TWO = tf.ones([2])
RAW_CASES = {
    "mismatched dtypes": (
        lambda: raw("gradops_loss", IMAGES, tf.cast(IMAGES, tf.float64)),
        "float tensor but is a double tensor|type float64 that does not match type float32",
    ),
    "wrong loss type": (
        lambda: raw("gradops_loss", IMAGES, IMAGES, Tloss=tf.float64),
        "Gradops>Loss",
    ),
    "unknown penalty": (
        lambda: raw("gradops_loss", IMAGES, IMAGES, penalty="l3"),
        "penalty.*l3.* not in",
    ),
    "expected": (
        lambda: raw("gradops_loss_memo", IMAGES, IMAGES, tf.ones([3])),
        r"expected must be a scalar or have shape \[2\], got \[3\]",
    ),
    "expected of rank 2": (
        lambda: raw("gradops_loss_memo", IMAGES, IMAGES, tf.ones([2, 1])),
        r"expected must be a scalar or have shape \[2\], got \[2,1\]",
    ),
    "upstream": (
        lambda: raw("gradops_loss_grad", IMAGES, IMAGES, IMAGES, TWO, tf.ones([5])),
        r"upstream must be a scalar or have shape \[2\], got \[5\]",
    ),
    "memo": (
        lambda: raw("gradops_loss_grad", IMAGES, IMAGES, IMAGES[:1], TWO, TWO),
        r"memo must be empty or have the shape of y_pred, \[2,4,5,3\], got \[1,4,5,3\]",
    ),
    "rank of the adjoint's upstream": (
        lambda: raw("gradops_image_gradients_adjoint", IMAGES),
        r"upstream must have rank 5 \[B, H, W, C, 2\]",
    ),
    "components of the adjoint's upstream": (
        lambda: raw("gradops_image_gradients_adjoint", tf.zeros([1, 4, 4, 1, 3])),
        r"upstream must have 2 components in its last axis",
    ),
}


@pytest.mark.parametrize("case", RAW_CASES)
@pytest.mark.parametrize("graph", [False, True])
def test_raw_ops(case, graph):
    call, message = RAW_CASES[case]
    expected = (tf.errors.OpError, ValueError, TypeError)
    if graph:
        message = message.replace(",", ",? ?").replace(r"\[2\]", r"\[(2|B)\]")
    with pytest.raises(expected, match=message):
        (tf.function(call) if graph else call)()
