"""Training in other ways than compile and fit: custom loops, add_loss, class weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import gradops
from gradops import composite

SHAPE = (9, 8, 3)


def data(rng, count=8):
    return rng.random((2, count, *SHAPE), np.float32)


def convolution(seed=3):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(3, 3, padding="same")])


def losses_of_a_loop(rng, loss, wrap):
    """Ten steps of the loop that TensorFlow's guides teach."""
    x, y = data(rng)
    model, optimizer = convolution(), keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)

    @wrap
    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True)) + 0.1 * tf.reduce_mean(tf.square(model(x)))
        slopes = tape.gradient(value, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        return value

    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat(5)
    return [float(step(*batch)) for batch in batches]


WRAPS = {
    "eager": lambda step: step,
    "graph": tf.function,
    "compiled": lambda step: tf.function(step, jit_compile=True),
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_custom_loop_follows_the_composition(wrap):
    def composed(y_true, y_pred):
        return tf.reduce_mean(composite.gradient_loss(y_true, y_pred))

    found, expected = (
        losses_of_a_loop(np.random.default_rng(5), loss, WRAPS[wrap])
        for loss in (gradops.SobelLoss(), composed)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found[-1] < found[0]


class Edges(keras.layers.Layer):
    """Passes images on and adds how much their edges differ from those of the targets."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loss = gradops.GradientLoss(penalty="charbonnier", weight=0.5)

    def call(self, inputs):
        y_true, y_pred = inputs
        self.add_loss(self.loss(y_true, y_pred))
        return y_pred


@pytest.mark.parametrize("jit_compile", [False, True])
def test_add_loss_in_a_layer(rng, jit_compile):
    """As compiling the same loss into the model."""
    x, y = data(rng)
    inputs, targets = keras.Input(SHAPE), keras.Input(SHAPE)
    inner = convolution()
    added = keras.Model([inputs, targets], Edges()([targets, inner(inputs)]))
    added.compile("sgd", jit_compile=jit_compile)
    compiled = convolution()
    loss = gradops.GradientLoss(penalty="charbonnier", weight=0.5)
    compiled.compile("sgd", loss=loss, jit_compile=jit_compile)
    options = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0}
    found = added.fit([x, y], **options).history["loss"]
    expected = compiled.fit(x, y, **options).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[-1] < found[0]
    for ours, theirs in zip(inner.get_weights(), compiled.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_class_weights_of_arrays_are_refused_by_keras(rng):
    """Its own error: an image has no class."""
    x, y = data(rng)
    model = convolution()
    model.compile("sgd", loss=gradops.SobelLoss())
    with pytest.raises(TypeError, match="converted to Python scalars"):
        model.fit(x, y, class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_class_weights_of_a_dataset_weigh_pixels(rng):
    """Images have one channel: Keras takes the rounded target of each pixel for its class."""
    x, y = rng.random((2, 4, *SHAPE[:2], 1), np.float32)
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Conv2D(1, 3, padding="same")])
    model.compile(keras.optimizers.SGD(0.0), loss=gradops.SobelLoss())
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    history = model.fit(batches, class_weight={0: 1.0, 1: 3.0}, verbose=0).history
    weights = np.where(np.round(y) == 1, 3.0, 1.0)
    expected = composite.gradient_loss(y, model.predict(x, verbose=0), weights=weights)
    np.testing.assert_allclose(history["loss"], [np.mean(expected)], rtol=1e-4)
