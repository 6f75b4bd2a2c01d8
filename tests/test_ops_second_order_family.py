"""Every member of the family through the ops: second derivatives against the oracle."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import EDGES, FAMILY, LOSSES, RESPONSES, assert_close, images, name_of

import gradops
from gradops import reference

SHAPE = (2, 5, 4, 2)
LOSS_WEIGHTS = np.array([2.0, -3.0])
members = pytest.mark.parametrize("options", LOSSES + EDGES, ids=name_of)
responses = pytest.mark.parametrize(
    "options", [{"response": name, **epsilon} for name, epsilon in RESPONSES.items()], ids=name_of
)
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
    return [*(p + mixed * g for p, g in zip(products, gradients, strict=True)), along]


def hessian_product(tensors, vector, of, options, graph):
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


@members
@pytest.mark.parametrize("graph", [False, True])
def test_functions_of_the_losses(rng, options, graph):
    tensors = images(rng, SHAPE)
    vector = rng.normal(size=SHAPE)
    for of in SCALARS:
        actual = hessian_product(tensors, tf.constant(vector), of, options, graph)
        expected = oracle(tensors, vector, of, options)
        if of != "weighted":
            expected[2] *= 0
        for ours, theirs in zip(actual, expected, strict=True):
            assert_close(ours, theirs)


@members
def test_the_gradient_of_value_and_gradient(rng, options):
    tensors = images(rng, SHAPE)
    vector = rng.normal(size=SHAPE)
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        gradient = gradops.value_and_gradient(*tensors, **options)[1]
    expected = reference.hessian_vector_product(*tensors, vector, [0.5, 0.5], **options)
    for ours, theirs in zip(
        tape.gradient(gradient, tensors, tf.constant(vector)), expected[:2], strict=True
    ):
        assert_close(ours, theirs)


@responses
@pytest.mark.parametrize("penalty", FAMILY)
def test_sums_by_axis(rng, options, penalty):
    """Of upstream[b, k], by finite differences of the oracle's gradient and of itself."""
    options = {**options, "penalty": penalty, **FAMILY[penalty], "stencil": "prewitt"}
    y_true, y_pred = images(rng, SHAPE)
    vector = rng.normal(size=SHAPE)
    factors = rng.normal(size=reference.gradient_sums(y_true, y_pred, **options)[0].shape)
    upstream = tf.constant(factors)
    with tf.GradientTape() as outer:
        outer.watch([y_true, y_pred, upstream])
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            sums = gradops.gradient_sums(y_true, y_pred, **options)[0]
        gradient = inner.gradient(sums, y_pred, output_gradients=upstream)
    assert_close(gradient, reference.sums_gradients(y_true, y_pred, factors, **options)[1])
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


@responses
@pytest.mark.parametrize("graph", [False, True])
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
    by_true, by_pred = (tf.reshape(h, [12, 12]).numpy() for h in actual)
    np.testing.assert_allclose(by_pred, by_pred.T, atol=1e-12)
    for row, unit in enumerate(np.eye(12).reshape(12, *shape)):
        expected = reference.hessian_vector_product(*tensors, unit, **options)
        assert_close(by_true[row], expected[0].ravel())
        assert_close(by_pred[row], expected[1].ravel())


@pytest.mark.parametrize("penalty", FAMILY)
@pytest.mark.parametrize("response", ["component", "absolute"])
def test_what_is_zero_almost_everywhere_is_zeros_and_not_none(rng, response, penalty):
    """The second derivative of l1; no other penalty's is."""
    y_true, y_pred = images(rng, (1, 4, 4, 1))
    options = {"response": response, "penalty": penalty, **FAMILY[penalty]}
    with tf.GradientTape() as outer:
        outer.watch([y_true, y_pred])
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            loss = gradops.gradient_loss(y_true, y_pred, **options)
        gradient = inner.gradient(loss, y_pred)
    vector = tf.constant(rng.normal(size=y_pred.shape))
    for product in outer.gradient(gradient, [y_true, y_pred], vector):
        assert product is not None and product.shape == y_pred.shape
        assert bool(product.numpy().any()) == (penalty != "l1")


@members
def test_identical_images(rng, options):
    """No gradient, exactly; and a Hessian that is the oracle's, with its conventions at 0."""
    _, y_pred = images(rng, SHAPE)
    vector = rng.normal(size=SHAPE)
    gradient = gradops.value_and_gradient(y_pred, y_pred, **options)[1]
    np.testing.assert_array_equal(gradient, np.zeros(SHAPE))
    expected = oracle([y_pred, y_pred], vector, "weighted", options)
    actual = hessian_product([y_pred, y_pred], tf.constant(vector), "weighted", options, False)
    # y_true and y_pred are one tensor here, so both sources get the sum of both derivatives.
    for ours in actual[:2]:
        assert_close(ours, expected[0] + expected[1], floor=1)


@pytest.mark.fused
@pytest.mark.parametrize("graph", [False, True])
def test_third_derivatives_are_refused(rng, graph):
    tensors = images(rng, (1, 4, 4, 1))

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
        (tf.function(third) if graph else third)(*tensors)
