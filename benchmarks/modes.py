"""What a call computes: its mode, the upstream gradient of that, and the images that it moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.problems import Problem

FORWARD, LOSS_AND_GRADIENT = "forward", "loss+gradient"
TRAINING_STEP = "training step"  # With a loss of Keras.
FUNCTION_STEP = "training step, function"  # With a function, the mean of its losses.
SCALED_STEP = "training step, loss x 0.1"
WEIGHTED_STEP = "training step, sample weights"
LOSS_SCALED_STEP = "training step, loss x 32768"
LOSS_SCALED_FUNCTION_STEP = "training step, function, loss x 32768"
SECOND_ORDER = "second order"

LOSS_SCALE = 32768.0  # The one that Keras' mixed precision begins with.
FACTORS = {
    SCALED_STEP: 0.1,
    LOSS_SCALED_STEP: LOSS_SCALE,
    LOSS_SCALED_FUNCTION_STEP: LOSS_SCALE,
}

Call = Callable[[], tuple[Any, Any]]
Builder = Callable[[Problem], Call]


def upstream(mode: str, batch: int) -> np.ndarray:
    """How each example's loss enters the reduced loss of a mode, [B]."""
    mean = np.full(batch, 1 / batch)
    if mode == WEIGHTED_STEP:
        return mean * sample_weights(batch)
    return mean * FACTORS.get(mode, 1.0)


def sample_weights(batch: int) -> np.ndarray:
    """The weights of `WEIGHTED_STEP`, [B]."""
    return np.linspace(0.5, 1.5, batch)


def image_traffic(mode: str) -> int:
    """Image tensors read and written, at least."""
    return 2 if mode == FORWARD else 3
