"""The TensorFlow composition on tf.image.sobel_edges, the default, against the NumPy reference."""

import numpy as np
import pytest
import tensorflow as tf

from gradops import composite, reference

PENALTIES = ["l1", "l2"]
SHAPES = [(1, 2, 2, 1), (3, 2, 5, 3), (2, 3, 2, 5), (3, 7, 11, 3)]
TOLERANCES = {"float32": 2e-5, "float64": 1e-12}
UNKNOWN = [tf.TensorSpec([None] * 4), tf.TensorSpec(None)]


def pair(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)


def check_loss(actual, y_true, y_pred, penalty):
    expected = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    assert actual.dtype == y_pred.dtype and actual.shape == expected.shape
    # Absolute too: taps that cancel exactly (all of a 2x2 image's) round to one ulp in TensorFlow.
    tolerance = TOLERANCES[y_pred.dtype.name]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def check_gradient(actual, expected, dtype):
    assert actual.dtype == dtype and actual.shape == expected.shape
    scale = max(1e-30, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCES[dtype] * scale)


@pytest.fixture(params=[None, "channels_last"])
def data_format(request):
    return request.param


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_matches_reference(dtype, penalty, shape, data_format):
    y_true, y_pred = pair(1, shape, dtype)
    loss = composite.gradient_loss(y_true, y_pred, penalty=penalty, data_format=data_format)
    check_loss(loss, y_true, y_pred, penalty)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_match_reference(dtype, penalty, shape):
    y_true, y_pred = pair(2, shape, dtype)
    upstream = np.linspace(-1.5, 2.5, shape[0])
    t, p = tf.constant(y_true), tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch([t, p])
        loss = composite.gradient_loss(t, p, penalty=penalty)
    gradients = tape.gradient(loss, [t, p], output_gradients=tf.constant(upstream, dtype))
    expected = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)
    for ours, theirs in zip(gradients, expected, strict=True):
        check_gradient(ours, theirs, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_value_and_gradient(dtype, penalty, reduction):
    y_true, y_pred = pair(3, (3, 5, 4, 2), dtype)
    losses = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    expected = {"mean": np.mean(losses), "sum": np.sum(losses), "none": losses}[reduction]
    upstream = np.full(3, 1 / 3 if reduction == "mean" else 1.0)
    value, gradient = composite.value_and_gradient(
        y_true, y_pred, penalty=penalty, reduction=reduction
    )
    assert value.dtype == dtype and value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=TOLERANCES[dtype])
    expected = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)[1]
    check_gradient(gradient, expected, dtype)


def test_value_and_gradient_of_one_variable_for_both():
    images = tf.Variable(pair(4, (2, 4, 5, 1), "float32")[0])
    value, gradient = composite.value_and_gradient(images, images, penalty="l2")
    assert value == 0 and not np.any(gradient)
    default, _ = composite.value_and_gradient(images, images + 1.0)
    assert default.shape == ()  # The mean is the default.


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("spec", UNKNOWN, ids=["unknown sizes", "unknown rank"])
def test_unknown_static_shapes(penalty, spec):
    @tf.function(input_signature=[spec, spec])
    def step(t, p):
        return composite.value_and_gradient(t, p, reduction="none", penalty=penalty)

    for shape in SHAPES:  # One trace serves every shape.
        y_true, y_pred = pair(5, shape, "float32")
        loss, gradient = step(y_true, y_pred)
        check_loss(loss, y_true, y_pred, penalty)
        expected = reference.loss_gradients(y_true, y_pred, penalty=penalty)[1]
        check_gradient(gradient, expected, "float32")
    assert step.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_xla(dtype, penalty):
    y_true, y_pred = pair(6, (2, 4, 5, 3), dtype)

    @tf.function(jit_compile=True)
    def step(t, p):
        return composite.value_and_gradient(t, p, reduction="none", penalty=penalty)

    loss, gradient = step(y_true, y_pred)
    check_loss(loss, y_true, y_pred, penalty)
    expected = reference.loss_gradients(y_true, y_pred, penalty=penalty)[1]
    check_gradient(gradient, expected, dtype)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_zero_slope_at_ties(penalty):
    rng = np.random.default_rng(7)
    y_true, y_pred = rng.integers(0, 2, size=(2, 2, 8, 9, 3)).astype("float32")
    _, gradient = composite.value_and_gradient(y_true, y_pred, penalty=penalty, reduction="none")
    expected = reference.loss_gradients(y_true, y_pred, penalty=penalty)[1]
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7 * np.max(expected))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_image_gradients(dtype, shape, data_format):
    images, _ = pair(8, shape, dtype)
    expected = reference.image_gradients(images)
    for gradients in (
        composite.image_gradients(images, data_format=data_format),
        composite.sobel_edges(images),
        tf.image.sobel_edges(tf.constant(images)),
    ):
        assert gradients.dtype == dtype and gradients.shape == expected.shape
        np.testing.assert_allclose(gradients, expected, rtol=0, atol=TOLERANCES[dtype])


@pytest.mark.parametrize("target", ["uint8", "int64", "float64", "float16"])
def test_target_takes_the_dtype_of_the_prediction(target):
    rng = np.random.default_rng(9)
    y_true = rng.integers(0, 255, size=(2, 4, 5, 3)).astype(target)
    y_pred = rng.uniform(0, 255, size=(2, 4, 5, 3)).astype("float32")
    check_loss(composite.gradient_loss(y_true, y_pred), y_true, y_pred, "l1")


def test_accepts_variables_and_nested_lists():
    y_true, y_pred = pair(10, (2, 4, 5, 3), "float32")
    loss = composite.gradient_loss(y_true.tolist(), tf.Variable(y_pred))
    check_loss(loss, y_true, y_pred, "l1")


def test_empty_batch():
    images = np.zeros((0, 4, 5, 3), np.float32)
    loss, gradient = composite.value_and_gradient(images, images, reduction="none")
    assert loss.shape == (0,) and gradient.shape == images.shape
    assert composite.image_gradients(images).shape == (0, 4, 5, 3, 2)


def test_name_is_the_scope_of_the_ops():
    with tf.Graph().as_default():
        images = tf.zeros([2, 4, 5, 3])
        assert composite.gradient_loss(images, images, name="edges").op.name.startswith("edges/")
        assert composite.image_gradients(images, name="edges").op.name.startswith("edges_1/")
        assert composite.sobel_edges(images).op.name.startswith("sobel_edges/")
