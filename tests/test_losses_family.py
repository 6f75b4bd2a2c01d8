"""The options of the family in GradientLoss and SobelLoss."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from op_tools import BORDERS, EDGES, FAMILY, LOSSES, STENCILS, first, name_of

import gradops
from gradops import _backend, reference

SHAPE = (5, 6, 7, 2)
members = pytest.mark.parametrize("options", LOSSES + EDGES, ids=name_of)
OTHERS = {"scale": "unit", "normalizer": "pixels", "weight": 2.5, "data_format": "channels_first"}
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "none", None]


def batch(rng, dtype="float32"):
    return [rng.normal(size=SHAPE).astype(dtype) for _ in range(2)]


@members
def test_every_option_is_used_and_serialised(rng, options):
    y_true, y_pred = batch(rng, "float64")
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


@pytest.mark.parametrize("options", [x for x in EDGES if x["stencil"] == "sobel"], ids=name_of)
def test_sobel_loss_takes_the_other_options(rng, options):
    y_true, y_pred = batch(rng)
    loss = gradops.SobelLoss("huber", delta=0.5, **{k: options[k] for k in ("border", "response")})
    expected = gradops.gradient_loss(y_true, y_pred, penalty="huber", delta=0.5, **options)
    np.testing.assert_allclose(loss(y_true, y_pred), tf.reduce_mean(expected), rtol=1e-6)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is gradops.SobelLoss and again.get_config() == loss.get_config()


def spied(monkeypatch):
    """Takes down what was foreseen and what arrived."""
    seen = []
    loss_gradient = _backend.ops().loss_gradient

    def spy(inputs, memo, expected, upstream, options):
        gradient = loss_gradient(inputs, memo, expected, upstream, options)
        address = [
            x._numpy().ctypes.data if memo.shape.rank == 4 else None for x in (memo, gradient)
        ]
        seen.append((expected.numpy(), upstream.numpy(), *address))
        return gradient

    monkeypatch.setattr(_backend.ops(), "loss_gradient", spy)
    return seen


@pytest.mark.fused
@pytest.mark.parametrize("weight", [1, 2.0, 0.1, -0.3, 1e-3, 1 / 3])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weight_multiplies_and_is_foreseen(rng, weight, reduction, dtype, monkeypatch):
    """What arrives is what was foreseen, bit for bit, so the gradient is the memo itself."""
    y_true, y_pred = batch(rng, dtype)
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


@pytest.mark.fused
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


@pytest.mark.parametrize("sample_weight", [None, [0.0, 1.0, 2.0, 0.5, 0.25]])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "mean_with_sample_weight"])
def test_reductions_and_sample_weights(rng, reduction, sample_weight):
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
    actual = tape.gradient(value, variable)
    np.testing.assert_allclose(actual, slopes, rtol=1e-4, atol=1e-6 * np.abs(slopes).max())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
def test_other_dtypes(rng, dtype, reduction):
    """Images are cast to the loss's dtype; its value has 32 bits or 64."""
    y_true, y_pred = batch(rng, "float64")
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


def small_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )


FITS = [
    {"penalty": "charbonnier", "epsilon": 0.1, "border": "replicate", "scale": "unit"},
    {"penalty": "huber", "response": "magnitude", "border": "valid", "response_epsilon": 1e-3},
    {"response": "normal", "stencil": "forward", "border": "circular", "normalizer": "batch"},
]


@pytest.mark.parametrize("options", FITS, ids=name_of)
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_fit_follows_the_composition(rng, options, run_eagerly):
    x = rng.uniform(size=(12, 8, 8, 3)).astype("float32")

    def composed(y_true, y_pred):
        return 0.1 * gradops.composite.gradient_loss(y_true, y_pred, **options)

    histories = []
    for loss in (gradops.GradientLoss(**options, weight=0.1), composed):
        model = small_model()
        model.compile("sgd", loss=loss, run_eagerly=run_eagerly)
        history = model.fit(x, x, batch_size=5, epochs=3, verbose=0)
        histories.append([*history.history["loss"], model.evaluate(x, x, verbose=0)])
    np.testing.assert_allclose(*histories, rtol=1e-4)
    assert histories[0][-1] < histories[0][0]


def test_a_saved_model_brings_its_options_back(rng, tmp_path):
    x = rng.uniform(size=(4, 8, 8, 3)).astype("float32")
    model = small_model()
    model.compile("sgd", loss=gradops.GradientLoss(**FITS[1], weight=0.5))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()
    np.testing.assert_allclose(
        again.evaluate(x, x, verbose=0), model.evaluate(x, x, verbose=0), rtol=1e-6
    )


def test_every_name_of_the_family_is_here():
    names = gradops._options.allowed_names()
    assert list(names["penalty"]) == list(FAMILY) and list(names["stencil"]) == STENCILS
    assert list(names["border"]) == BORDERS
