"""GradientLoss and SobelLoss as Keras losses: reductions, weights, options, saving and fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from op_tools import MEMBERS, assert_close, dyadic, each, first, pairs_of

import gradops
from gradops import _backend, reference

LOSSES = [gradops.GradientLoss, gradops.SobelLoss]


SHAPE = (5, 6, 7, 2)
OTHERS = {"scale": "unit", "normalizer": "pixels", "weight": 2.5, "data_format": "channels_first"}
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "none", None]
both_backends = pytest.mark.usefixtures("backend")


def batch(rng, shape=SHAPE, dtype="float32"):
    return [dyadic(rng, shape).astype(dtype) for _ in range(2)]


@pytest.mark.parametrize("loss_class", LOSSES)
def test_serialisation_keeps_every_argument(loss_class):
    loss = loss_class(
        penalty="huber",
        response="magnitude",
        border="valid",
        scale="unit",
        delta=0.25,
        response_epsilon=1e-6,
        normalizer="pixels",
        scales=3,
        downsample="average",
        scale_weights=(1, 0.5, 2),
        mask="finite",
        mask_value=-1,
        weight=2,
        data_format="channels_first",
        reduction="sum",
        name="mine",
        dtype="float64",
    )
    config = keras.losses.serialize(loss)
    again = keras.losses.deserialize(config)
    assert type(again) is loss_class
    assert again.get_config() == loss.get_config()
    assert again.get_config() == {
        "stencil": "sobel",
        "penalty": "huber",
        "response": "magnitude",
        "border": "valid",
        "scale": "unit",
        "epsilon": None,
        "delta": 0.25,
        "alpha": None,
        "response_epsilon": 1e-6,
        "normalizer": "pixels",
        "scales": 3,
        "downsample": "average",
        "scale_weights": [1.0, 0.5, 2.0],
        "mask": "finite",
        "mask_value": -1.0,
        "weight": 2.0,
        "data_format": "channels_first",
        "reduction": "sum",
        "name": "mine",
        "dtype": "float64",
    }


@both_backends
@each(MEMBERS, MEMBERS[::4])
def test_every_option_is_used_and_serialised(rng, options):
    y_true, y_pred = batch(rng, dtype="float64")
    loss = gradops.GradientLoss(**options, **OTHERS, reduction="none", dtype="float64")
    value = loss(first(y_true), first(y_pred))
    plain = {key: value for key, value in OTHERS.items() if key in ("scale", "normalizer")}
    expected = 2.5 * reference.gradient_loss(y_true, y_pred, **options, **plain)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    config = loss.get_config()
    assert {key: config[key] for key in (*options, *OTHERS)} == {**options, **OTHERS}
    for again in (
        gradops.GradientLoss.from_config(config),
        keras.losses.deserialize(keras.losses.serialize(loss)),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss)),
    ):
        assert type(again) is gradops.GradientLoss and again.get_config() == config
        np.testing.assert_array_equal(again(first(y_true), first(y_pred)), value)


def spied(monkeypatch):
    """Takes down what was foreseen and what arrived."""
    seen = []
    loss_gradient = _backend.ops().loss_grad

    def spy(inputs, memo, expected, upstream, options):
        gradient = loss_gradient(inputs, memo, expected, upstream, options)
        address = [
            x._numpy().ctypes.data if memo.shape.rank == 4 else None for x in (memo, gradient)
        ]
        seen.append((expected.numpy(), upstream.numpy(), *address))
        return gradient

    monkeypatch.setattr(_backend.ops(), "loss_grad", spy)
    return seen


@pytest.mark.cpu_only  # a GPU copies the memo
@pytest.mark.parametrize(
    ("weight", "reduction", "dtype"),
    [
        (1, "sum_over_batch_size", "float32"),
        (1 / 3, "sum_over_batch_size", "float64"),
        (0.1, "mean", "float32"),
        (-0.3, "sum", "float32"),
        (1e-3, "none", "float64"),
        (2.0, None, "float32"),
    ],
)
def test_weight_multiplies_and_is_foreseen(rng, weight, reduction, dtype, monkeypatch):
    """What arrives is what was foreseen, bit for bit, so the gradient is the memo itself."""
    y_true, y_pred = batch(rng, dtype=dtype)
    for size in (1, 3, 5):
        seen = spied(monkeypatch)
        variable = tf.Variable(y_pred[:size])
        loss = gradops.GradientLoss(weight=weight, reduction=reduction, dtype=dtype)
        with tf.GradientTape() as tape:
            value = loss(y_true[:size], variable)
        gradient = tape.gradient(value, variable)
        ((expected, upstream, memo, returned),) = seen
        np.testing.assert_array_equal(upstream, np.full(size, expected))
        assert memo is not None and memo == returned
        monkeypatch.undo()
        losses = weight * reference.gradient_loss(y_true[:size], y_pred[:size])
        wanted = {"sum": losses.sum(), "none": losses, None: losses}.get(reduction, losses.mean())
        np.testing.assert_allclose(value, wanted, rtol=1e-6)
        factor = weight if reduction in ("sum", "none", None) else weight / size
        slopes = reference.loss_gradients(y_true[:size], y_pred[:size], [factor] * size)[1]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-7 * np.abs(slopes).max())


@pytest.mark.parametrize("weight", [1, 0.1])
def test_weight_is_foreseen_in_a_graph_of_unknown_batch(rng, weight):
    """The two scalars, computed in the graph, have the same bits for every size of the batch."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1])])
    def scalars(y_pred):
        expected = _backend.ops().expected_upstream(y_pred, "mean", weight)
        losses = tf.zeros(tf.shape(y_pred)[:1])
        with tf.GradientTape() as tape:
            tape.watch(losses)
            value = tf.reduce_mean(losses if weight == 1 else weight * losses)
        return expected, tape.gradient(value, losses)

    for size in (1, 2, 3, 7, 41, 49, 1000):
        expected, upstream = scalars(tf.zeros([size, 4, 4, 1]))
        np.testing.assert_array_equal(upstream, np.full(size, expected))


