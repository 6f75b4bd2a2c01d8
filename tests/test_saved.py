"""Models that were saved by version 0.1.0 load, and give the numbers that they gave then."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from op_tools import is_fused
from saved import make


@pytest.mark.skipif(not is_fused(), reason="the files hold the fused ops")
def test_models_of_an_earlier_version_give_their_numbers():
    functions = tf.saved_model.load(str(make.FOLDER / "functions"))
    model = keras.models.load_model(make.FOLDER / "model.keras")
    expected, found = np.load(make.FOLDER / "expected.npz"), make.values(functions, model)
    assert set(found) == set(expected)
    for what, numbers in expected.items():
        if what == "model":  # through a convolution, which other processors round otherwise
            np.testing.assert_allclose(found[what], numbers, rtol=1e-4, err_msg=what)
        else:
            np.testing.assert_array_equal(found[what], numbers, what)
