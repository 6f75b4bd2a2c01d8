"""Whether an installed wheel works: run by plain Python outside the checkout, no test framework."""

import sysconfig
from pathlib import Path

import numpy as np
import tensorflow as tf

import gradops


def check_where():
    """The wheel is what is tried, not a checkout."""
    packages = {Path(sysconfig.get_path(name)).resolve() for name in ("platlib", "purelib")}
    assert Path(gradops.__file__).resolve().parent.parent in packages, gradops.__file__
    info = gradops.build_info()
    for key, value in info.items():
        print(f"{key:26} {value}")
    assert info["backend"] == "fused", info["backend_reason"]
    print(f"{'devices':26} {[device.name for device in tf.config.list_physical_devices()]}")


def problem(dtype):
    """Images, the loss and the gradient that the oracle finds for them."""
    rng = np.random.default_rng(7)
    y_true, y_pred = rng.normal(size=(2, 3, 33, 21, 3)).astype(dtype)
    loss = gradops.reference.gradient_loss(y_true, y_pred, penalty="l1")
    _, gradient = gradops.reference.loss_gradients(y_true, y_pred, penalty="l1")
    return y_true, y_pred, loss, gradient


def value_and_gradient(y_true, y_pred):
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        loss = gradops.gradient_loss(y_true, y_pred, penalty="l1")
    return loss, tape.gradient(loss, y_pred)


def check_numbers():
    """Eager, in a graph and under XLA, against the oracle in NumPy."""
    ways = {
        "eager": value_and_gradient,
        "tf.function": tf.function(value_and_gradient),
        "XLA": tf.function(value_and_gradient, jit_compile=True),
    }
    for dtype, tolerance in ((np.float32, 2e-5), (np.float64, 1e-12)):
        y_true, y_pred, loss, gradient = problem(dtype)
        for name, way in ways.items():
            got_loss, got_gradient = way(tf.constant(y_true), tf.constant(y_pred))
            np.testing.assert_allclose(got_loss, loss, rtol=tolerance, err_msg=name)
            np.testing.assert_allclose(
                got_gradient, gradient, rtol=tolerance, atol=tolerance * 1e-3, err_msg=name
            )
            print(f"{name}, {np.dtype(dtype)}: as the oracle")


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
    check_numbers()
    check_keras()
    print("gradops: the wheel works")
