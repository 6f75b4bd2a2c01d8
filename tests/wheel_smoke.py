"""Whether an installed wheel works: run by plain Python outside the checkout, no test framework."""

import sysconfig
from pathlib import Path

import numpy as np
import tensorflow as tf

import gradops
from gradops._commands import self_test


def check_where():
    """The wheel is what is tried, not a checkout."""
    packages = {Path(sysconfig.get_path(name)).resolve() for name in ("platlib", "purelib")}
    assert Path(gradops.__file__).resolve().parent.parent in packages, gradops.__file__
    info = gradops.build_info()
    for key, value in info.items():
        print(f"{key:26} {value}")
    assert info["backend"] == "fused", info["backend_reason"]
    print(f"{'devices':26} {[device.name for device in tf.config.list_physical_devices()]}")


def check_keras():
    """A model compiles with the loss and takes a step."""
    import keras

    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(2, 4, 16, 16, 3)).astype(np.float32)
    model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
    model.compile("adam", loss=gradops.SobelLoss())
    history = model.fit(x, y, epochs=1, verbose=0).history["loss"]
    assert np.isfinite(history).all(), history
    print(f"Keras: a step, loss {history[0]:.4f}")


if __name__ == "__main__":
    check_where()
    self_test.kernels()
    self_test.ops()
    check_keras()
    print("gradops: the wheel works")
