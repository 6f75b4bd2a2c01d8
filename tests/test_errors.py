"""Bad images: exceptions that name the argument, what it got and what it needs."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from family_options import BORDERS, DATA_FORMATS, STENCILS
from family_tools import smallest
from op_tools import at_run_time, pairs_of

import gradops

both_backends = pytest.mark.usefixtures("backend")

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


@both_backends
@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_shapes(case):
    """In eager mode, at graph construction and where the graph did not know the shape."""
    y_true, y_pred, message = BAD_PAIRS[case]
    in_graphs = message.replace(",", ",? ?")  # which write a shape with other spaces
    specs = [tf.TensorSpec(a.shape, a.dtype) for a in (y_true, y_pred)]
    for call in PAIR_CALLS.values():
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            call(y_true, y_pred)
        with pytest.raises(ValueError, match=in_graphs):
            tf.function(call).get_concrete_function(*specs)
    unknown = tf.TensorSpec(None, tf.float32)
    function = tf.function(gradops.gradient_loss).get_concrete_function(unknown, unknown)
    with pytest.raises(tf.errors.InvalidArgumentError, match=at_run_time(message)):
        function(tf.constant(y_true), tf.constant(y_pred))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD[..., 0], r"images must have rank 4 .* or more, got shape \[2,4,5\]; \[None\] adds"),
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


def test_ragged_images():
    ragged = tf.ragged.constant([[[[1.0]], [[2.0], [3.0]]]])
    with pytest.raises(ValueError, match="y_pred must be a dense tensor, got a RaggedTensor"):
        gradops.gradient_loss(GOOD, ragged)
    with pytest.raises(ValueError, match="y_true must be a dense tensor, got a RaggedTensor"):
        gradops.gradient_loss(ragged, GOOD)


@pytest.mark.parametrize("value", [None, object(), "text", [[1.0], [2.0, 3.0]], 1j * GOOD])
def test_what_is_no_image(value):
    if value is not None:  # one image
        message = r"y_true must (be convertible|have a real dtype)"
        with pytest.raises(ValueError, match=message):
            gradops.gradient_loss(value, GOOD)
    with pytest.raises(ValueError, match=r"y_pred must (be convertible|have one of)"):
        gradops.gradient_loss(GOOD, value)


@pairs_of(
    backend=["fused", "composite"],
    stencil=STENCILS,
    border=BORDERS,
    argument=["y_pred", "images"],
    data_format=DATA_FORMATS,
    axis=["height", "width"],
)
def test_smallest_sizes(backend, stencil, border, argument, data_format, axis):
    """Eager and where the graph knew the shape or did not."""
    minimum = smallest(stencil, border)
    functions = {
        "y_pred": lambda x, **options: gradops.gradient_loss(None, x, **options),
        "images": gradops.image_gradients,
    }
    options = {"stencil": stencil, "border": border, "data_format": data_format}
    function = functools.partial(functions[argument], **options)

    def images(height, width):
        shape = [1, 2, height, width] if data_format == "channels_first" else [1, height, width, 2]
        return tf.ones(shape)

    assert tf.size(function(images(minimum, minimum))) > 0
    height, width = (minimum - 1, 9) if axis == "height" else (9, minimum - 1)
    small = images(height, width)
    message = (
        f"{argument} is too small: border '{border}' with stencil '{stencil}' needs height and "
        f"width of at least {minimum}, got height {height} and width {width}"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        function(small)
    with pytest.raises(ValueError, match=message):
        tf.function(function).get_concrete_function(tf.TensorSpec(small.shape))
    unknown = tf.function(function).get_concrete_function(tf.TensorSpec(None))
    with pytest.raises(tf.errors.InvalidArgumentError, match=at_run_time(message)):
        unknown(small)


@pairs_of(
    backend=["fused", "composite"],
    shape=[(0,), (3,), (), (4, 5), (4, 5, 3), (1, 2, 4, 5, 3)],
    argument=["y_true", "y_pred", "weights", "mask"],
)
def test_other_ranks(backend, shape, argument):
    """Also that of the empty tensor which stands for None inside."""
    given = {"y_true": GOOD, "y_pred": GOOD, "weights": GOOD, "mask": GOOD == 0}
    given[argument] = np.zeros(shape, bool if argument == "mask" else "float32")
    message = unknown_message = f"{argument} must have rank 4.*got shape"
    if argument == "y_pred":
        rank = len(shape)
        few = r"y_pred must have rank 4 \[B, H, W, C\] or \[B, C, H, W\], or more"
        other = f"y_true must have rank {rank} as y_pred"
        message = f"{other if rank > 4 else few}.*got shape"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        gradops.gradient_loss(**given)
    known = {key: tf.TensorSpec(x.shape, x.dtype) for key, x in given.items()}
    unknown = {key: tf.TensorSpec(None, x.dtype) for key, x in given.items()}
    function = tf.function(lambda given: gradops.gradient_loss(**given))
    with pytest.raises(ValueError, match=message):
        function.get_concrete_function(known)
    with pytest.raises(tf.errors.InvalidArgumentError, match=unknown_message):
        function.get_concrete_function(unknown)({k: tf.constant(x) for k, x in given.items()})


def test_shapes_of_tensorflow_1():
    """Their sizes compare as neither equal nor unequal: nothing would be checked."""
    calls = [gradops.gradient_loss, gradops.composite.gradient_loss, gradops.presets.gmsd]
    tf.compat.v1.disable_v2_tensorshape()
    try:
        for call in calls:
            with pytest.raises(ValueError, match="shapes must be those of TensorFlow 2, got Dim"):
                call(GOOD, GOOD)
    finally:
        tf.compat.v1.enable_v2_tensorshape()
    gradops.gradient_loss(GOOD, GOOD)
