"""The ops under XLA: compiled to our own custom call, with the bits of the plain ops."""

import numpy as np
import pytest
import tensorflow as tf
from family_options import RESPONSES
from op_tools import EPSILON, MEMBERS, each, first, images, is_fused, pairs_of
from reference_tools import NORMALIZERS
from subprocess_tools import run_python

import gradops

SHAPE = (3, 9, 6, 2)
UPSTREAM = tf.constant([0.7, -1.3, 0.0])
# So many roundings, relative to the largest entry, are XLA's own in the composition: a gradient is
# the sum of some hundred terms, and float16 and bfloat16 may be rounded between any two ops.
COMPOSED = {"float16": 4, "bfloat16": 4, "float32": 512, "float64": 512}
DTYPES = ["float16", "bfloat16", "float32", "float64"]
members = each(MEMBERS, MEMBERS[::4])
both_backends = pytest.mark.usefixtures("backend")


def assert_same_under_xla(function, *inputs, roundings=0):
    """Compiled, the function calls us and returns what it returns in a graph, bit for bit.

    But for so many roundings, if XLA computes around our calls. The composition calls nobody, and
    XLA rounds it in its own way.
    """
    compiled = tf.function(function, jit_compile=True)
    program = compiled.experimental_get_compiler_ir(*inputs)(stage="optimized_hlo")
    assert ('custom_call_target="gradops"' in program) == is_fused()
    plain = tf.nest.flatten(tf.function(function)(*inputs))
    ours = tf.nest.flatten(compiled(*inputs))
    for x, y in zip(ours, plain, strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        if is_fused() and not roundings:
            assert x.numpy().tobytes() == y.numpy().tobytes(), (x, y)
        else:
            roundings = roundings if is_fused() else COMPOSED[x.dtype.name]
            scale = max(np.abs(y.numpy().astype("float64")).max(initial=0), 1e-3)
            np.testing.assert_allclose(x, y, rtol=0, atol=roundings * EPSILON[x.dtype.name] * scale)
    return program


def derivatives(call, upstream):
    """A function of both images: the values, and their derivatives by both."""

    def step(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch([y_true, y_pred])
            values = call(y_true, y_pred)
        by = tape.gradient(values, [y_true, y_pred], tf.cast(upstream, values.dtype))
        return values, *by

    return step


@members
def test_loss_and_gradients_have_the_bits_of_the_plain_ops(rng, options):
    check_member(rng, options)


def check_member(rng, options):
    def call(y_true, y_pred):
        return gradops.gradient_loss(y_true, y_pred, **options)

    tensors = images(rng, SHAPE, "float32")
    assert_same_under_xla(derivatives(call, UPSTREAM), *tensors)


@pairs_of(normalizer=NORMALIZERS, per_channel=[False, True], dtype=DTYPES)
def test_weights_masks_and_dtypes(rng, normalizer, per_channel, dtype):
    maps = SHAPE if per_channel else (*SHAPE[:3], 1)
    weights = tf.constant(rng.random(maps), "float64" if dtype == "float64" else "float32")
    mask = tf.constant(rng.random(maps) > 0.2)

    def call(y_true, y_pred):
        return gradops.gradient_loss(
            y_true, y_pred, weights=weights, mask=mask, normalizer=normalizer
        )

    assert_same_under_xla(derivatives(call, UPSTREAM), *images(rng, SHAPE, dtype))


def test_one_image_channels_first_and_sums(rng):
    x = tf.constant(first(rng.standard_normal(SHAPE)), tf.float32)

    def total_variation(x):
        return gradops.gradient_loss(None, x, data_format="channels_first")

    def sums(x):
        return gradops.gradient_sums(x, 2 * x, response="magnitude", data_format="channels_first")

    assert_same_under_xla(total_variation, x)
    assert_same_under_xla(sums, x)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "none"])
def test_keras_losses(rng, reduction):
    loss = gradops.SobelLoss(reduction=reduction)

    def call(y_true, y_pred):
        return tf.reduce_sum(loss(y_true, y_pred))

    step = derivatives(call, tf.constant(1.0))
    assert_same_under_xla(step, *images(rng, SHAPE, "float32"), roundings=8)


@each(RESPONSES, ["component", "direction"], name="response")
def test_second_derivatives(rng, response):
    vector = tf.constant(rng.standard_normal(SHAPE), tf.float32)

    def product(y_true, y_pred):
        with tf.GradientTape() as outer:
            outer.watch([y_true, y_pred])
            with tf.GradientTape() as inner:
                inner.watch(y_pred)
                losses = gradops.gradient_loss(
                    y_true, y_pred, response=response, penalty="charbonnier"
                )
                value = tf.reduce_sum(losses**2)
            gradient = inner.gradient(value, y_pred)
        return outer.gradient(gradient, [y_true, y_pred], vector)

    assert_same_under_xla(product, *images(rng, SHAPE, "float32"))


