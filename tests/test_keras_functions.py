"""The functions as Keras takes them: losses, metrics and Lambda layers of saved models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from subprocess_tools import json_of

import gradops
from gradops import composite, presets

SHAPE = (3, 96, 98, 1)
ONE_IMAGE = ("sobel_edges", "image_gradients", "gradient_magnitude")
LAYERS = [getattr(module, name) for module in (gradops, composite) for name in ONE_IMAGE]
NO_LOSSES = ("align_scale_and_shift", "total_variation", "voxelmorph_grad")  # of a single image
TWO_CHANNELS = ("confidence_weighted",)  # The predictions, and their confidence.
LOSSES = {
    "gradient_loss": gradops.gradient_loss,
    "composite": composite.gradient_loss,
    **{x: getattr(presets, x) for x in presets.__all__ if x.islower() and x not in NO_LOSSES},
}
# Nothing but the two imports tells Keras of the functions.
LOAD = """
import json, pathlib, sys
import gradops
import keras
import numpy as np

folder = pathlib.Path(sys.argv[1])
x, y = np.load(folder / "images.npy")
models = {path.stem: keras.saving.load_model(path) for path in folder.glob("*.keras")}
maps = models.pop("layers").predict(x, verbose=0)
np.savez(folder / "maps.npz", *maps)
print(json.dumps({name: model.evaluate(x, y, verbose=0) for name, model in models.items()}))
"""


@pytest.mark.parametrize("module", [gradops, presets, composite])
def test_every_public_function_has_a_name_that_leads_to_it(module):
    public = {name: getattr(module, name) for name in module.__all__}
    functions = {name: x for name, x in public.items() if callable(x) and not isinstance(x, type)}
    assert "gmsd" in functions or "gradient_loss" in functions
    for name, function in functions.items():
        registered = keras.saving.get_registered_name(function)
        assert registered == f"{module.__name__}>{name}"
        assert keras.saving.get_registered_object(registered) is function


def test_saved_models_load_where_gradops_is_imported(rng, tmp_path):
    """Each function as the loss and as a metric of a model, and all the layers in one."""
    x, y = images = (0.5 + rng.random((2, *SHAPE))).astype("float32")
    np.save(tmp_path / "images.npy", images)
    expected = {}
    for name, function in LOSSES.items():
        channels = 1 + (name in TWO_CHANNELS)
        layer = keras.layers.Conv2D(channels, 3, padding="same", activation="softplus")
        model = keras.Sequential([keras.Input(SHAPE[1:]), layer])
        model.compile(loss=function, metrics=[function], run_eagerly=True)
        model.save(tmp_path / f"{name}.keras")
        expected[name] = 2 * [float(tf.reduce_mean(function(y, model(x))))]
    inputs = keras.Input(SHAPE[1:])
    layers = [keras.layers.Lambda(function)(inputs) for function in LAYERS]
    keras.Model(inputs, layers).save(tmp_path / "layers.keras")
    found = json_of(LOAD, tmp_path)
    assert found == {name: pytest.approx(values, rel=1e-5) for name, values in expected.items()}
    maps = np.load(tmp_path / "maps.npz")
    for function, layer in zip(LAYERS, maps.values(), strict=True):
        np.testing.assert_allclose(layer, function(x), rtol=1e-5, atol=1e-5)
