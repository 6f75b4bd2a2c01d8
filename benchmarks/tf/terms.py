"""Training steps of losses of several terms: four scales, and pixels beside gradients.

Section `terms`, against the one term of the gradients. What the ops replace is a composition: a
loss a level, a mean of absolute differences. A small step is compared with the oracle before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

import gradops
from benchmarks.cases import Settings, Target, Timed
from benchmarks.measure import SMALL, measure
from benchmarks.modes import TRAINING_STEP, Builder, Call
from benchmarks.problems import Problem
from benchmarks.report import Row
from benchmarks.verify import check_equal
from gradops import composite, reference

Losses = Callable[..., tf.Tensor]


def terms(settings: Settings) -> Iterator[list[Row]]:
    """Every case at every shape."""
    for losses, options, has_pixels in CASES.values():
        check(losses, options, has_pixels)
    for shape in settings.shapes:
        problem = settings.problem(shape)
        one = Timed(ONE, TRAINING_STEP, problem, is_checked=False)
        target = Target([one.name])
        others = [name for name in CASES if name != ONE]
        group = [one, *(Timed(n, TRAINING_STEP, problem, [target], False) for n in others)]
        yield measure("terms", group, settings, SMALL)


def _with_pixels(y_true: tf.Tensor, y_pred: tf.Tensor, module: Any = gradops) -> tf.Tensor:
    """What users write."""
    pixels = tf.reduce_mean(tf.abs(y_pred - y_true), axis=[1, 2, 3])
    return pixels + module.gradient_loss(y_true, y_pred)


ONE = "gradients, one scale"
# Losses, options of the oracle, whether there is a term of the pixels.
CASES: dict[str, tuple[Losses, dict[str, Any], bool]] = {
    ONE: (gradops.gradient_loss, {}, False),
    "and pixels": (gradops.presets.pixel_and_gradient, {}, True),
    "and pixels, those in TensorFlow": (_with_pixels, {}, True),
    "and pixels, pure TensorFlow": (
        lambda t, p, **_: _with_pixels(t, p, composite),
        {},
        True,
    ),
    **{
        f"4 scales, {way}{suffix}": (
            module.gradient_loss,
            {"scales": 4, "downsample": way},
            False,
        )
        for module, suffix in ((gradops, ""), (composite, ", pure TensorFlow"))
        for way in ("stride", "average")
    },
}


def step_of(losses: Losses, options: dict[str, Any]) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """(y_true, y_pred) -> the mean loss and its gradient, as a tf.function."""

    @tf.function
    def step(y_true: tf.Tensor, y_pred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(losses(y_true, y_pred, **options))
        return loss, tape.gradient(loss, y_pred)

    return step


def check(losses: Losses, options: dict[str, Any], has_pixels: bool) -> None:
    """Compares loss and gradient of a small step with the oracle's.

    Raises:
        VerificationError: They differ.
    """
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(2, 150, 41, 3)) for _ in range(2)]
    loss, gradient = step_of(losses, options)(*map(tf.constant, images))
    wanted = reference.multi_scale_loss(*images, **options)
    slopes = reference.multi_scale_gradients(*images, [0.5, 0.5], **options)[1]
    if has_pixels:
        difference = images[1] - images[0]
        wanted += np.abs(difference).mean(axis=(1, 2, 3))
        slopes += np.sign(difference) / difference.size
    check_equal("terms: loss", loss, wanted.mean(), 1e-11)
    check_equal("terms: gradient", gradient, slopes, 1e-9)


def _builder(losses: Losses, options: dict[str, Any]) -> Builder:
    def build(problem: Problem) -> Call:
        step, images = step_of(losses, options), problem.tensors[:2]

        def call() -> tuple[Any, Any]:
            loss, gradient = step(*images)
            return loss.numpy(), gradient

        return call

    return build


PROVIDERS = {
    name: {TRAINING_STEP: _builder(losses, options)} for name, (losses, options, _) in CASES.items()
}
