"""Models that were saved by version 0.1.0 load, and give the numbers that they gave then."""

import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from op_tools import is_fused
from saved import make

pytestmark = pytest.mark.skipif(not is_fused(), reason="the files hold the fused ops")
MODEL = make.FOLDER / "model.keras"


def expected():
    return dict(np.load(make.FOLDER / "expected.npz"))


def test_functions_of_an_earlier_version_give_their_numbers():
    found = make.values_of_functions(tf.saved_model.load(str(make.FOLDER / "functions")))
    assert set(found) == set(expected()) - {"model"}
    for what, numbers in found.items():
        np.testing.assert_array_equal(numbers, expected()[what], what)


def test_a_model_of_an_earlier_version_gives_its_numbers():
    made_by = json.loads(zipfile.ZipFile(MODEL).read("metadata.json"))["keras_version"]
    if [int(n) for n in keras.__version__.split(".")[:2]] < [
        int(n) for n in made_by.split(".")[:2]
    ]:
        pytest.skip(f"Keras {keras.__version__} does not load what {made_by} has saved")
    # Through a convolution, which other processors round otherwise.
    found = make.value_of_model(keras.models.load_model(MODEL))
    np.testing.assert_allclose(found, expected()["model"], rtol=1e-4)
