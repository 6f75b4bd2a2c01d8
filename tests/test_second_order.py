"""Second derivatives of functions of the losses and of the sums, Hessians, and what is refused.

test_ops.py has the second derivatives of the losses themselves, of every member of the family.
"""

import itertools

import family_options
import numpy as np
import pytest
import tensorflow as tf
from op_tools import FEW, MEMBERS, assert_close, each, images, with_parameters

import gradops
from gradops import _library, reference

SHAPE = (2, 5, 4, 2)
LOSS_WEIGHTS = np.array([2.0, -3.0])
modes = pytest.mark.parametrize("graph", [False, True])
both_backends = pytest.mark.usefixtures("backend")
RESPONSES = [with_parameters({"response": response}) for response in family_options.RESPONSES]
# Every response and every penalty but "l2", which is the penalty of many a test here.
PENALTIES = ["charbonnier", "huber", "log", "power", "l1", "truncated"]
FAMILY = [
    with_parameters({**options, "penalty": penalty})
    for options, penalty in zip(FEW, itertools.cycle(PENALTIES), strict=False)
]
# A scalar of the losses, and its first and second derivatives by each of them.
SCALARS = {
    "squares": (lambda x, w: tf.reduce_sum(x**2), lambda x: 2 * x, lambda x: 2 + 0 * x),
    "roots": (
        lambda x, w: tf.reduce_sum(tf.sqrt(x)),
        lambda x: x**-0.5 / 2,
        lambda x: -(x**-1.5) / 4,
    ),
    "weighted": (
        lambda x, w: tf.reduce_sum(x * w),
        lambda x: LOSS_WEIGHTS + 0 * x,
        lambda x: 0 * x,
    ),
    "mean": (lambda x, w: tf.reduce_mean(x), lambda x: 0.5 + 0 * x, lambda x: 0 * x),
}


def per_example(values):
    return values[:, None, None, None]


def oracle(tensors, vector, of, options):
    """<vector, d scalar / d y_pred> by y_true, y_pred and the weights of the losses."""
    losses = reference.gradient_loss(*tensors, **options)
    _, slope, bend = SCALARS[of]
    gradients = reference.loss_gradients(*tensors, **options)
    *products, along = reference.hessian_vector_product(*tensors, vector, slope(losses), **options)
    mixed = per_example(bend(losses) * along)
    products = [p + mixed * g for p, g in zip(products, gradients, strict=True)]
    return [*products, along if of == "weighted" else 0 * along]


def hessian_product(tensors, vector, of, options, graph=False):
    """The same by two tapes; the inner one watches y_pred, the outer one everything."""

    def step(y_true, y_pred, weights):
        with tf.GradientTape() as outer:
            outer.watch([y_true, y_pred, weights])
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred, **options)
                value = SCALARS[of][0](losses, weights)
            gradient = inner.gradient(value, y_pred)
        sources = [y_true, y_pred, weights]
        return outer.gradient(gradient, sources, vector, unconnected_gradients="zero")

    return (tf.function(step) if graph else step)(*tensors, tf.constant(LOSS_WEIGHTS))


@both_backends
@each(FAMILY)
def test_functions_of_the_losses(rng, options):
    tensors, vector = images(rng, SHAPE), rng.normal(size=SHAPE)
    for of in SCALARS:
        expected = oracle(tensors, vector, of, options)
        found = hessian_product(tensors, tf.constant(vector), of, options)
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours, theirs)


@each(FAMILY, FAMILY[:2])
@pytest.mark.parametrize("of", SCALARS)
def test_functions_of_the_losses_in_a_graph(rng, of, options):
    tensors, vector = images(rng, SHAPE), tf.constant(rng.normal(size=SHAPE))
    found = hessian_product(tensors, vector, of, options, graph=True)
    for ours, theirs in zip(found, hessian_product(tensors, vector, of, options), strict=True):
        assert_close(ours, theirs)


@each([*FAMILY, *MEMBERS], FAMILY)
def test_sums_by_axis(rng, options):
    """By upstream[b, k]: finite differences of the oracle's gradient and of the op's own."""
    # Normal, not dyadic: finite differences must not cross a tie.
    y_true, y_pred = (tf.constant(rng.normal(size=SHAPE)) for _ in range(2))
    vector = rng.normal(size=SHAPE)
    factors = rng.normal(size=reference.gradient_sums(y_true, y_pred, **options)[0].shape)
    upstream = tf.constant(factors)
    with tf.GradientTape() as outer:
        outer.watch([y_true, y_pred, upstream])
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            sums = gradops.gradient_sums(y_true, y_pred, **options)[0]
        gradient = inner.gradient(sums, y_pred, output_gradients=upstream)
    sources = [y_true, y_pred, upstream]
    *by_images, by_upstream = outer.gradient(gradient, sources, tf.constant(vector))
    for index in np.ndindex(factors.shape):
        unit = np.zeros_like(factors)
        unit[index] = 1
        expected = reference.sums_gradients(y_true, y_pred, unit, **options)[1]
        assert by_upstream[index].numpy() == pytest.approx((expected * vector).sum(), rel=1e-9)
    direction, step = rng.normal(size=SHAPE), 1e-5
    for which, actual in enumerate(by_images):
        values = []
        for sign in (1, -1):
            moved = [y_true.numpy(), y_pred.numpy()]
            moved[which] = moved[which] + sign * step * direction
            slopes = reference.sums_gradients(*moved, factors, **options)[1]
            values.append((slopes * vector).sum())
        difference = (values[0] - values[1]) / (2 * step)
        along = float(tf.reduce_sum(actual * direction))
        assert along == pytest.approx(difference, rel=1e-5, abs=1e-6 * np.abs(factors).sum())


