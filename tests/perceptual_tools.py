"""An extractor, images and the tutorial's formula, for the tests of PerceptualGradientLoss."""

import keras
import pytest
import tensorflow as tf

SHAPE = (3, 12, 14, 3)


def long(*values):
    """A parameter of the extended suite alone."""
    return pytest.param(*values, marks=pytest.mark.extended)


def batch(rng, dtype="float32", shape=SHAPE):
    return [tf.constant(rng.random(shape), dtype) for _ in range(2)]


def small_extractor(**options):
    """Two features, of two scales; it has statistics of batches, which must not move."""
    keras.utils.set_random_seed(3)
    images = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, activation="relu", name="first", **options)(images)
    second = keras.layers.BatchNormalization(name="norm", **options)(first)
    second = keras.layers.Conv2D(5, 3, strides=2, name="second", **options)(second)
    return keras.Model(images, [first, second])


def by_example(values):
    return tf.reduce_mean(values, axis=list(range(1, len(values.shape))))


def tutorial(extractor, y_true, y_pred, gradient_weight=0.05):
    """What is published: means over the batch, of squares of features and Sobel differences."""
    features = zip(extractor(y_true), extractor(y_pred), strict=True)
    perceptual = sum(tf.reduce_mean(tf.square(of_pred - of_true)) for of_true, of_pred in features)
    edges = tf.image.sobel_edges(y_pred) - tf.image.sobel_edges(y_true)
    return perceptual + gradient_weight * tf.reduce_mean(tf.abs(edges))


def with_gradient(function, image):
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = function(image)
    return value, tape.gradient(value, image)
