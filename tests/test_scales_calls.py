"""How losses over several scales are called: graphs, XLA, Keras, videos, cached gradients, and what
is refused. Their numbers: test_scales.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from family_options import DOWNSAMPLES
from op_tools import assert_close, images

import gradops

both_backends = pytest.mark.usefixtures("backend")
downsamples = pytest.mark.parametrize("downsample", DOWNSAMPLES)


@downsamples
def test_xla_and_vectorized_map_have_the_same_bits(rng, downsample):
    y_true, y_pred = images(rng, (4, 2, 20, 24, 3), "float32")

    def step(y_true, y_pred):
        return gradops.value_and_gradient(
            y_true, y_pred, reduction="sum", scales=2, downsample=downsample
        )

    wanted = step(y_true[0], y_pred[0])
    jitted = tf.function(step, jit_compile=True)
    text = jitted.experimental_get_compiler_ir(y_true[0], y_pred[0])(stage="hlo")
    assert text.count("custom_call_target=") == 2 and "gradops" in text
    mapped = tf.vectorized_map(lambda pair: step(*pair), (y_true, y_pred))
    for ours, of_map, theirs in zip(jitted(y_true[0], y_pred[0]), mapped, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(of_map[0], theirs)


@pytest.mark.parametrize(
    ("backend", "downsample", "jit"),
    [
        ("fused", "stride", True),
        ("fused", "average", False),
        ("composite", "stride", False),
        ("composite", "average", True),
    ],
    indirect=["backend"],
)
def test_in_a_graph(rng, backend, downsample, jit):
    """Also of sizes that it does not know."""
    y_true, y_pred = images(rng, (2, 17, 19, 3))

    def step(y_true, y_pred):
        options = dict(scales=3, downsample=downsample)
        return gradops.value_and_gradient(y_true, y_pred, **options)

    spec = None if jit else [tf.TensorSpec([None] * 4, tf.float64)] * 2
    compiled = tf.function(step, jit_compile=jit, input_signature=spec)
    for ours, theirs in zip(compiled(y_true, y_pred), step(y_true, y_pred), strict=True):
        assert_close(ours, theirs)


@both_backends
@downsamples
def test_keras_loss(rng, downsample):
    y_true, y_pred = images(rng, (4, 16, 12, 3), "float32")
    options = dict(scales=3, downsample=downsample, scale_weights=[1.0, 0.5, 0.25])
    loss = gradops.SobelLoss("l2", weight=2.0, **options)
    wanted = gradops.gradient_loss(y_true, y_pred, penalty="l2", **options)
    assert_close(loss(y_true, y_pred), 2 * tf.reduce_mean(wanted), "float32")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert_close(again(y_true, y_pred), loss(y_true, y_pred), "float32")
    holes = tf.where(y_true > 0.9, np.nan, y_true)
    of_holes = gradops.SobelLoss(mask="finite", **options)(holes, y_pred)
    mask = tf.math.is_finite(holes)
    wanted = gradops.gradient_loss(holes, y_pred, mask=mask, **options)
    assert_close(of_holes, tf.reduce_mean(wanted), "float32")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scales": 0}, "scales must be an integer from 1 to 16, got 0"),
        ({"scales": 2.0}, "scales must be an integer from 1 to 16, got 2.0"),
        ({"scales": 17}, "scales must be an integer from 1 to 16, got 17"),
        ({"downsample": "max"}, "downsample must be one of 'stride', 'average', got 'max'"),
        ({"scales": 2, "scale_weights": [1.0]}, "scale_weights must be 2 finite numbers"),
        ({"scales": 2, "scale_weights": [1, -1]}, "scale_weights must be 2 finite numbers"),
        ({"scales": 1, "scale_weights": [float("nan")]}, "scale_weights must be 1 finite numbers"),
        ({"scales": 1, "scale_weights": 3.0}, r"scale_weights must be 1 .* got 3\.0"),
    ],
)
def test_bad_options(options, message):
    image = tf.zeros([1, 8, 8, 1])
    with pytest.raises(ValueError, match=message):
        gradops.gradient_loss(image, image, **options)
    with pytest.raises(ValueError, match=message):
        gradops.SobelLoss(**options)


@both_backends
@pytest.mark.parametrize(
    "downsample, border, least", [("stride", "reflect", 9), ("average", "reflect", 16)]
)
def test_too_many_scales(downsample, border, least):
    options = dict(scales=4, downsample=downsample, border=border)
    gradops.gradient_loss(tf.zeros([1, least, least, 1]), tf.zeros([1, least, least, 1]), **options)
    small = tf.zeros([1, 30, least - 1, 1])
    message = (
        f"y_pred is too small for scales=4 with downsample '{downsample}': .* at least {least}, "
        f"got height 30 and width {least - 1}"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        gradops.gradient_loss(small, small, **options)
    with pytest.raises(ValueError, match=message):
        tf.function(gradops.gradient_loss).get_concrete_function(small, small, **options)
    unknown = tf.function(
        lambda x: gradops.gradient_loss(x, x, **options),
        input_signature=[tf.TensorSpec([None] * 4)],
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="y_pred is too small"):
        unknown(small)
