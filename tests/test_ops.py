"""The TensorFlow ops: values and gradients in eager mode, graphs and functions."""

import numpy as np
import pytest
import tensorflow as tf

import gradops
from gradops import _ops, _options, composite, reference

PENALTIES = ["l1", "l2"]
SHAPES = [(1, 2, 2, 1), (2, 2, 7, 3), (3, 5, 2, 2), (2, 11, 13, 5), (2, 67, 9, 4), (1, 6, 5, 67)]
# Relative to the largest entry: rounding of a handful of additions in that type.
TOLERANCE = {"float32": 3e-6, "float64": 1e-14}


def images(rng, shape, dtype="float64"):
    return [tf.constant(rng.standard_normal(shape), dtype) for _ in range(2)]


def assert_close(actual, expected, dtype="float64", floor=1e-3):
    """Differences are at most the tolerance times the largest entry, or floor if that is larger."""
    expected = np.asarray(expected)
    scale = np.abs(expected).max() if expected.size else 0.0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[dtype] * max(scale, floor))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_both_gradients_equal_the_oracle(rng, shape, penalty, dtype):
    y_true, y_pred = images(rng, shape, dtype)
    weights = rng.uniform(0.5, 2.0, shape[0])
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        losses = gradops.gradient_loss(y_true, y_pred, penalty=penalty)
        total = tf.reduce_sum(losses * tf.constant(weights, dtype))
    gradients = tape.gradient(total, [y_true, y_pred])
    arrays = y_true.numpy(), y_pred.numpy()
    assert losses.dtype == y_pred.dtype and losses.shape == shape[:1]
    assert_close(losses, reference.gradient_loss(*arrays, penalty=penalty), dtype)
    expected = reference.loss_gradients(*arrays, weights, penalty=penalty)
    for actual, wanted in zip(gradients, expected, strict=True):
        assert_close(actual, wanted, dtype)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_same_as_the_composition(rng, penalty):
    y_true, y_pred = images(rng, (2, 9, 8, 3), "float32")
    results = []
    for library in (gradops, composite):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(library.gradient_loss(y_true, y_pred, penalty=penalty))
        results.append((loss, tape.gradient(loss, y_pred)))
    assert_close(results[0][0], results[1][0], "float32")
    assert_close(results[0][1], results[1][1], "float32")


@pytest.mark.parametrize("penalty", PENALTIES)
def test_gradients_equal_finite_differences(rng, penalty):
    """Central differences in float64; integers plus a half keep residuals away from the kink."""
    shape, step = (2, 5, 4, 2), 1e-3
    arrays = [rng.integers(-4, 5, shape).astype("float64") for _ in range(2)]
    arrays[1] += rng.uniform(-0.4, 0.4, shape)
    residuals = reference.image_gradients(arrays[1] - arrays[0])
    assert np.abs(residuals[np.abs(residuals) > 1e-9]).min() > 8 * step  # no kink within reach
    weights = np.array([2.0, -3.0])
    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.tensordot(gradops.gradient_loss(*tensors, penalty=penalty), weights, 1)
    for which, gradient in enumerate(tape.gradient(total, tensors)):
        for index in np.ndindex(shape):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[which][index] += sign * step
                values.append(gradops.gradient_loss(*moved, penalty=penalty).numpy() @ weights)
            difference = (values[0] - values[1]) / (2 * step)
            assert gradient[index].numpy() == pytest.approx(difference, rel=1e-7, abs=1e-9)


