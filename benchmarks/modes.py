"""What a call computes: its mode, the upstream gradient of that, and the images that it moves.

A builder takes what `Device.prepare` makes of a `Problem` and returns a call without arguments,
which computes (loss, gradient) once: the loss [B] or reduced over the batch, the gradient of the
reduced loss, None where the mode has none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.problems import LOSS_SCALE, Problem

FORWARD, LOSS_AND_GRADIENT = "forward", "loss+gradient"
TRAINING_STEP = "training step"  # With a loss of Keras.
FUNCTION_STEP = "training step, function"  # With a function, the mean of its losses.
SCALED_STEP = "training step, loss x 0.1"
WEIGHTED_STEP = "training step, sample weights"
LOSS_SCALED_STEP = "training step, loss x 32768"
LOSS_SCALED_FUNCTION_STEP = "training step, function, loss x 32768"
LEARNED_STEP = (
    "training step, learned weights"  # As FUNCTION_STEP; gradients by y_pred and weights.
)
SECOND_ORDER = "second order"
FIT, MIXED = "fit", "mixed_float16"  # Steps of Keras, which returns no gradient.

FACTORS = {
    SCALED_STEP: 0.1,
    LOSS_SCALED_STEP: LOSS_SCALE,
    LOSS_SCALED_FUNCTION_STEP: LOSS_SCALE,
}

Result = tuple[Any, Any]
Call = Callable[[], Result]
Builder = Callable[[Any], Call]


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A call to time others against, and the bytes that it must read and write."""

    call: Callable[[], object]
    bytes: int


def upstream(mode: str, problem: Problem) -> np.ndarray:
    """How each example's loss enters the reduced loss of a mode, [B]."""
    batch = problem.shape[0]
    mean = np.full(batch, problem.loss_scale / batch)
    if mode == WEIGHTED_STEP:
        return mean * sample_weights(batch)
    return mean * FACTORS.get(mode, 1.0)


def sample_weights(batch: int) -> np.ndarray:
    """The weights of `WEIGHTED_STEP`, [B]."""
    return np.linspace(0.5, 1.5, batch)


def has_gradient(mode: str) -> bool:
    """Whether a call returns one."""
    return mode not in (FORWARD, FIT, MIXED)


def image_traffic(mode: str) -> int:
    """Image tensors read and written, at least."""
    return 2 if mode == FORWARD else 3
