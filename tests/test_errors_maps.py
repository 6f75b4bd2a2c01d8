"""Bad weights and masks: in eager mode, at graph construction and where a graph knew no shape."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf
from op_tools import at_run_time, pairs_of
from reference_tools import NORMALIZERS

import gradops
from gradops._inputs.tensors import shape_text

SHAPE = (2, 4, 5, 3)
GOOD = np.zeros(SHAPE, "float32")
CALLS = {
    "gradient_loss": gradops.gradient_loss,
    "value_and_gradient": gradops.value_and_gradient,
    "gradient_sums": gradops.gradient_sums,
}
NEGATIVE = "weights must be non-negative, got a negative number or NaN"
calls = pytest.mark.parametrize("call", CALLS)
kinds = pytest.mark.parametrize("kind", ["weights", "mask"])
both_backends = pytest.mark.usefixtures("backend")
BACKENDS, KINDS = ["fused", "composite"], ["weights", "mask"]
OTHER_SHAPES = [(1, 4, 5, 1), (2, 4, 5, 2), (2, 1, 5, 3), (2, 4, 1, 1), (2, 5, 4, 3), (2, 4, 5, 0)]


def of_kind(kind, values):
    return np.asarray(values, bool if kind == "mask" else "float32")


def check(message, call, kind, values, *, y_pred=GOOD, at_construction=True, **options):
    """All three ways; the arguments are tensors in graphs."""
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        CALLS[call](y_pred, y_pred, **{kind: values}, **options)
    function = tf.function(lambda y, values: CALLS[call](y, y, **{kind: values}, **options))
    if at_construction:
        specs = [tf.TensorSpec(x.shape, x.dtype) for x in (y_pred, values)]
        with pytest.raises(ValueError, match=message):
            function.get_concrete_function(*specs)
    unknown = function.get_concrete_function(
        tf.TensorSpec(None, y_pred.dtype), tf.TensorSpec(None, values.dtype)
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=at_run_time(message)):
        unknown(tf.constant(y_pred), tf.constant(values))


@pairs_of(shape=OTHER_SHAPES, call=list(CALLS), kind=KINDS, backend=BACKENDS)
def test_other_shapes(backend, call, kind, shape):
    message = f"{kind} must have shape [2,4,5,1] or [2,4,5,3], got {shape_text(shape)}"
    check(re.escape(message), call, kind, of_kind(kind, np.ones(shape)))


@pairs_of(
    shape=[(2, 4, 5, 1), (2, 4, 5, 3), (2, 2, 4, 5), (1, 1, 4, 5)],
    call=list(CALLS),
    kind=KINDS,
    backend=BACKENDS,
)
def test_other_shapes_with_channels_first(backend, call, kind, shape):
    """The message has the layout of the caller."""
    images = np.zeros((2, 3, 4, 5), "float32")
    message = f"{kind} must have shape [2,1,4,5] or [2,3,4,5], got {shape_text(shape)}"
    values = of_kind(kind, np.ones(shape))
    check(re.escape(message), call, kind, values, y_pred=images, data_format="channels_first")


@both_backends
@kinds
@pytest.mark.parametrize("call", ["gradient_loss"])
def test_other_ranks_with_channels_first(call, kind):
    images = np.zeros((2, 3, 4, 5), "float32")
    message = rf"{kind} must have rank 4 \[B, C, H, W\], got shape \[2,4,5\]"
    values = of_kind(kind, np.ones((2, 4, 5)))
    check(message, call, kind, values, y_pred=images, data_format="channels_first")


@pytest.mark.parametrize("call", ["gradient_loss", "value_and_gradient"])
def test_what_a_graph_knows_of_a_shape(call):
    """Sizes that are unknown are said to be."""
    function = tf.function(lambda y, values: CALLS[call](y, y, weights=values))
    specs = tf.TensorSpec([None, 4, 5, None]), tf.TensorSpec([None, 4, 6, 1])
    message = "weights must have shape [?,4,5,1] or [?,4,5,?], got"
    with pytest.raises(ValueError, match=re.escape(message)):
        function.get_concrete_function(*specs)


@pairs_of(call=list(CALLS), dtype=["uint8", "float32", "complex64"])
def test_a_mask_is_bool(call, dtype):
    message = f"mask must have dtype bool, got {dtype}"
    mask = np.ones(SHAPE, dtype)
    with pytest.raises(ValueError, match=message):
        CALLS[call](GOOD, GOOD, mask=mask)
    with pytest.raises(ValueError, match=message):
        tf.function(lambda mask: CALLS[call](GOOD, GOOD, mask=mask)).get_concrete_function(
            tf.TensorSpec(None, dtype)
        )


@calls
def test_weights_are_real(call):
    dtype = "complex64"
    with pytest.raises(ValueError, match=f"weights must have a real dtype, got {dtype}"):
        CALLS[call](GOOD, GOOD, weights=np.ones(SHAPE, dtype))
    with pytest.raises(ValueError, match="weights must have a real dtype, got string"):
        CALLS[call](GOOD, GOOD, weights=np.full(SHAPE, "1"))


@kinds
@pytest.mark.parametrize("value", [object(), [[1.0], [2.0, 3.0]]])
def test_what_is_no_tensor(kind, value):
    with pytest.raises(ValueError, match=f"{kind} must be convertible to a tensor, got a"):
        gradops.gradient_loss(GOOD, GOOD, **{kind: value})
    ragged = tf.ragged.constant([[[[1.0]], [[2.0], [3.0]]]])
    with pytest.raises(ValueError, match=f"{kind} must be a dense tensor, got a RaggedTensor"):
        gradops.gradient_loss(GOOD, GOOD, **{kind: ragged})


@pairs_of(
    bad=[-1.0, -1e-30, np.nan, -np.inf],
    where=[(0, 0, 0, 0), (1, 3, 4, -1), (1, 2, 2, 0)],
    call=list(CALLS),
    channels=[1, 3],
    backend=BACKENDS,
)
def test_negative_weights(backend, call, bad, channels, where):
    """Wherever they are; also in the last row and column."""
    weights = np.ones((*SHAPE[:3], channels), "float32")
    weights[where] = bad
    check(NEGATIVE, call, "weights", weights, at_construction=False)


@pytest.mark.parametrize("dtype", ["int32", "float64", "float16"])
def test_negative_weights_of_other_dtypes(dtype):
    for images in (GOOD, GOOD.astype("float64"), GOOD.astype("float16")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=NEGATIVE):
            gradops.gradient_loss(images, images, weights=np.full(SHAPE, -2, dtype))


@pairs_of(
    response=["component", "magnitude"],
    normalizer=NORMALIZERS,
    backend=BACKENDS,
)
def test_negative_weights_are_found_in_a_training_step(backend, response, normalizer):
    """Whichever pass meets them, and under every normalizer."""
    weights = np.ones(SHAPE, "float32")
    weights[1, 1, 1, 1] = -1
    variable = tf.Variable(GOOD)
    options = {"response": response, "normalizer": normalizer, "weights": weights}

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(gradops.gradient_loss(GOOD + 1, variable, **options))
        return tape.gradient(loss, variable)

    for call in (step, tf.function(step)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=NEGATIVE):
            call()


@both_backends
@pytest.mark.parametrize(
    ("dtype", "least", "most"), [("float32", 1e-30, 1e19), ("float64", 1e-290, 1e150)]
)
@pytest.mark.parametrize("scales", [1, 2])
def test_range_of_weights(rng, dtype, least, most, scales):
    """An example's largest one, unless it is 0, may not be subnormal, which processors flush."""
    loss = functools.partial(gradops.gradient_loss, scales=scales)
    y_true, y_pred = rng.random((2, 2, 6, 5, 1)).astype(dtype)
    losses = loss(y_true, y_pred)
    pattern = np.ones((2, 6, 5, 1))
    for weight in (least, most):
        weighted = loss(y_true, y_pred, weights=weight * pattern)
        np.testing.assert_allclose(weighted, losses, rtol=1e-5)
    pattern[0, 0, 0] = 0
    pattern[0, 1, 1] = least / 1e10  # beside larger ones
    assert np.isfinite(loss(y_true, y_pred, weights=pattern)).all()
    pattern[0] = 0
    assert loss(y_true, y_pred, weights=pattern)[0] == 0
    message = (
        rf"weights must have a largest value of 0 or from {least:g} to .* in each example, got"
    )
    for wrong in (least / 1e12, least / 2, most * 2, np.finfo(dtype).max):
        pattern[0] = wrong
        call = tf.function(lambda weights: loss(y_true, y_pred, weights=weights))
        for function in (call, call.python_function):
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                function(tf.constant(pattern, dtype))
    # One alone, wherever in a row of several registers it is.
    y_true, y_pred = rng.random((2, 1, 3, 50, 1)).astype(dtype)
    for column in range(50):
        weights = np.ones((1, 3, 50, 1))
        weights[0, 1, column] = most * 2
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            gradops.gradient_loss(y_true, y_pred, weights=weights)
