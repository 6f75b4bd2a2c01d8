"""PerceptualGradientLoss in training: who gets a gradient, fit, mixed precision."""

import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from perceptual_tools import SHAPE, batch, long, small_extractor, tutorial

import gradops

each_mode = pytest.mark.parametrize("jit_compile", [False, long(True), long("auto")])


def small_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input(SHAPE[1:]), keras.layers.Conv2D(3, 3, padding="same", name="trained")]
    )


def test_neither_the_target_nor_the_extractor_get_a_gradient(rng):
    backward = []

    @keras.saving.register_keras_serializable("test_perceptual")
    class Seen(keras.layers.Layer):
        def call(self, images):
            @tf.custom_gradient
            def seen(images):
                return tf.identity(images), lambda upstream: backward.append(1) or upstream

            return seen(images)

    extractor = keras.Sequential([keras.Input((None, None, 3)), Seen(), keras.layers.Conv2D(4, 3)])
    y_true, y_pred = (tf.Variable(image) for image in batch(rng))
    loss = gradops.PerceptualGradientLoss(extractor, gradient_weight=0)
    backward.clear()
    with tf.GradientTape() as tape:
        value = loss(y_true, y_pred)
    weights = [variable.value for variable in extractor.trainable_variables]
    slopes = tape.gradient(value, [y_pred, y_true, *weights])
    assert np.abs(slopes[0]).max() > 0 and slopes[1:] == [None, None, None]
    assert len(backward) == 1  # of the predicted images


def states(model):
    return [variable.numpy() for variable in model.variables]


@each_mode
def test_fit_trains_the_model_alone(rng, jit_compile, tmp_path):
    x, y = (image.numpy() for image in batch(rng))
    extractor, model = small_extractor(), small_model()
    before, start = states(extractor), model.get_weights()
    loss = gradops.PerceptualGradientLoss(extractor)
    model.compile(keras.optimizers.Adam(0.01), loss=loss, jit_compile=jit_compile)
    expected = tutorial(extractor, tf.constant(y), model(x))
    history = model.fit(x, y, epochs=8, batch_size=3, verbose=0).history["loss"]
    np.testing.assert_allclose(history[0], expected, rtol=1e-5)
    assert history[-1] < 0.9 * history[0]
    assert all(np.array_equal(*pair) for pair in zip(before, states(extractor), strict=True))
    assert not np.array_equal(start[0], model.get_weights()[0])
    assert len(model.weights) == 2 and len(model.optimizer.variables) == 2 + 2 * 2
    model.save_weights(tmp_path / "model.weights.h5")
    again = small_model()
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    with h5py.File(tmp_path / "model.weights.h5") as file:
        names = []
        file.visit(names.append)
    assert not [name for name in names if name.startswith("loss/")]
    assert all(variable.trainable for variable in extractor.trainable_variables)  # as it was


def test_weights_that_are_trained_elsewhere_too(rng):
    """The extractor is a part of the trained model; what moves it is the model's own path."""
    extractor = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)])
    x, y = batch(rng)
    variables = [variable.value for variable in extractor.trainable_variables]
    copy = keras.models.clone_model(extractor)
    copy.set_weights(extractor.get_weights())
    found = []
    for network in (extractor, copy):
        with tf.GradientTape() as tape:
            value = gradops.PerceptualGradientLoss(network)(y, extractor(x))
        found.append(tape.gradient(value, variables))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    assert np.abs(found[0][0]).max() > 0


@pytest.mark.extended
@each_mode
def test_mixed_precision(rng, jit_compile):
    x, y = (image.numpy() for image in batch(rng))
    ends = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            model = small_model()
        finally:
            keras.config.set_dtype_policy("float32")
        model.compile(
            "sgd", gradops.PerceptualGradientLoss(small_extractor()), jit_compile=jit_compile
        )
        start = model.get_weights()[0]
        model.fit(x, y, batch_size=3, verbose=0)
        ends.append(model.get_weights()[0] - start)
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=0.03 * np.abs(ends[0]).max())


@pytest.mark.extended
def test_what_the_page_shows_runs(rng):
    """Each snippet of docs/perceptual.md, with random weights and fewer steps."""
    page = (Path(__file__).parents[1] / "docs" / "perceptual.md").read_text(encoding="utf-8")
    target = tf.constant(rng.random((1, 32, 32, 3)), tf.float32)
    names = {
        "gradops": gradops,
        "keras": keras,
        "model": keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")]),
        "target": target,
        "start": tf.zeros_like(target),
    }
    for snippet in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        snippet = snippet.replace('weights="imagenet"', "weights=None")
        exec(snippet.replace("steps=200", "steps=3"), names)
    assert names["history"][-1] < names["history"][0]
    names["model"].fit(target, target, verbose=0)