@each(RESPONSES, RESPONSES[1:4:2])
@modes
def test_jacobian_of_the_gradient(rng, options, graph):
    """The whole Hessian, by y_pred twice and by both images."""
    shape = (1, 3, 4, 1)
    tensors = images(rng, shape)
    options = {**options, "penalty": "charbonnier", "epsilon": 0.3}

    def hessians(y_true, y_pred):
        with tf.GradientTape() as outer:
            outer.watch([y_true, y_pred])
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                loss = gradops.gradient_loss(y_true, y_pred, **options)
            gradient = inner.gradient(loss, y_pred)
        return outer.jacobian(gradient, [y_true, y_pred])

    actual = (tf.function(hessians) if graph else hessians)(*tensors)
    rows = [
        reference.hessian_vector_product(*tensors, unit, **options)[:2]
        for unit in np.eye(12).reshape(12, *shape)
    ]
    for found, expected in zip(actual, zip(*rows, strict=True), strict=True):
        assert_close(tf.reshape(found, [12, *shape]), np.stack(expected))


@pytest.mark.parametrize("penalty", ["l1", "huber"])
@pytest.mark.parametrize("response", ["component", "absolute"])
def test_what_is_zero_almost_everywhere_is_zeros_and_not_none(rng, response, penalty):
    """The second derivative of l1; no other penalty's is."""
    tensors = images(rng, (1, 4, 4, 1))
    vector = tf.constant(rng.normal(size=(1, 4, 4, 1)))
    options = {"response": response, "penalty": penalty, "scale": "unit"}
    for product in hessian_product(tensors, vector, "mean", options)[:2]:
        assert product is not None and product.shape == vector.shape
        assert bool(product.numpy().any()) == (penalty != "l1")


@both_backends
@pytest.mark.parametrize("shape", [[2], [None], None])
def test_derivative_by_an_upstream_of_unknown_shape(rng, shape):
    y_true, y_pred = images(rng, SHAPE)
    vector = rng.standard_normal(SHAPE)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float64)])
    def by_upstream(upstream):
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                losses = gradops.gradient_loss(y_true, y_pred)
            gradient = inner.gradient(losses, y_pred, output_gradients=upstream)
        return outer.gradient(gradient, upstream, output_gradients=tf.constant(vector))

    plain = reference.loss_gradients(y_true, y_pred)[1]
    actual = by_upstream(tf.constant([2.0, 3.0], tf.float64))
    assert_close(actual, (plain * vector).sum(axis=(1, 2, 3)))


@modes
def test_derivative_by_an_upstream_that_is_a_scalar(rng, graph):
    """Which stands for one of each example: the sum over them."""
    y_true, y_pred = images(rng, SHAPE)
    vector = rng.standard_normal(SHAPE)
    empty = tf.zeros([0], tf.float64)

    def by_upstream(upstream):
        with tf.GradientTape() as tape:
            tape.watch(upstream)
            slopes = _library.ops().gradops_loss_grad(
                y_true, y_pred, empty, tf.zeros([0], tf.bool), empty, upstream * 0, upstream
            )
        return tape.gradient(slopes, upstream, output_gradients=tf.constant(vector))

    plain = reference.loss_gradients(y_true, y_pred)[1]
    call = tf.function(by_upstream) if graph else by_upstream
    assert_close(call(tf.constant(2.0, tf.float64)), (plain * vector).sum())


@modes
def test_third_derivatives_are_refused(rng, graph):
    def third(y_true, y_pred):
        with tf.GradientTape() as outer:
            outer.watch(y_pred)
            with tf.GradientTape() as middle:
                middle.watch(y_pred)
                gradient = gradops.value_and_gradient(y_true, y_pred, penalty="log")[1]
            product = middle.gradient(gradient, y_pred)
        return outer.gradient(product, y_pred)

    errors = (NotImplementedError, tf.errors.InvalidArgumentError)
    with pytest.raises(errors, match="third derivatives of a gradient loss are not available"):
        (tf.function(third) if graph else third)(*images(rng, (1, 4, 4, 1)))
