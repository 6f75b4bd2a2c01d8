"""image_gradients and gradient_magnitude: values, first and second derivatives."""

import numpy as np
import pytest
import tensorflow as tf
from family_options import BORDERS, DATA_FORMATS, SCALES, STENCILS
from op_tools import assert_close, dyadic, first, is_fused, ops_of, pairs_of

import gradops
from gradops import composite, reference

SHAPE = (2, 5, 4, 2)
FUNCTIONS = {
    "image_gradients": {},
    "gradient_magnitude": {},
    "gradient_magnitude with epsilon": {"response_epsilon": 0.5},
}
both_backends = pytest.mark.usefixtures("backend")
functions = pytest.mark.parametrize("function", FUNCTIONS)
modes = pytest.mark.parametrize("graph", [False, True])


def resolve(function, library):
    return getattr(library, function.split()[0])


def laid_out(array, data_format):
    return tf.constant(first(array) if data_format == "channels_first" else array)


def first_derivative(function, x, upstream, options):
    if function == "image_gradients":
        return reference.image_gradients_adjoint(upstream, **options)
    return reference.gradient_magnitude_gradient(x, upstream, **options)


@pairs_of(
    backend=["fused", "composite"],
    function=list(FUNCTIONS),
    stencil=STENCILS,
    border=BORDERS,
    scale=SCALES,
    data_format=DATA_FORMATS,
    graph=[False, True],
)
def test_values_and_gradients(rng, backend, function, stencil, border, scale, data_format, graph):
    """Eager and in a graph that knows no shape."""
    x = dyadic(rng, SHAPE)
    options = {"stencil": stencil, "border": border, "scale": scale, **FUNCTIONS[function]}
    expected = resolve(function, reference)(x, **options)
    upstream = rng.normal(size=expected.shape)
    gradient = first_derivative(function, x, upstream, options)
    images, factors, expected, gradient = (
        laid_out(a, data_format) for a in (x, upstream, expected, gradient)
    )

    def step(images, factors):
        with tf.GradientTape() as tape:
            tape.watch(images)
            values = resolve(function, gradops)(images, **options, data_format=data_format)
        return values, tape.gradient(values, images, output_gradients=factors)

    spec = tf.TensorSpec(None, tf.float64)
    call = tf.function(step).get_concrete_function(spec, spec) if graph else step
    for actual, wanted in zip(call(images, factors), (expected, gradient), strict=True):
        assert actual.dtype == tf.float64
        assert_close(actual, wanted, floor=1.0)


def second_derivatives(call, x, vector, upstream):
    """<vector, d <upstream, values> / dx> by x and by upstream."""
    with tf.GradientTape() as outer:
        outer.watch([x, upstream])
        with tf.GradientTape() as inner:
            inner.watch(x)
            values = call(x)
        gradient = inner.gradient(values, x, output_gradients=upstream)
    sources = [x, upstream]
    return outer.gradient(gradient, sources, vector, unconnected_gradients="zero")


@pairs_of(
    function=list(FUNCTIONS),
    stencil=STENCILS,
    border=BORDERS,
    data_format=DATA_FORMATS,
    graph=[False, True],
)
def test_second_derivatives(rng, function, stencil, border, data_format, graph):
    """Against the composition."""
    x, vector = (laid_out(dyadic(rng, SHAPE), data_format) for _ in range(2))
    options = {"stencil": stencil, "border": border, **FUNCTIONS[function]}
    options["data_format"] = data_format
    ours, theirs = (
        lambda x, library=library: resolve(function, library)(x, **options)
        for library in (gradops, composite)
    )
    upstream = tf.constant(rng.normal(size=ours(x).shape))
    call = tf.function(second_derivatives) if graph else second_derivatives
    expected = second_derivatives(theirs, x, vector, upstream)
    for a, b in zip(call(ours, x, vector, upstream), expected, strict=True):
        assert_close(a, b, factor=10)


@pytest.mark.parametrize("border", ["reflect", "valid"])
def test_third_derivatives_of_a_magnitude(rng, border):
    """Differentiable to any order."""
    x, v, w = (tf.constant(rng.normal(size=(1, 5, 4, 1))) for _ in range(3))
    results = []
    for library in (gradops, composite):
        with tf.GradientTape() as outer:
            outer.watch(x)
            upstream = tf.ones_like(x)
            call = lambda x, library=library: library.gradient_magnitude(x, border=border)  # noqa: E731
            product = second_derivatives(call, x, v, upstream)[0]
        results.append(outer.gradient(product, x, w))
    assert_close(*results, factor=100)


def test_the_hessian_of_a_magnitude_by_jacobian(rng):
    x = tf.constant(rng.normal(size=(1, 3, 4, 1)))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = tf.reduce_sum(gradops.gradient_magnitude(x))
        gradient = inner.gradient(value, x)
    hessian = tf.reshape(outer.jacobian(gradient, x), [12, 12]).numpy()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    step = 1e-6
    for column, unit in enumerate(np.eye(12).reshape(12, 1, 3, 4, 1)):
        ahead, behind = (
            reference.gradient_magnitude_gradient(x + sign * step * unit, np.ones(x.shape))
            for sign in (1, -1)
        )
        difference = (ahead - behind).ravel() / (2 * step)
        np.testing.assert_allclose(hessian[:, column], difference, rtol=1e-5, atol=1e-6)


@both_backends
@functions
@modes
def test_forward_mode(rng, function, graph):
    x, vector = rng.normal(size=SHAPE), rng.normal(size=SHAPE)

    def product(x):
        with tf.autodiff.ForwardAccumulator(x, tf.constant(vector)) as forward:
            values = resolve(function, gradops)(x, **FUNCTIONS[function])
        return forward.jvp(values)

    step = 1e-6
    ahead, behind = (
        resolve(function, reference)(x + sign * step * vector, **FUNCTIONS[function])
        for sign in (1, -1)
    )
    actual = (tf.function(product) if graph else product)(tf.constant(x))
    np.testing.assert_allclose(actual, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)


@both_backends
@modes
def test_flat_images_have_no_derivative(graph):
    """dm/dx is 0 where m is, and so is the second derivative."""
    x = tf.ones([1, 4, 4, 1])

    def derivatives(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(gradops.gradient_magnitude(x))
            gradient = inner.gradient(value, x)
        return value, gradient, outer.gradient(gradient, x)

    for result in (tf.function(derivatives) if graph else derivatives)(x):
        assert not result.numpy().any()


@both_backends
def test_shape_inference():
    shapes = {}

    @tf.function
    def trace(x):
        for data_format in DATA_FORMATS:
            gradients = gradops.image_gradients(x, data_format=data_format)
            magnitude = gradops.gradient_magnitude(x, data_format=data_format)
            shapes[data_format] = gradients.shape.as_list(), magnitude.shape.as_list()
        return x

    ops = ops_of(trace, tf.TensorSpec([None, 5, None, 3], tf.bfloat16))
    assert ops == ["Gradops>ImageGradients", "Gradops>GradientMagnitude"] * 2 * is_fused()
    for gradients, magnitude in shapes.values():
        assert gradients == [None, 5, None, 3, 2] and magnitude == [None, 5, None, 3]
