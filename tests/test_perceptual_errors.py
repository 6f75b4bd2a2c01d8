"""What PerceptualGradientLoss refuses, and in which words."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from perceptual_tools import long

import gradops

Loss = gradops.PerceptualGradientLoss
IMAGES = tf.ones([2, 8, 8, 3])
SHAPE_ERRORS = (ValueError, tf.errors.InvalidArgumentError)


def extractor():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((None, None, 3), name="images"),
            keras.layers.Conv2D(4, 3, name="first"),
            keras.layers.Conv2D(4, 3, name="second"),
        ]
    )


def refused(message, **options):
    with pytest.raises(ValueError, match=message):
        Loss(**{"feature_extractor": extractor(), **options})


def test_extractors_that_are_none():
    for value in (None, "vgg16", keras.layers.Conv2D, 3.0):
        message = "feature_extractor must be a Keras model or a callable .* got"
        refused(message, feature_extractor=value)


def test_an_extractor_without_weights():
    unbuilt = keras.Sequential([keras.layers.Conv2D(4, 3)])
    refused("feature_extractor must be built.* got <Sequential", feature_extractor=unbuilt)


@pytest.mark.parametrize("argument", ["perceptual_weight", "gradient_weight", "layer_weights"])
def test_weights(argument):
    for value in (-0.1, np.nan, np.inf, "1", True, None):
        given = [value] if argument == "layer_weights" else value
        refused(f"{argument} must be a finite number of at least 0, got", **{argument: given})


def test_layers():
    message = "layers must be of those of feature_extractor .first, second., got 'block1_conv2'"
    refused(message, layers=["first", "block1_conv2"])
    message = r"layers must be None or a list of one or more names of layers, got"
    for value in ("first", [], [1], 5):
        refused(message, layers=value)
    message = "layers needs a feature_extractor that is a functional or Sequential Keras model"
    refused(message, feature_extractor=tf.nn.relu, layers=["first"])
    two = [keras.Input((4,), name=name) for name in "ab"]
    several = keras.Model(two, keras.layers.Add(name="sum")(two))
    refused(message + ".*one input", feature_extractor=several, layers=["sum"])


def test_layer_weights_of_another_number():
    message = "layer_weights must be one number for each of the 2 features .* got 1"
    refused(message, layers=["first", "second"], layer_weights=[1.0])
    refused("layer_weights must be None or a list of numbers, got 3", layer_weights=3)
    loss = Loss(lambda images: [images, images], layer_weights=[1.0])
    with pytest.raises(ValueError, match=message):
        loss(IMAGES, IMAGES)


def test_other_options():
    refused("feature_penalty must be one of 'l2', 'l1', got 'huber'", feature_penalty="huber")
    refused("preprocess must be None or a callable, got 2", preprocess=2)
    message = r"gradient_loss must be None, 'mean_magnitude', a Keras loss or a callable .* got"
    for value in ("sobel", gradops.SobelLoss, 0.05):
        refused(message, gradient_loss=value)
    refused("dtype must be one of .* got 'int32'", dtype="int32")
    refused("[Rr]eduction", reduction="max")


def called(function, mode, *images):
    """Where graphs know nothing of shapes."""
    if mode == "eager":
        return function(*images)
    signature = [tf.TensorSpec([None] * 4, tf.float32)] * len(images)
    return tf.function(function, signature, jit_compile=mode == "xla")(*images)


RETURNED = [
    (lambda images: None, "tensors of a floating dtype, got None"),
    (lambda images: [], "one tensor or more, got none"),
    (lambda images: np.ones(3), "tensors of a floating dtype, got a ndarray"),
    (lambda images: tf.cast(images, tf.int32), "tensors of a floating dtype, got .* int32"),
]


def test_extractors_that_return_no_features():
    for function, message in RETURNED:
        with pytest.raises(ValueError, match=f"feature_extractor must return {message}"):
            Loss(function)(IMAGES, IMAGES)


NO_BATCHES = {
    "a scalar": tf.reduce_mean,
    "an image": lambda images: images[0],
    "one example": lambda images: images[:1],
    "no pixels": lambda images: images[:, 8:],
}


@pytest.mark.parametrize("kind", NO_BATCHES)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_features_that_are_not_of_the_batch(kind, mode):
    loss = Loss(NO_BATCHES[kind], gradient_weight=0)
    message = r"features \[B, ...\] of the batch of y_true that are not empty.* got shape"
    with pytest.raises(SHAPE_ERRORS, match=message):
        called(loss, mode, IMAGES, IMAGES)


def test_features_that_are_not_of_the_batch_under_xla():
    """Which drops assertions."""
    loss = Loss(NO_BATCHES["one example"], gradient_weight=0)
    with pytest.raises(SHAPE_ERRORS):
        called(loss, "xla", IMAGES, IMAGES)


@pytest.mark.parametrize("mode", ["eager", "graph", long("xla")])
@pytest.mark.parametrize("bound", [False, True])
def test_targets_of_another_shape(mode, bound):
    """Which arithmetic would broadcast."""
    loss = Loss(tf.nn.relu, gradient_weight=0)
    message = None if mode == "xla" else "y_pred and y_true must have the same shape.* got"
    for other in map(tf.ones, ([1, 8, 8, 3], [2, 8, 8, 1], [2, 1, 8, 3])):
        function, images = (loss.bind(other), [IMAGES]) if bound else (loss, [other, IMAGES])
        with pytest.raises(SHAPE_ERRORS, match=message):
            called(function, mode, *images)


def test_features_of_several_shapes():
    sizes = iter([4, 8])
    loss = Loss(lambda images: images[:, : next(sizes)])
    message = r"features of one shape of y_pred and y_true, got \[2,8,8,3\] and \[2,4,8,3\]"
    with pytest.raises(SHAPE_ERRORS, match=message):
        loss(IMAGES, IMAGES)
    numbers = iter([1, 2])
    loss = Loss(lambda images: [images] * next(numbers))
    with pytest.raises(ValueError, match="as many features of y_true as of y_pred, got 1 and 2"):
        loss(IMAGES, IMAGES)


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("losses", [tf.reduce_mean, lambda x: x[:1, 0, 0, 0]])
def test_gradient_losses_that_are_not_by_example(mode, losses):
    loss = Loss(tf.nn.relu, gradient_loss=lambda y_true, y_pred: losses(y_pred))
    message = r"gradient_loss must give a value for each example, \[B\], got shape"
    with pytest.raises(SHAPE_ERRORS, match=message):
        called(loss, mode, IMAGES, IMAGES)


def test_gradient_losses_that_are_no_tensors():
    message = "gradient_loss must return a tensor of a floating dtype, got"
    for returned in (None, np.ones(2), tf.ones(2, tf.int32)):
        with pytest.raises(ValueError, match=message):
            Loss(tf.nn.relu, gradient_loss=lambda *_, value=returned: value)(IMAGES, IMAGES)


def test_images_and_sample_weights():
    loss = Loss(extractor())
    with pytest.raises(SHAPE_ERRORS, match=r"y_pred must have rank 4 .* got shape \[8,8,3\]"):
        loss(IMAGES[0], IMAGES[0])
    with pytest.raises(ValueError, match=r"sample_weight must have shape \[B\], got \[2,8,8\]"):
        loss(IMAGES, IMAGES, sample_weight=tf.ones([2, 8, 8]))
    with pytest.raises(ValueError, match=r"sample_weight must have shape \[B\], got \[2,8,8\]"):
        loss.bind(IMAGES, tf.ones([2, 8, 8]))
    with pytest.raises(ValueError, match="preprocess must return images of a floating dtype"):
        Loss(extractor(), preprocess=lambda images: None)(IMAGES, IMAGES)


def test_another_backend_of_keras(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    for build in (lambda: Loss(tf.nn.relu), lambda: gradops.vgg_features(weights=None)):
        with pytest.raises(ValueError, match="needs the TensorFlow backend of Keras, got 'jax'"):
            build()