@pairs_of(
    backend=["fused", "composite"],
    sample_weight=[None, (0.0, 1.0, 2.0, 0.5, 0.25)],
    reduction=[*REDUCTIONS, "mean_with_sample_weight"],
)
def test_reductions_and_sample_weights(rng, backend, reduction, sample_weight):
    y_true, y_pred = batch(rng)
    options = {"response": "magnitude", "border": "replicate", "penalty": "charbonnier"}
    variable = tf.Variable(y_pred)
    loss = gradops.GradientLoss(**options, weight=0.7, reduction=reduction)
    with tf.GradientTape() as tape:
        value = loss(y_true, variable, sample_weight=sample_weight)
    factors = 0.7 * np.array(sample_weight or np.ones(5))
    if reduction == "mean_with_sample_weight":
        factors /= np.sum(sample_weight or np.ones(5))
    elif reduction in ("sum_over_batch_size", "mean"):
        factors /= 5
    losses = factors * reference.gradient_loss(y_true, y_pred, **options)
    wanted = losses if reduction in ("none", None) else losses.sum()
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    slopes = reference.loss_gradients(y_true, y_pred, factors, **options)[1]
    assert_close(tape.gradient(value, variable), slopes, "float32")


@both_backends
@pytest.mark.parametrize(
    ("dtype", "reduction"),
    [("float16", "sum_over_batch_size"), ("bfloat16", "sum"), ("float64", "none")],
)
def test_other_dtypes(rng, dtype, reduction):
    """Images are cast to the loss's dtype; its value has 32 bits or 64."""
    y_true, y_pred = batch(rng, dtype="float64")
    variable = tf.Variable(y_pred)
    loss = gradops.GradientLoss(penalty="l2", weight=0.5, reduction=reduction, dtype=dtype)
    with tf.GradientTape() as tape:
        value = loss(y_true, variable)
    y_true, y_pred = (tf.cast(tf.cast(x, dtype), tf.float64).numpy() for x in (y_true, y_pred))
    factors = np.full(5, 0.1 if reduction == "sum_over_batch_size" else 0.5)
    losses = factors * reference.gradient_loss(y_true, y_pred, penalty="l2")
    tolerance = {"float16": 3e-3, "bfloat16": 2e-2, "float64": 1e-12}[dtype]
    wanted = losses if reduction == "none" else losses.sum()
    assert value.dtype == (tf.float64 if dtype == "float64" else tf.float32)
    np.testing.assert_allclose(value, wanted, rtol=1e-12 if dtype == "float64" else 1e-5)
    slopes = reference.loss_gradients(y_true, y_pred, factors, penalty="l2")[1]
    atol = tolerance * np.abs(slopes).max()
    np.testing.assert_allclose(tape.gradient(value, variable), slopes, rtol=tolerance, atol=atol)