def training_step(y_true, y_pred, weights, penalty="l1"):
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        loss = tf.tensordot(gradops.gradient_loss(y_true, y_pred, penalty=penalty), weights, 1)
    return loss, tape.gradient(loss, [y_true, y_pred])


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("known", ["nothing", "rank", "size", "all"])
def test_tf_function_with_unknown_shapes(rng, penalty, known):
    shape = {
        "nothing": None,
        "rank": [None] * 4,
        "size": [None, 6, 7, None],
        "all": [3, 6, 7, 2],
    }[known]
    spec = tf.TensorSpec(shape, tf.float64)
    step = tf.function(training_step).get_concrete_function(
        spec, spec, tf.TensorSpec([None], tf.float64), penalty
    )
    y_true, y_pred = images(rng, (3, 6, 7, 2))
    weights = tf.constant([1.0, 0.5, 3.0], tf.float64)
    eager = training_step(y_true, y_pred, weights, penalty)
    graph = step(y_true, y_pred, weights)
    tf.nest.map_structure(np.testing.assert_array_equal, eager, tuple(graph))


def test_shape_inference():
    @tf.function
    def trace(y_true, y_pred):
        loss = gradops.gradient_loss(y_true, y_pred)
        value, gradient = gradops.value_and_gradient(y_true, y_pred, reduction="none")
        edges = gradops.sobel_edges(y_pred)
        shapes.extend(tuple(t.shape) for t in (loss, value, gradient, edges))
        return loss

    shapes = []
    trace.get_concrete_function(
        tf.TensorSpec([None, 4, None, 3], tf.float32), tf.TensorSpec([5, None, 6, None], tf.float32)
    )
    assert shapes == [(5,), (5,), (5, 4, 6, 3), (5, None, 6, None, 2)]


def ops_of(function, *specs):
    graph = function.get_concrete_function(*specs).graph
    return [op.type for op in graph.get_operations() if op.type.startswith("Gradops>")]


def test_the_forward_pass_finds_the_gradient_only_if_somebody_wants_it():
    spec = tf.TensorSpec([2, 4, 4, 1], tf.float32)
    assert ops_of(tf.function(gradops.gradient_loss), spec, spec) == ["Gradops>Loss"]

    @tf.function
    def watched(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred))
        return tape.gradient(loss, y_pred)

    assert ops_of(watched, spec, spec) == ["Gradops>LossMemo", "Gradops>LossGrad"]


def test_the_expected_upstream_gives_back_the_memo_itself(rng):
    """No copy: the returned gradient is the buffer that the forward pass wrote."""
    y_true, y_pred = images(rng, (4, 5, 6, 3), "float32")
    options = _options.check(**{k: v[0] for k, v in _options.allowed_names().items()})
    expected = tf.constant(0.25)
    loss, memo = _ops.loss_with_memo(y_true, y_pred, expected, options)
    for upstream in (expected, tf.fill([4], 0.25)):
        gradient = _ops.loss_gradient(y_true, y_pred, memo, expected, upstream, options)
        assert gradient._numpy().ctypes.data == memo._numpy().ctypes.data
    assert loss.shape == [4]


def test_tape_outside_a_function(rng):
    y_true, y_pred = images(rng, (2, 6, 5, 3))
    function = tf.function(lambda t, p: tf.reduce_mean(gradops.gradient_loss(t, p, penalty="l2")))
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        loss = function(y_true, y_pred)
    expected = reference.loss_gradients(y_true, y_pred, [0.5, 0.5], penalty="l2")
    for actual, wanted in zip(tape.gradient(loss, [y_true, y_pred]), expected, strict=True):
        assert_close(actual, wanted)


def test_inner_tape_on_the_prediction_and_outer_tape_on_the_target(rng):
    """The case in which a gradient that is asked for could get lost."""
    y_true, y_pred = images(rng, (2, 6, 5, 3))

    @tf.function
    def inner(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred, penalty="l2"))
        return loss, tape.gradient(loss, y_pred)

    for function in (inner, inner.python_function):
        with tf.GradientTape() as tape:
            tape.watch(y_true)
            loss, gradient = function(y_true, y_pred)
        expected = reference.loss_gradients(y_true, y_pred, [0.5, 0.5], penalty="l2")
        assert_close(gradient, expected[1])
        assert_close(tape.gradient(loss, y_true), expected[0])


# Memo safety: every case is compared with recomputation.


