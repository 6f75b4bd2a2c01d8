"""PerceptualGradientLoss comes back from a file as it was, or not at all."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from perceptual_tools import long

import gradops
from gradops import presets

SHAPE = (2, 12, 14, 3)
register = keras.saving.register_keras_serializable("test_perceptual_saving")


@register
def doubled(images):
    return 2 * images


@register
def difference(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_pred - y_true), axis=[1, 2, 3])


@register
class Pooled:
    """An extractor that is an object."""

    def __init__(self, size):
        self.size = size

    def __call__(self, images):
        return tf.nn.avg_pool2d(images, self.size, self.size, "VALID")

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def small_extractor(dtype=None):
    """With weights that none would draw, also in the statistics of batches."""
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, name="first", dtype=dtype),
            layers.BatchNormalization(name="norm", dtype=dtype),
            layers.Conv2D(4, 3, name="second", dtype=dtype),
        ]
    )
    rng = np.random.default_rng(4)
    network.set_weights([0.5 + rng.random(weights.shape) for weights in network.get_weights()])
    return network


def changed_vgg():
    model = gradops.vgg_features(layers=["block1_conv1"], weights=None)
    model.set_weights([weights + 0.1 for weights in model.get_weights()])
    return model


CASES = {
    "model": dict(feature_extractor=small_extractor),
    "bfloat16": dict(feature_extractor=lambda: small_extractor("bfloat16")),
    "layers": dict(
        feature_extractor=small_extractor, layers=["first", "norm"], layer_weights=[1, 2]
    ),
    "vgg": dict(
        feature_extractor=lambda: gradops.vgg_features(
            "vgg19", ["block1_conv2", "block2_pool"], weights=None, seed=2, value_range=(-1, 1)
        )
    ),
    "vgg, layers": dict(
        feature_extractor=lambda: gradops.vgg_features(weights=None, seed=2),
        layers=["block1_conv1", "block1_pool"],
    ),
    "changed vgg": dict(feature_extractor=changed_vgg),
    "function": dict(feature_extractor=lambda: doubled, gradient_loss=difference),
    "object": dict(feature_extractor=lambda: Pooled(3), preprocess=doubled),
    "losses": dict(
        feature_extractor=small_extractor,
        gradient_loss=gradops.GradientLoss(stencil="scharr", penalty="l2"),
    ),
    "Keras": dict(
        feature_extractor=small_extractor,
        gradient_loss=keras.losses.Huber(0.1),
        preprocess=keras.layers.Rescaling(2.0, -1),
    ),
    "preset": dict(feature_extractor=small_extractor, gradient_loss=presets.MeanMagnitudeLoss()),
    "options": dict(
        feature_extractor=small_extractor,
        perceptual_weight=0.3,
        gradient_weight=2.0,
        gradient_loss="mean_magnitude",
        feature_penalty="l1",
        reduction="sum",
        name="other",
    ),
}


def build(case):
    options = CASES[case]
    return gradops.PerceptualGradientLoss(
        **{**options, "feature_extractor": options["feature_extractor"]()}
    )


# One extractor and one gradient loss of each kind; the others in the extended suite.
LONG = ["bfloat16", "vgg, layers", "changed vgg", "Keras", "preset"]


@pytest.mark.parametrize("case", [long(case) if case in LONG else case for case in CASES])
def test_a_configuration_gives_the_same_values(rng, case):
    loss = build(case)
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    again = keras.losses.deserialize(config)
    assert type(again) is gradops.PerceptualGradientLoss and again.name == loss.name
    y_true, y_pred = (rng.random(SHAPE).astype("float32") for _ in range(2))
    np.testing.assert_allclose(again(y_true, y_pred), loss(y_true, y_pred), rtol=1e-6)
    assert loss(y_true, y_pred) > 0
    assert keras.losses.serialize(again)["config"].keys() == config["config"].keys()


@pytest.mark.parametrize("case", ["layers", long("vgg"), long("function")])
def test_a_saved_model_brings_its_loss(rng, case, tmp_path):
    model = keras.Sequential([keras.Input(SHAPE[1:]), keras.layers.Conv2D(3, 3, padding="same")])
    model.compile("adam", loss=build(case))
    x, y = (rng.random(SHAPE).astype("float32") for _ in range(2))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(again.evaluate(x, y, verbose=0), expected, rtol=1e-6)
    again.fit(x, y, verbose=0)
    apart = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(apart.get_weights()[0], model.get_weights()[0])


def test_what_an_extractor_was_trained_with_is_left_out():
    network = small_extractor()
    network.compile("adam", loss=difference)
    loss = gradops.PerceptualGradientLoss(network)
    config = loss.get_config()["feature_extractor"]
    assert config.keys() == {"object", "weights"} and "compile_config" not in config["object"]


def unregistered(*images):
    return images[0]


class Unregistered(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return difference(y_true, y_pred)


class Subclassed(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.convolution = keras.layers.Conv2D(width, 3)

    def call(self, images):
        return self.convolution(images)


def built_subclass():
    network = Subclassed(4)
    network(tf.zeros([1, 8, 8, 3]))
    return network


REFUSED = {
    "feature_extractor": [unregistered, lambda images: images, tf.nn.relu, built_subclass()],
    "gradient_loss": [unregistered, Unregistered(), keras.losses.mean_squared_error],
    "preprocess": [keras.applications.vgg16.preprocess_input, keras.layers.Conv2D(3, 1).call],
}


@pytest.mark.parametrize("argument", REFUSED)
def test_what_cannot_be_saved(argument):
    for value in REFUSED[argument]:
        loss = gradops.PerceptualGradientLoss(**{"feature_extractor": doubled, argument: value})
        with pytest.raises(ValueError, match=f"{argument} .* cannot be saved"):
            loss.get_config()


def test_weights_that_are_not_those_that_were_saved():
    config = build("vgg").get_config()
    config["feature_extractor"]["vgg_features"]["seed"] = 3
    with pytest.raises(ValueError, match=r"feature_extractor: the weights .* are not those"):
        gradops.PerceptualGradientLoss.from_config(config)
    config = build("model").get_config()
    config["feature_extractor"]["object"]["config"]["layers"].pop()
    with pytest.raises(ValueError, match="feature_extractor: the weights do not fit"):
        gradops.PerceptualGradientLoss.from_config(config)
