"""vgg_features: what it computes, where its weights come from, what it refuses."""

import itertools

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format
from perceptual_tools import long

import gradops
from gradops.vgg import BLOCKS, layer_names

APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16.preprocess_input),
    "vgg19": (keras.applications.VGG19, keras.applications.vgg19.preprocess_input),
}
LAYERS = ["block1_conv2", "block3_conv3", "block2_pool"]
SHAPE_ERRORS = (ValueError, tf.errors.InvalidArgumentError)
each_architecture = pytest.mark.parametrize("architecture", BLOCKS)


@pytest.fixture(scope="module")
def networks():
    """Those of keras.applications, with random weights and biases."""
    keras.utils.set_random_seed(2)
    found = {
        name: build(weights=None, include_top=False) for name, (build, _) in APPLICATIONS.items()
    }
    for network in found.values():
        for layer in network.layers:
            if isinstance(layer, keras.layers.Conv2D):
                kernel, bias = layer.get_weights()
                layer.set_weights([kernel, bias + 0.1])
    return found


def part(network, deepest="block3_conv3"):
    return keras.Model(network.input, network.get_layer(deepest).output)


def write(network, path):
    if path.name.endswith(".weights.h5"):
        network.save_weights(path)
    else:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path


FILES = [
    ("vgg16", "some.h5", (0, 255)),
    ("vgg19", "some.weights.h5", (-1, 1)),
    ("vgg16", "some.weights.h5", (0, 1)),
]
OTHER_FILES = itertools.product(BLOCKS, ["some.h5", "some.weights.h5"], [(0, 1), (-1, 1)])


@pytest.mark.parametrize(
    ("architecture", "name", "value_range"),
    FILES + [long(*case) for case in OTHER_FILES if case not in FILES],
)
def test_as_keras_applications(rng, networks, tmp_path, architecture, name, value_range):
    network, preprocess = networks[architecture], APPLICATIONS[architecture][1]
    path = write(part(network), tmp_path / name)
    model = gradops.vgg_features(architecture, LAYERS, weights=path, value_range=value_range)
    pixels = rng.integers(0, 256, [2, 18, 21, 3]).astype("float32")
    images = value_range[0] + pixels / 255 * (value_range[1] - value_range[0])
    outputs = [network.get_layer(layer).output for layer in LAYERS]
    expected = keras.Model(network.input, outputs)(preprocess(pixels.copy()))
    for found, wanted in zip(model(images), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


@each_architecture
def test_the_layers_are_those_of_keras_applications(networks, architecture):
    names = [layer.name for layer in networks[architecture].layers[1:]]
    assert list(layer_names(architecture)) == names


def test_images_channels_first(rng):
    images = rng.random([2, 16, 20, 3]).astype("float32")
    options = dict(layers=["block1_conv2"], weights=None)
    expected = gradops.vgg_features(**options)(images)
    model = gradops.vgg_features(**options, data_format="channels_first")
    np.testing.assert_array_equal(model(np.moveaxis(images, 3, 1)), expected)
    with pytest.raises(SHAPE_ERRORS, match=r"must be channels_first, .* got shape \[2,16,20,3\]"):
        model(images)


def test_random_weights_have_a_seed():
    options = dict(layers=["block2_conv1"], weights=None)
    first, same, other = (gradops.vgg_features(**options, seed=seed) for seed in (1, 1, 2))
    pairs = zip(first.get_weights(), same.get_weights(), other.get_weights(), strict=True)
    for number, (weights, again, others) in enumerate(pairs):
        np.testing.assert_array_equal(weights, again)
        if number % 2 == 0:  # a kernel
            np.testing.assert_allclose(weights.std(), (2 / weights[..., 0].size) ** 0.5, rtol=0.05)
            assert not np.array_equal(weights, others)


def test_it_is_frozen_and_ends_with_the_deepest_layer():
    model = gradops.vgg_features(layers=["block2_conv1", "block1_conv1"], weights=None)
    assert not model.trainable_variables and model.layers[-1].name == "block2_conv1"
    assert [features.shape[1] for features in model(tf.zeros([1, 8, 8, 3]))] == [4, 8]


def test_mixed_precision_keeps_the_pixels_digits():
    model = gradops.vgg_features(layers=["block1_conv1"], weights=None, dtype="mixed_float16")
    assert model(tf.zeros([1, 4, 4, 3])).dtype == tf.float16
    assert model.get_layer("pixels").compute_dtype == "float32"


def test_imagenet(networks, monkeypatch):
    """As if downloaded."""
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: networks["vgg16"])
    model = gradops.vgg_features(layers=["block1_conv2"])
    for layer in ("block1_conv1", "block1_conv2"):
        np.testing.assert_array_equal(
            model.get_layer(layer).get_weights()[0],
            networks["vgg16"].get_layer(layer).get_weights()[0],
        )
    loss = gradops.PerceptualGradientLoss(model)
    saved = loss.get_config()["feature_extractor"]
    assert saved.keys() == {"vgg_features", "digest"}
    gradops.PerceptualGradientLoss.from_config(loss.get_config())