def test_persistent_tape_called_twice_with_different_upstreams(rng):
    y_true, y_pred = images(rng, (3, 6, 5, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred)
    first_weights = np.full(3, 1 / 3)
    for weights in (first_weights, np.array([1.0, -2.0, 0.0]), first_weights):
        gradient = tape.gradient(losses, y_pred, output_gradients=tf.constant(weights))
        assert_close(gradient, reference.loss_gradients(y_true, y_pred, weights)[1])


def test_a_returned_gradient_is_not_overwritten_by_a_later_call(rng):
    y_true, y_pred = images(rng, (2, 6, 5, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred)
    held = tape.gradient(losses, y_pred, output_gradients=tf.constant([0.5, 0.5], tf.float64))
    before = held.numpy().copy()
    tape.gradient(losses, y_pred, output_gradients=tf.constant([7.0, 7.0], tf.float64))
    del tape, losses
    np.testing.assert_array_equal(held.numpy(), before)


def test_two_equal_losses_with_different_weights_in_one_function(rng):
    """The graph optimiser merges the two forward ops; their gradients must stay apart."""
    y_true, y_pred = images(rng, (2, 6, 5, 2))

    @tf.function
    def step(y_true, y_pred):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y_pred)
            first = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred))
            second = 10.0 * tf.reduce_sum(gradops.gradient_loss(y_true, y_pred))
            both = first + second
        return [tape.gradient(x, y_pred) for x in (first, second, both)]

    for factor, gradient in zip((0.5, 10.0, 10.5), step(y_true, y_pred), strict=True):
        expected = reference.loss_gradients(y_true, y_pred, [factor, factor])[1]
        assert_close(gradient, expected)


@pytest.mark.parametrize("upstream", [0.0, np.inf, np.nan, 1e-30])
def test_unusual_upstreams(rng, upstream):
    y_true, y_pred = images(rng, (2, 4, 5, 1), "float32")
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred)
    gradient = tape.gradient(losses, y_pred, output_gradients=tf.constant([upstream, 1.0])).numpy()
    plain = reference.loss_gradients(y_true, y_pred)[1]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(gradient[0], plain[0] * np.float32(upstream), rtol=1e-5)
    assert_close(gradient[1], plain[1], "float32")


# Second order


SCALAR_FUNCTIONS = {
    "mean": tf.reduce_mean,
    "sum of squares": lambda losses: tf.reduce_sum(losses**2),
    "sum of roots": lambda losses: tf.reduce_sum(tf.sqrt(losses)),
}


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("of", SCALAR_FUNCTIONS)
def test_second_derivatives_equal_those_of_the_composition(rng, of, penalty, graph):
    y_true, y_pred = images(rng, (2, 6, 5, 2))
    vector = tf.constant(rng.standard_normal((2, 6, 5, 2)))
    results = []
    for library in (gradops, composite):

        def product(y_true, y_pred, library=library):
            with tf.GradientTape() as outer:
                outer.watch([y_true, y_pred])
                with tf.GradientTape() as inner:
                    inner.watch(y_pred)
                    losses = library.gradient_loss(y_true, y_pred, penalty=penalty)
                    value = SCALAR_FUNCTIONS[of](losses)
                gradient = inner.gradient(value, y_pred)
            return outer.gradient(gradient, [y_true, y_pred], vector, unconnected_gradients="zero")

        results.append((tf.function(product) if graph else product)(y_true, y_pred))
    for actual, wanted in zip(*results, strict=True):
        assert_close(actual, wanted)


def test_second_derivative_of_l1_is_zeros_and_not_none(rng):
    y_true, y_pred = images(rng, (1, 4, 4, 1))
    with tf.GradientTape() as outer:
        outer.watch(y_pred)
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            loss = gradops.gradient_loss(y_true, y_pred)
        gradient = inner.gradient(loss, y_pred)
    product = outer.gradient(gradient, y_pred)
    assert product is not None and not product.numpy().any()


