"""Training steps of losses of several terms: four scales, and pixels beside gradients.

Section `terms`, against the one term of the gradients. What the ops replace is a composition: a
loss a level, a mean of absolute differences. A small step is compared with the oracle before.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

import gradops
from benchmarks.cases import Settings, Target, Timed
from benchmarks.measure import SMALL, measure
from benchmarks.modes import FUNCTION_STEP, TRAINING_STEP, Builder
from benchmarks.problems import make_problem
from benchmarks.report import Row
from benchmarks.tf.providers import tensorflow_modes
from benchmarks.verify import check_equal
from gradops import composite, reference

Losses = Callable[..., tf.Tensor]


def terms(settings: Settings) -> Iterator[list[Row]]:
    """Every case at every shape."""
    for name in CASES:
        check(name)
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


def check(name: str) -> None:
    """Compares loss and gradient of a small step of a case with the oracle's.

    Raises:
        VerificationError: They differ.
    """
    _, options, has_pixels = CASES[name]
    problem = make_problem((2, 150, 41, 3), "float64")
    images = problem.y_true, problem.y_pred
    loss, gradient = PROVIDERS[name][TRAINING_STEP](problem)()
    wanted = reference.multi_scale_loss(*images, **options)
    slopes = reference.multi_scale_gradients(*images, [0.5, 0.5], **options)[1]
    if has_pixels:
        difference = images[1] - images[0]
        wanted += np.abs(difference).mean(axis=(1, 2, 3))
        slopes += np.sign(difference) / difference.size
    check_equal(f"{name}: loss", loss, wanted.mean(), 1e-11)
    check_equal(f"{name}: gradient", gradient, slopes, 1e-12)


def _builder(losses: Losses, options: dict[str, Any]) -> Builder:
    """A step in a tf.function."""

    def gradient_loss(y_true: tf.Tensor, y_pred: tf.Tensor, **_default: Any) -> tf.Tensor:
        return losses(y_true, y_pred, **options)

    library = types.SimpleNamespace(gradient_loss=gradient_loss)
    return tensorflow_modes(library, tf.function)[FUNCTION_STEP]


# Provider -> mode -> builder.
PROVIDERS = {
    name: {TRAINING_STEP: _builder(losses, options)} for name, (losses, options, _) in CASES.items()
}
