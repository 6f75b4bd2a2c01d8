"""The types of images through the ops: dtypes of results, rounding, loss scaling.

The composition of narrow types is TensorFlow's own arithmetic: test_composite.py.
"""

import numpy as np
import pytest
import tensorflow as tf
from family_options import RESPONSES
from op_tools import EPSILON, FEW, each, pairs_of, with_parameters

import gradops
from gradops import reference

SHAPE = (3, 7, 6, 2)
DTYPES = ["float16", "bfloat16", "float32", "float64"]
NARROW = ["float16", "bfloat16"]
# The smallest step between two numbers.
SMALLEST = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 0.0, "float64": 0.0}
dtypes = pytest.mark.parametrize("dtype", DTYPES)
narrow = pytest.mark.parametrize("dtype", NARROW)
responses = each([with_parameters({"response": response}) for response in RESPONSES])


def images(rng, dtype):
    return [tf.cast(rng.normal(size=SHAPE), dtype) for _ in range(2)]


def wide(tensors, dtype=tf.float64):
    return [tf.cast(x, dtype) for x in tensors]


def assert_rounded(actual, expected, dtype, roundings=16):
    """Each number is the expected one, up to the arithmetic's error and one rounding to dtype.

    The arithmetic is that of float32 or float64: some roundings of the largest number.
    """
    expected = np.asarray(expected)
    arithmetic = roundings * EPSILON[loss_dtype(dtype).name] * np.abs(expected).max(initial=0.0)
    rounding = np.abs(expected) * EPSILON[dtype] / 2 * (1 + 1e-3) + SMALLEST[dtype]
    error = np.abs(tf.cast(actual, tf.float64).numpy() - expected)
    assert (error <= arithmetic + rounding).all(), (error - arithmetic - rounding).max()


def loss_dtype(dtype):
    return tf.float64 if dtype == "float64" else tf.float32


@pairs_of(dtype=DTYPES, graph=[False, True], backend=["fused", "composite"])
def test_dtypes_of_the_results(rng, backend, dtype, graph):
    def everything(y_true, y_pred):
        with tf.GradientTape(persistent=True) as outer:
            outer.watch([y_true, y_pred])
            with tf.GradientTape() as inner:
                inner.watch([y_true, y_pred])
                losses = gradops.gradient_loss(y_true, y_pred, response="normal")
            gradients = inner.gradient(losses, [y_true, y_pred])
            value, gradient = gradops.value_and_gradient(y_true, y_pred, response="magnitude")
            sums, counts = gradops.gradient_sums(y_true, y_pred)
        products = outer.gradient(gradients[1], [y_true, y_pred])
        of_image = [*gradients, *products, gradient, outer.gradient(value, y_pred)]
        return [losses, value, sums, counts], [*of_image, outer.gradient(sums, y_true)]

    call = tf.function(everything) if graph else everything
    of_loss, of_image = call(*images(rng, dtype))
    assert {x.dtype for x in of_loss} == {loss_dtype(dtype)}
    assert {x.dtype for x in of_image} == {tf.as_dtype(dtype)}


@dtypes
@each(FEW)
def test_against_the_oracle(rng, dtype, options):
    """Computed in float32 or float64, with one rounding of the gradient at the end."""
    options = {**options, "penalty": "charbonnier", "epsilon": 0.5, "scale": "unit"}
    tensors = images(rng, dtype)
    vector = tf.cast(rng.normal(size=SHAPE), dtype)
    with tf.GradientTape() as outer:
        outer.watch(tensors)
        with tf.GradientTape() as inner:
            inner.watch(tensors)
            losses = gradops.gradient_loss(*tensors, **options)
        gradients = inner.gradient(losses, tensors)
    products = outer.gradient(gradients[1], tensors, output_gradients=vector)
    value, mean_gradient = gradops.value_and_gradient(*tensors, **options)
    exact = wide(tensors)
    expected = reference.gradient_loss(*exact, **options)
    assert_rounded(losses, expected, loss_dtype(dtype).name)
    assert_rounded(value, expected.mean(), loss_dtype(dtype).name)
    expected = [
        *reference.loss_gradients(*exact, **options),
        *reference.hessian_vector_product(*exact, tf.cast(vector, tf.float64), **options)[:2],
        reference.loss_gradients(*exact, [1 / 3] * 3, **options)[1],
    ]
    for actual, wanted in zip([*gradients, *products, mean_gradient], expected, strict=True):
        assert_rounded(actual, wanted, dtype)


@responses
@pytest.mark.parametrize(("scale", "graph"), [(1.0, False), (32768.0, True)])
def test_loss_scaling(rng, options, scale, graph):
    """The scaled gradient is rounded to float16 once, as that of float32 would be."""
    tensors = images(rng, "float16")

    def gradient(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            losses = gradops.gradient_loss(y_true, y_pred, scale="unit", **options)
            value = tf.reduce_mean(losses) * scale
        return tape.gradient(value, y_pred)

    call = tf.function(gradient) if graph else gradient
    expected = call(*wide(tensors, tf.float32))
    actual = call(*tensors)
    assert actual.dtype == tf.float16
    np.testing.assert_array_equal(actual, tf.cast(expected, tf.float16))