def test_second_derivatives_with_watched_weights(rng):
    """d/dw of the gradient of sum_b w_b L_b is dL_b/dy_pred."""
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    weights = tf.constant([2.0, 3.0], tf.float64)
    vector = rng.standard_normal((2, 5, 4, 2))
    with tf.GradientTape() as outer:
        outer.watch(weights)
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            loss = tf.tensordot(gradops.gradient_loss(y_true, y_pred, penalty="l2"), weights, 1)
        gradient = inner.gradient(loss, y_pred)
    by_weights = outer.gradient(gradient, weights, output_gradients=tf.constant(vector))
    plain = reference.loss_gradients(y_true, y_pred, penalty="l2")[1]
    assert_close(by_weights, (vector * plain).sum(axis=(1, 2, 3)))


def test_hessian_equals_the_oracle_by_jacobian(rng):
    y_true, y_pred = images(rng, (1, 3, 4, 1))
    with tf.GradientTape() as outer:
        outer.watch(y_pred)
        with tf.GradientTape() as inner:
            inner.watch(y_pred)
            loss = gradops.gradient_loss(y_true, y_pred, penalty="l2")
        gradient = inner.gradient(loss, y_pred)
    hessian = tf.reshape(outer.jacobian(gradient, y_pred), [12, 12]).numpy()
    for column, unit in enumerate(np.eye(12)):
        expected = reference.hessian_vector_product(
            y_true, y_pred, unit.reshape(1, 3, 4, 1), penalty="l2"
        )
        assert_close(hessian[:, column], expected.ravel())


@pytest.mark.parametrize("penalty", PENALTIES)
def test_forward_mode(rng, penalty):
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))
    with tf.autodiff.ForwardAccumulator(y_pred, tf.constant(vector)) as accumulator:
        losses = gradops.gradient_loss(y_true, y_pred, penalty=penalty)
    gradient = reference.loss_gradients(y_true, y_pred, penalty=penalty)[1]
    assert_close(accumulator.jvp(losses), (gradient * vector).sum(axis=(1, 2, 3)))


@pytest.mark.parametrize("call", ["gradient_loss", "value_and_gradient"])
@pytest.mark.parametrize("followed", [0, 1])
@pytest.mark.parametrize("watched", [0, 1])
def test_forward_mode_while_a_tape_watches(rng, followed, watched, call):
    """The tape wants one image, the accumulator perhaps the other; both get theirs."""
    tensors = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))
    with tf.autodiff.ForwardAccumulator(tensors[followed], tf.constant(vector)) as accumulator:
        with tf.GradientTape() as tape:
            tape.watch(tensors[watched])
            losses = getattr(gradops, call)(*tensors, penalty="l2")
            losses = losses if call == "gradient_loss" else losses[0]
        gradient = tape.gradient(losses, tensors[watched])
    upstream = [1.0, 1.0] if call == "gradient_loss" else [0.5, 0.5]
    expected = reference.loss_gradients(*tensors, upstream, penalty="l2")
    assert_close(gradient, expected[watched])
    products = (expected[followed] * vector).sum(axis=(1, 2, 3))
    assert_close(accumulator.jvp(losses), products if losses.shape.rank else products.sum())


@pytest.mark.parametrize("shape", [[2], [None], None])
def test_derivative_by_an_upstream_of_unknown_shape(rng, shape):
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))

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


# value_and_gradient and sobel_edges


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_value_and_gradient(rng, reduction, penalty, graph):
    y_true, y_pred = images(rng, (4, 6, 5, 3))
    call = tf.function(gradops.value_and_gradient) if graph else gradops.value_and_gradient
    value, gradient = call(y_true, y_pred, reduction=reduction, penalty=penalty)
    losses = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    reduce = {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction]
    upstream = np.full(4, 0.25 if reduction == "mean" else 1.0)
    assert_close(value, reduce(losses))
    expected = reference.loss_gradients(y_true, y_pred, upstream, penalty=penalty)[1]
    assert_close(gradient, expected)