@each(DTYPES, ["bfloat16", "float64"], name="dtype")
@pytest.mark.parametrize("function", ["image_gradients", "gradient_magnitude"])
def test_image_functions(rng, function, dtype):
    """Values, gradients and their gradients."""

    def call(x):
        return getattr(gradops, function)(x)

    x = tf.constant(rng.standard_normal(SHAPE), dtype)

    def step(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                values = call(x)
                total = tf.reduce_sum(values * values)
            gradient = inner.gradient(total, x)
        return values, gradient, outer.gradient(gradient, x)

    # Bits of what XLA computes around our calls are its own: in float16 it rounds less often.
    assert_same_under_xla(call, x)
    if dtype in ("float32", "float64"):
        plain, ours = tf.function(step)(x), tf.function(step, jit_compile=True)(x)
        for one, other in zip(plain, ours, strict=True):
            scale = np.abs(one).max()
            np.testing.assert_allclose(one, other, rtol=0, atol=64 * EPSILON[dtype] * scale)


def test_inside_larger_programs_and_loops(rng):
    y_true, y_pred = images(rng, SHAPE, "float32")

    @tf.function(jit_compile=True)
    def inner(x):
        return gradops.gradient_loss(y_true, x)

    def descend(x):
        for _ in tf.range(5):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_mean(inner(tf.tanh(x)))
            x -= 0.1 * tape.gradient(loss, x)
        return x

    plain, compiled = tf.function(descend)(y_pred), tf.function(descend, jit_compile=True)(y_pred)
    np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-6)


def test_a_memo_that_is_used_twice_keeps_its_numbers(rng):
    """The gradient may take the memo's memory only where nothing else reads it."""
    y_true, y_pred = images(rng, (4, 9, 6, 2), "float32")  # factors are powers of 2, hence exact

    def step(y_true, y_pred, factor):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y_pred)
            loss = gradops.SobelLoss()(y_true, y_pred)
            scaled = factor * loss
        return tape.gradient(scaled, y_pred), tape.gradient(loss, y_pred)

    assert_same_under_xla(step, y_true, y_pred, tf.constant(4.0))


def test_a_program_that_is_compiled_for_many_threads_has_the_same_bits(rng):
    """The images are cut into many units of work, so that several threads share them."""
    tensors = images(rng, (4, 200, 130, 3), "float32")

    def call(y_true, y_pred):
        return gradops.gradient_loss(y_true, y_pred)

    program = tf.function(derivatives(call, tf.ones([4])), jit_compile=True)
    first_run = [x.numpy() for x in program(*tensors)]
    for _ in range(5):
        for x, y in zip(program(*tensors), first_run, strict=True):
            np.testing.assert_array_equal(x, y)
    assert_same_under_xla(derivatives(call, tf.ones([4])), *tensors)


def test_shapes_that_do_not_fit_are_refused_when_it_is_compiled(rng):
    @tf.function(jit_compile=True, input_signature=2 * [tf.TensorSpec(None, tf.float32)])
    def call(y_true, y_pred):
        return gradops.gradient_loss(y_true, y_pred)

    x = tf.zeros([2, 5, 6, 1])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="y_true and y_pred must have the same"
    ):
        call(x, x[:, 1:])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"y_pred must have rank 4 \[B, H, W, C"
    ):
        call(x[0], x[0])


@pytest.mark.cpu_only  # a GPU gives NaN instead
def test_numbers_that_do_not_fit_are_refused_when_it_runs(rng):
    @tf.function(jit_compile=True)
    def call(x, weights):
        return gradops.gradient_loss(x, x, weights=weights)

    x = tf.zeros([2, 5, 6, 1])
    call(x, tf.ones_like(x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="weights must be non-negative"):
        call(x, -tf.ones_like(x))


def test_derivatives_of_the_derivative_by_weights_are_refused_when_it_is_compiled(rng):
    """Also where they are not asked for: XLA compiles what a tape of its program watches."""
    x, weights = tf.constant(rng.random(SHAPE)), tf.constant(rng.random((*SHAPE[:3], 1)))

    def slopes(x, weights, stop):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch([x, weights])
                losses = gradops.gradient_loss(None, x, weights=weights, penalty="l2")
            by_x, by_weights = tape.gradient(losses, [x, weights])
            squares = tf.reduce_sum(by_x**2)
            squares += tf.reduce_sum(tf.stop_gradient(by_weights) if stop else by_weights)
        return by_weights, outer.gradient(squares, x)

    with pytest.raises(tf.errors.InvalidArgumentError, match="Detected unsupported operations"):
        tf.function(lambda x, w: slopes(x, w, stop=False), jit_compile=True)(x, weights)
    assert_same_under_xla(lambda x, w: slopes(x, w, stop=True), x, weights)


@both_backends
def test_empty_batch():
    @tf.function(jit_compile=True)
    def call(x):
        return gradops.gradient_loss(x, x)

    assert call(tf.zeros([0, 5, 6, 1])).shape == [0]


LATE = """
import tensorflow as tf

assert tf.function(lambda x: x + 1, jit_compile=True)(tf.zeros([])) == 1
import gradops

x = tf.random.normal([1, 5, 6, 1])
call = tf.function(lambda x: gradops.gradient_loss(None, x), jit_compile=True)
assert call(x) == gradops.gradient_loss(None, x)
"""


@pytest.mark.extended
def test_the_library_may_be_loaded_after_the_first_program():
    process = run_python(LATE)
    assert process.returncode == 0, process.stderr
