"""The Keras losses of presets: what they keep of options, what they refuse, who needs a target."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradops import presets


def batch(rng, shape):
    return [(0.5 + rng.random(shape)).astype("float32") for _ in range(2)]


@pytest.mark.parametrize("make", [np.array, tuple, list])
def test_scale_weights_of_all_kinds_come_back(make):
    given = make([1.0, 2.0])
    for loss in (
        presets.MSGMSDLoss(scale_weights=given),
        presets.MSGMSDMetric(scale_weights=given),
        presets.PixelGradientLoss(scales=2, scale_weights=given),
    ):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
        assert again.get_config() == loss.get_config()
        assert again.get_config()["scale_weights"] == [1.0, 2.0]


def test_configurations_are_not_changed_from_outside():
    weights = [1.0, 2.0]
    loss = presets.PixelGradientLoss(scales=2, scale_weights=weights)
    weights[1] = 0.0
    assert loss.get_config()["scale_weights"] == [1.0, 2.0]


@pytest.mark.parametrize("kind", [np.array, list, tf.constant])
def test_sample_weights_of_videos(rng, kind):
    y_true, y_pred = batch(rng, (2, 3, 8, 8, 1))
    loss = presets.GradientDifferenceLoss(reduction="none")
    losses = loss(y_true, y_pred).numpy()
    assert losses.shape == (2, 3)
    weights = np.float32([1, 2])
    found = loss(y_true, y_pred, sample_weight=kind(weights.tolist()))
    np.testing.assert_allclose(found, losses * weights[:, None], rtol=1e-6)
    frames = rng.random((2, 3)).astype("float32")
    found = loss(y_true, y_pred, sample_weight=kind(frames.tolist()))
    np.testing.assert_allclose(found, losses * frames, rtol=1e-6)


@pytest.mark.parametrize("examples, weights", [(1, 3), (3, 1), (3, 2)])
@pytest.mark.parametrize("kind", ["loss", "metric", "graph"])
def test_sample_weights_of_another_number_are_refused(rng, examples, weights, kind):
    images = batch(rng, (examples, 8, 8, 1))
    item = presets.GMSDMetric() if kind == "metric" else presets.HuLoss()
    if kind == "graph":
        signature = [tf.TensorSpec([None] * 4)] * 2 + [tf.TensorSpec([None])]
        item = tf.function(item, input_signature=signature)
    with pytest.raises(tf.errors.InvalidArgumentError, match="sample_weight"):
        item(*images, tf.ones([weights]))


def test_policies_are_dtypes():
    loss = presets.HuLoss(dtype=keras.DTypePolicy("mixed_float16"))
    assert loss.get_config()["dtype"] == "float16"
    with pytest.raises(ValueError, match=r"dtype must be one of .* got 3"):
        presets.HuLoss(dtype=3)


def test_metrics_have_no_reduction():
    with pytest.raises(ValueError, match="reduction is not an option of GMSDMetric"):
        presets.GMSDMetric(reduction="sum")
    with pytest.raises(TypeError, match="PresetMetric is the base"):
        presets.PresetMetric()


@pytest.mark.parametrize(
    "cls",
    [
        presets.GMSDLoss,
        presets.GradientVarianceLoss,
        presets.HuLoss,
        presets.MPRNetEdgeLoss,
        presets.SPSRGradientLoss,
    ],
)
def test_targets_of_unknown_shape_have_that_of_the_prediction(rng, cls):
    y_true, y_pred = batch(rng, (2, 24, 24, 3))

    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec([None, 24, 24, 3])])
    def loss(y_true, y_pred):
        return cls()(y_true, y_pred)

    np.testing.assert_allclose(loss(y_true, y_pred), cls()(y_true, y_pred), rtol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "dense_depth_edges",
        "gmsd",
        "gradient_difference",
        "gradient_variance",
        "hu_loss",
        "midas_gradient_matching",
        "mprnet_edge",
        "pixel_and_gradient",
        "spsr_gradient",
    ],
)
def test_losses_that_compare_need_a_target(name):
    with pytest.raises((ValueError, TypeError), match="y_true"):
        getattr(presets, name)(None, tf.zeros([1, 24, 24, 3]))
