"""Trains in float16: Keras' mixed_float16 policy, with the loss scaled by its optimizer.

    python examples/mixed_precision.py

The loss takes float16 images as they are, computes in float32 and returns float32.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np

import gradops


def train(epochs: int, size: int) -> list[float]:
    """The loss of each epoch of learning to smooth noise."""
    keras.utils.set_random_seed(3)
    noisy = np.random.default_rng(3).random((16, size, size, 3), np.float32)
    smooth = sum(np.roll(noisy, i, axis=1) + np.roll(noisy, i, axis=2) for i in (-1, 0, 1)) / 6
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential(
            [keras.Input((size, size, 3)), keras.layers.Conv2D(3, 3, padding="same")]
        )
        model.compile(keras.optimizers.Adam(0.02), loss=gradops.SobelLoss("charbonnier"))
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        return model.fit(noisy, smooth, batch_size=8, epochs=epochs, verbose=0).history["loss"]
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def main(argv: list[str] | None = None) -> list[float]:
    """Prints the first and the last loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--size", type=int, default=96, help="height and width")
    options = parser.parse_args(argv)
    losses = train(options.epochs, options.size)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} after {len(losses)} epochs")
    return losses


if __name__ == "__main__":
    main()
