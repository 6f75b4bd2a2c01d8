"""Makes the saved models beside this file, which later versions of gradops have to load.

Run once, with the version whose files they are; not again, or nothing is tested any more:

    python tests/saved/make.py
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import gradops

FOLDER = Path(__file__).parent
OPTIONS = {"stencil": "scharr", "penalty": "huber", "delta": 0.7, "normalizer": "pixels"}


class Functions(tf.Module):
    """Functions that hold every op, with sizes that the graph does not know."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])] * 2)
    def loss_and_gradients(self, y_true, y_pred):
        with tf.GradientTape() as outer:
            outer.watch(y_pred)
            with tf.GradientTape() as tape:
                tape.watch([y_true, y_pred])
                losses = gradops.gradient_loss(y_true, y_pred, mask=y_true > -1.5, **OPTIONS)
            by_true, by_pred = tape.gradient(losses, [y_true, y_pred])
            square = tf.reduce_sum(by_pred**2)
        return losses, by_true, by_pred, outer.gradient(square, y_pred)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])] * 2)
    def others(self, y_true, y_pred):
        weights = tf.abs(y_true)
        scales = gradops.gradient_loss(y_true, y_pred, weights=weights, scales=2)
        sums, counts = gradops.gradient_sums(y_true, y_pred, response="magnitude")
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            edges = gradops.image_gradients(y_pred, border="circular")
            magnitudes = gradops.gradient_magnitude(y_pred, scale="unit")
            total = tf.reduce_sum(edges**2) + tf.reduce_sum(magnitudes**2)
        return scales, sums, counts, edges, magnitudes, tape.gradient(total, y_pred)


def images():
    return np.random.default_rng(4).standard_normal((2, 3, 9, 8, 3)).astype("float32")


def tensors():
    """Targets, predictions and what a model is given."""
    return map(tf.constant, images()[:, None].repeat(2, 1)[[0, 1, 0], [0, 0, 1]])


def values_of_functions(functions):
    """{what: array}, of loaded or of new ones."""
    y_true, y_pred, _ = tensors()
    return {
        f"{name} {number}": output.numpy()
        for name in ("loss_and_gradients", "others")
        for number, output in enumerate(getattr(functions, name)(y_true, y_pred))
    }


def value_of_model(model):
    """Loss and metrics, of a loaded or of a new one."""
    y_true, _, given = tensors()
    return np.float32(model.evaluate(given, y_true, verbose=0))


def main():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((9, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")])
    model.compile(
        "sgd",
        loss=gradops.GradientLoss(**OPTIONS, scales=2, mask="finite", weight=0.5),
        metrics=[
            gradops.SobelMetric("charbonnier", epsilon=0.01),
            gradops.presets.GMSDMetric(value_range=8.0),
        ],
    )
    functions = Functions()
    model.save(FOLDER / "model.keras")
    tf.saved_model.save(functions, str(FOLDER / "functions"))
    found = {**values_of_functions(functions), "model": value_of_model(model)}
    np.savez_compressed(FOLDER / "expected.npz", **found)


if __name__ == "__main__":
    main()
