"""tf_keras (Keras 2): it takes gradops' functions; the losses and metrics of Keras 3 refuse."""

import importlib.util
import types

import numpy as np
import pytest
from perceptual_tools import small_extractor
from preset_tools import LOSSES
from subprocess_tools import json_of

import gradops
from gradops import presets, reference

SHAPE = (3, 36, 40, 1)
FUNCTIONS = {
    gradops.GradientLoss: "gradops.gradient_loss",
    gradops.SobelLoss: "gradops.gradient_loss",
    gradops.GradientMetric: "gradops.gradient_loss",
    gradops.SobelMetric: "gradops.gradient_loss",
    presets.GMSDMetric: "gradops.presets.gmsd",
    presets.MSGMSDMetric: "gradops.presets.ms_gmsd",
    **{cls: f"gradops.presets.{name}" for name, cls in LOSSES.items()},
}
OTHERS = ("tf_keras_other.losses", "keras.src.losses", "other.tf_keras", "__main__")
LEGACY = """
import json, sys
import numpy as np
import tensorflow as tf
import gradops
from gradops import presets

assert tf.keras.Model.__module__.startswith("tf_keras.")
x, y = np.load(sys.argv[1])
weights = np.float32(json.loads(sys.argv[2]))


def model(run_eagerly=True, **options):  # which is quicker
    layer = tf.keras.layers.Dense(1, kernel_initializer="ones", name="out")
    model = tf.keras.Sequential([tf.keras.layers.InputLayer(x.shape[1:]), layer])
    model.compile("sgd", run_eagerly=run_eagerly, **options)
    return model


def refusal(**options):
    try:
        model(**options).train_on_batch(x, y)
    except ValueError as error:
        return str(error)


def values(function, **options):
    both = {"metrics": [function], "weighted_metrics": [function]}
    return model(loss=function, **both, **options).train_on_batch(x, y, sample_weight=weights)


refusals = {
    "gradops.gradient_loss": [
        refusal(loss=gradops.SobelLoss(), run_eagerly=False),
        refusal(loss={"out": gradops.GradientLoss()}),
        refusal(loss="mse", metrics=[gradops.SobelMetric()]),
        refusal(loss="mse", weighted_metrics=[gradops.GradientMetric()]),
    ],
    "gradops.presets.hu_loss": [refusal(loss=presets.HuLoss())],
    "gradops.presets.gmsd": [
        refusal(loss=[presets.GMSDLoss()]), refusal(loss="mse", metrics=[presets.GMSDMetric()])
    ],
}
found = [values(gradops.gradient_loss, run_eagerly=False), values(gradops.SobelLoss().call)]
print(json.dumps([refusals, [*found, values(presets.hu_loss)]]))
"""


def batch(rng):
    return (0.5 + rng.random((2, *SHAPE))).astype("float32")


def askers(module):
    """Functions of a module of that name, which need not exist: they ask for name and variables."""
    namespace = types.ModuleType(module).__dict__
    exec("def name(item): return item.name\ndef variables(item): return item.variables", namespace)
    return namespace["name"], namespace["variables"]


def refusal(asker, item):
    """What an object that refuses names in its place."""
    with pytest.raises(
        ValueError, match=rf"of tf_keras \(Keras 2\) .* a {type(item).__name__},"
    ) as caught:
        asker(item)
    return str(caught.value).partition("pass a function instead: ")[2]


@pytest.mark.parametrize("cls", FUNCTIONS)
def test_objects_name_the_function_that_does_the_same(rng, cls):
    """As tf_keras would call it: with both images."""
    item, (y_true, y_pred) = cls(), batch(rng)
    if cls is presets.MultiscaleDerivativeLoss:  # of 6 levels
        y_true, y_pred = (np.tile(x, (1, 3, 3, 1)) for x in (y_true, y_pred))
    if cls is presets.ConfidenceWeightedLoss:
        y_pred = np.concatenate([y_pred, y_pred + 1], axis=-1)
    named = refusal(askers("tf_keras.src.engine.compile_utils")[0], item)
    assert FUNCTIONS[cls] in named
    losses = eval(named, {"gradops": gradops})(y_true, y_pred)
    np.testing.assert_allclose(np.mean(losses), item(y_true, y_pred), rtol=1e-5)


def test_metrics_and_losses_of_features_refuse_too():
    for metric in (gradops.SobelMetric(), presets.GMSDMetric()):
        assert refusal(askers("tf_keras")[1], metric) == FUNCTIONS[type(metric)]
    loss = gradops.PerceptualGradientLoss(small_extractor())
    assert refusal(askers("tf_keras.losses")[0], loss) == "PerceptualGradientLoss(...).call"


@pytest.mark.parametrize("module", OTHERS)
def test_others_get_the_name_and_the_variables(module):
    name, variables = askers(module)
    for item in (gradops.SobelLoss(name="some"), presets.GMSDMetric(name="some")):
        assert name(item) == "some"
    assert not hasattr(gradops.SobelLoss(), "variables")
    metric = gradops.SobelMetric()
    assert [id(x) for x in variables(metric)] == [id(metric.total), id(metric.count)]


@pytest.mark.skipif(not importlib.util.find_spec("tf_keras"), reason="tf_keras is not installed")
def test_tf_keras_itself(rng, tmp_path):
    """The predictions are the images."""
    x, y = images = batch(rng)
    np.save(tmp_path / "images.npy", images)
    weights = [0.5, 2.0, 0.0]
    refusals, values = json_of(LEGACY, tmp_path / "images.npy", weights, TF_USE_LEGACY_KERAS="1")
    for name, messages in refusals.items():
        for message in messages:
            assert f"pass a function instead: {name}" in message
    of_gradients, of_depth = reference.gradient_loss(y, x), presets.hu_loss(y, x).numpy()
    for losses, found in zip([of_gradients, of_gradients, of_depth], values, strict=True):
        expected = [(losses * weights).mean(), losses.mean(), np.average(losses, weights=weights)]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
