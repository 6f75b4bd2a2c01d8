"""Optimising an image by gradient descent on a loss of its pixels."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# The relative decrease is taken over this many steps: one step's is noise near the minimum.
WINDOW = 10


def optimize_image(
    initial,
    loss: Callable[[tf.Tensor], tf.Tensor],
    *,
    optimizer,
    steps: int,
    tolerance: float = 0.0,
    callback: Callable[[int, float], None] | None = None,
    graph: bool = False,
) -> tuple[tf.Tensor, list[float]]:
    """Change an image step by step so that its loss falls.

    Args:
        initial: The image to start from, [B, H, W, C], floating.
        loss: Image -> scalar.
        optimizer: A Keras optimizer that has not been built yet.
        steps: The most steps to take.
        tolerance: Stop once the loss has fallen by less than this fraction of itself over `WINDOW`
            steps; 0 takes every step.
        callback: Called after each step with the step, from 1, and the loss before it.
        graph: Whether to run the step as a tf.function.

    Returns:
        The image after the last step, and the loss before each step.
    """
    image = tf.Variable(initial)
    optimizer.build([image])  # A tf.function may not create the optimizer's variables.

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            y_pred = tf.convert_to_tensor(image)
            tape.watch(y_pred)
            value = loss(y_pred)
        gradient = tape.gradient(value, y_pred)
        optimizer.apply_gradients([(gradient, image)])
        return value

    run_step = tf.function(step) if graph else step
    losses: list[float] = []
    for number in range(1, steps + 1):
        losses.append(float(run_step()))
        if callback is not None:
            callback(number, losses[-1])
        if tolerance > 0 and _has_settled(losses, tolerance):
            break
    return tf.convert_to_tensor(image), losses


def _has_settled(losses: list[float], tolerance: float) -> bool:
    if len(losses) <= WINDOW:
        return False
    before, now = losses[-1 - WINDOW], losses[-1]
    return before - now < tolerance * abs(before)