@pytest.mark.parametrize("graph", [False, True])
def test_value_and_gradient_are_differentiable(rng, graph):
    y_true, y_pred = images(rng, (2, 5, 4, 2))
    vector = rng.standard_normal((2, 5, 4, 2))

    def products(y_true, y_pred):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y_pred)
            value, gradient = gradops.value_and_gradient(y_true, y_pred, penalty="l2")
        return tape.gradient(value, y_pred), tape.gradient(gradient, y_pred, tf.constant(vector))

    first, second = (tf.function(products) if graph else products)(y_true, y_pred)
    half = [0.5, 0.5]
    assert_close(first, reference.loss_gradients(y_true, y_pred, half, penalty="l2")[1])
    expected = reference.hessian_vector_product(y_true, y_pred, vector, half, penalty="l2")
    assert_close(second, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sobel_edges_and_its_gradient_equal_tf_image(rng, shape, dtype):
    x = tf.constant(rng.standard_normal(shape), dtype)
    upstream = tf.constant(rng.standard_normal((*shape, 2)), dtype)
    results = []
    for function in (gradops.sobel_edges, tf.image.sobel_edges):
        with tf.GradientTape() as tape:
            tape.watch(x)
            edges = function(x)
        results.append((edges, tape.gradient(edges, x, upstream)))
    # floor 1: where taps cancel, tf.image leaves the rounding of numbers around 1.
    assert_close(results[0][0], results[1][0], dtype, floor=1)
    assert_close(results[0][1], results[1][1], dtype, floor=1)


def test_second_derivative_of_a_function_of_sobel_edges(rng):
    x = tf.constant(rng.standard_normal((1, 5, 4, 2)))
    vector = tf.constant(rng.standard_normal((1, 5, 4, 2)))
    results = []
    for function in (gradops.sobel_edges, tf.image.sobel_edges):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(function(x) ** 3)
            gradient = inner.gradient(value, x)
        results.append(outer.gradient(gradient, x, vector))
    assert_close(results[0], results[1])


@pytest.mark.parametrize("graph", [False, True])
def test_empty_batch(graph):
    empty = tf.zeros([0, 4, 5, 3])
    step = tf.function(training_step) if graph else training_step
    loss, (by_true, by_pred) = step(empty, empty, tf.zeros([0]))
    assert float(loss) == 0.0
    assert by_true.shape == by_pred.shape == (0, 4, 5, 3)
    assert gradops.gradient_loss(empty, empty).shape == (0,)
    assert gradops.sobel_edges(empty).shape == (0, 4, 5, 3, 2)
    value, gradient = gradops.value_and_gradient(empty, empty, reduction="sum")
    assert float(value) == 0.0 and gradient.shape == (0, 4, 5, 3)


def test_no_channels():
    """Nothing is counted: loss 0."""
    losses = gradops.gradient_loss(tf.zeros([2, 4, 5, 0]), tf.zeros([2, 4, 5, 0]))
    np.testing.assert_array_equal(losses, [0.0, 0.0])


@pytest.mark.parametrize("target_dtype", ["uint8", "int32", "float64", "float16"])
def test_the_target_is_converted_to_the_dtype_of_the_prediction(rng, target_dtype):
    target = rng.integers(0, 200, (1, 4, 5, 3)).astype(target_dtype)
    prediction = rng.uniform(0, 200, (1, 4, 5, 3)).astype("float32")
    for y_true in (target, tf.constant(target)):
        loss = gradops.gradient_loss(y_true, prediction)
        assert loss.dtype == tf.float32
        assert_close(loss, reference.gradient_loss(target.astype("float32"), prediction), "float32")


def test_variables_are_watched_without_being_told(rng):
    y_true, y_pred = images(rng, (2, 5, 4, 1))
    variable = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(gradops.gradient_loss(y_true, variable))
    expected = reference.loss_gradients(y_true, y_pred, [0.5, 0.5])[1]
    assert_close(tape.gradient(loss, variable), expected)
