"""GradientLoss and SobelLoss as Keras losses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from op_tools import SLACK

import gradops
from gradops import _backend, reference

LOSSES = [gradops.GradientLoss, gradops.SobelLoss]


def batch(rng, shape=(4, 6, 5, 3)):
    return [rng.standard_normal(shape).astype("float32") for _ in range(2)]


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("penalty", ["l1", "l2"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "none", None])
def test_reductions(rng, loss_class, penalty, reduction):
    y_true, y_pred = batch(rng)
    value = loss_class(penalty=penalty, reduction=reduction)(y_true, y_pred)
    losses = reference.gradient_loss(y_true, y_pred, penalty=penalty)
    expected = {"sum": losses.sum(), "none": losses, None: losses}.get(reduction, losses.mean())
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def assert_slopes(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=SLACK * 1e-9)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
def test_gradient_for_every_reduction(rng, reduction):
    y_true, y_pred = batch(rng)
    variable = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        value = gradops.SobelLoss(reduction=reduction)(y_true, variable)
    upstream = np.full(4, 0.25 if reduction == "sum_over_batch_size" else 1.0)
    expected = reference.loss_gradients(y_true, y_pred, upstream)[1]
    assert_slopes(tape.gradient(value, variable), expected)


@pytest.mark.parametrize("size", [(4, 6, 5, 3), (4, 4, 4, 3)])  # also B == H == W
def test_sample_weights(rng, size):
    y_true, y_pred = batch(rng, size)
    weights = np.array([0.0, 1.0, 2.0, 0.5], "float32")
    variable = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        value = gradops.SobelLoss()(y_true, variable, sample_weight=weights)
    losses = reference.gradient_loss(y_true, y_pred)
    np.testing.assert_allclose(value, (losses * weights).sum() / 4, rtol=1e-6)
    expected = reference.loss_gradients(y_true, y_pred, weights / 4)[1]
    assert_slopes(tape.gradient(value, variable), expected)


@pytest.mark.fused
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "none"])
def test_the_expected_upstream_is_the_one_that_arrives(rng, reduction, monkeypatch):
    """What arrives equals what was foreseen, bit for bit, so that a step costs one sweep."""
    seen = []
    loss_gradient = _backend.ops().loss_gradient

    def spy(inputs, memo, expected, upstream, options):
        seen.append((expected.numpy(), upstream.numpy()))
        return loss_gradient(inputs, memo, expected, upstream, options)

    monkeypatch.setattr(_backend.ops(), "loss_gradient", spy)
    variable = tf.Variable(rng.standard_normal((7, 6, 5, 3)).astype("float32"))
    with tf.GradientTape() as tape:
        value = gradops.SobelLoss(reduction=reduction)(variable * 0, variable)
    tape.gradient(value, variable)
    ((expected, upstream),) = seen
    np.testing.assert_array_equal(upstream, np.full(7, expected))


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


def test_float64_is_computed_in_float64(rng):
    y_true, y_pred = (rng.standard_normal((2, 5, 4, 1)) for _ in range(2))
    value = gradops.SobelLoss(dtype="float64")(y_true, y_pred)
    assert value.dtype == tf.float64
    expected = reference.gradient_loss(y_true, y_pred).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-14)


def small_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_fit_follows_the_composition(rng, run_eagerly):
    """The same training run as with the loss composed from tf.image.sobel_edges."""

    def composed(y_true, y_pred):
        return gradops.composite.gradient_loss(y_true, y_pred, penalty="l2")

    x = rng.uniform(size=(12, 8, 8, 3)).astype("float32")
    histories = []
    for loss in (gradops.SobelLoss("l2"), composed):
        model = small_model()
        model.compile("sgd", loss=loss, run_eagerly=run_eagerly)
        history = model.fit(
            x, x, sample_weight=np.linspace(0, 1, 12), batch_size=5, epochs=3, verbose=0
        )
        histories.append([*history.history["loss"], model.evaluate(x, x, verbose=0)])
    np.testing.assert_allclose(*histories, rtol=1e-5)
    assert histories[0][2] < histories[0][0]


def test_a_saved_model_brings_its_loss_back(rng, tmp_path):
    x = rng.uniform(size=(4, 8, 8, 3)).astype("float32")
    model = small_model()
    model.compile("sgd", loss=gradops.SobelLoss("l2", reduction="sum"))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, gradops.SobelLoss)
    assert again.loss.get_config() == model.loss.get_config()
    np.testing.assert_allclose(
        again.evaluate(x, x, verbose=0), model.evaluate(x, x, verbose=0), rtol=1e-6
    )