def test_without_a_network(monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "VGG19", fail)
    message = r"weights='imagenet': .*vgg19 .*URL fetch failure.* pass the path of vgg19_weights_tf"
    with pytest.raises(ValueError, match=message):
        gradops.vgg_features("vgg19")


def test_files_of_other_weights(networks, tmp_path):
    path = write(part(networks["vgg16"], "block3_conv2"), tmp_path / "short.h5")
    with pytest.raises(ValueError, match=r"first 7 of the 13 .*short\.h5' with 6"):
        gradops.vgg_features(layers=["block3_conv3"], weights=path)
    for name in ("other.h5", "other.weights.h5"):
        path = write(part(networks["vgg19"], "block4_conv1"), tmp_path / name)
        with pytest.raises(ValueError, match=r"the first 2 of the 13 .* of vgg16 or more"):
            gradops.vgg_features(layers=["block1_conv2"], weights=path)
    (tmp_path / "text.h5").write_text("no weights")
    unlike = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, use_bias=False, name="conv2d")]
    )
    write(unlike, tmp_path / "no_bias.h5")
    write(unlike, tmp_path / "no_bias.weights.h5")
    with h5py.File(tmp_path / "dataset.h5", "w") as file:
        file["layers"] = [1.0]
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    write(dense, tmp_path / "dense.weights.h5")
    for name, message in {
        "no_bias.h5": "must be a file of the weights of vgg16 by Keras",
        "no_bias.weights.h5": "must be a file of the weights of vgg16 by Keras",
        "dataset.h5": "must be a file of the weights of vgg16 by Keras",
        "text.h5": "must be a file of the weights of vgg16 by Keras",
        "dense.weights.h5": "must hold the first 2 .* with 0",
        "missing.h5": "must be 'imagenet', None or the path of a file, got .*missing.h5",
    }.items():
        with pytest.raises(ValueError, match=f"weights {message}"):
            gradops.vgg_features(layers=["block1_conv2"], weights=tmp_path / name)
    with pytest.raises(ValueError, match=r"weights must be 'imagenet', None or the path .* got 3"):
        gradops.vgg_features(weights=3)


ARGUMENTS = {
    "architecture": ("resnet50", "architecture must be one of 'vgg16', 'vgg19', got 'resnet50'"),
    "layers": (
        ["block3_conv4"],
        r"layers must be of those of vgg16 \(block1_conv1, .*\), got 'block3_conv4'",
    ),
    "value_range": ((1, 1), r"value_range must be two finite numbers .* got \(1, 1\)"),
    "data_format": ("NHWC", "data_format must be one of"),
    "seed": (-1, "seed must be an integer of at least 0, got -1"),
}


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_arguments(argument):
    value, message = ARGUMENTS[argument]
    with pytest.raises(ValueError, match=message):
        gradops.vgg_features(**{"weights": None, argument: value})
    for layers in ([], "block1_conv1", None):
        with pytest.raises(ValueError, match="layers must be a list of one or more names"):
            gradops.vgg_features(layers=layers, weights=None)


MISFITS = [(2, 8, 8, 1), (2, 1, 8, 3), (2, 8, 1, 3), (2, 8, 8, 4)]
# Each of them eagerly, and each of the other modes with one of them.
MODES_OF_MISFITS = [("eager", shape) for shape in MISFITS]
MODES_OF_MISFITS += zip(["known", "graph", "xla"], MISFITS, strict=False)
OTHERS = itertools.product(["known", "graph", "xla"], MISFITS)


@pytest.mark.parametrize(
    ("mode", "shape"),
    MODES_OF_MISFITS + [long(*case) for case in OTHERS if case not in MODES_OF_MISFITS],
)
def test_images_that_do_not_fit(mode, shape):
    """Through the loss, which runs it."""
    model = gradops.vgg_features(layers=["block2_conv1"], weights=None)
    loss = gradops.PerceptualGradientLoss(model, gradient_weight=0)
    message = "images of VGG must be channels_last, of 3 channels .* at least 2 rows and columns"
    if mode != "eager":
        spec = tf.TensorSpec([None] * 4 if mode != "known" else shape, tf.float32)
        loss = tf.function(loss, [spec, spec], jit_compile=mode == "xla")
    with pytest.raises(SHAPE_ERRORS, match=None if mode == "xla" else message):
        loss(tf.zeros(shape), tf.zeros(shape))
