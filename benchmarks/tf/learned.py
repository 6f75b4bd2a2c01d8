"""Training steps that learn the weights, against constant weights and pure TensorFlow.

Section `learned`: the derivatives by y_pred and by weights against that by y_pred alone. What a
small step returns is compared with the oracle before.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from benchmarks.cases import Settings, Target, Timed
from benchmarks.measure import SMALL, measure
from benchmarks.modes import FUNCTION_STEP, LEARNED_STEP, upstream
from benchmarks.problems import Problem, Shape, make_problem
from benchmarks.report import Row
from benchmarks.tf.providers import PROVIDERS
from benchmarks.verify import SMALL as SMALL_SIZES
from benchmarks.verify import TOLERANCES, check_equal
from gradops import reference

_FUSED, _COMPOSED = "op-function", "tf-function"
_NORMALIZERS = ("residuals", "pixel_count")
_CONSTANT_FLOOR = 1.5
_COMPOSED_FLOOR = 1 / 15  # Pure TensorFlow takes 15 times as long.


def learned(settings: Settings) -> Iterator[list[Row]]:
    """Both kinds of maps and normalizers."""
    for problem in _problems((*SMALL_SIZES, 3), "float64"):
        check(problem)
    for shape in settings.shapes:
        group = [timed for problem in _problems(shape) for timed in _steps(problem)]
        yield measure("learned", group, settings, SMALL)


def _problems(shape: Shape, dtype: str = "float32") -> Iterator[Problem]:
    """Weights per pixel and, where that differs, per pixel and channel."""
    for normalizer, channels in itertools.product(_NORMALIZERS, sorted({1, shape[-1]})):
        problem = make_problem(shape, dtype, {"normalizer": normalizer}, weights=True)
        if channels > 1:
            assert problem.weights is not None
            factors = np.arange(1, channels + 1, dtype=problem.weights.dtype)
            weights = problem.weights * factors
            problem = dataclasses.replace(problem, weights=weights, seeded=False)
        yield problem


def _steps(problem: Problem) -> list[Timed]:
    constant = Timed(_FUSED, FUNCTION_STEP, problem, is_checked=False)
    fused, composed = (
        Timed(provider, LEARNED_STEP, problem, is_checked=False) for provider in (_FUSED, _COMPOSED)
    )
    floors = [Target([constant.name], _CONSTANT_FLOOR), Target([composed.name], _COMPOSED_FLOOR)]
    return [
        constant,
        dataclasses.replace(fused, targets=floors),
        dataclasses.replace(composed, targets=[Target([fused.name])]),
    ]


def check(problem: Problem) -> None:
    """Compares the loss and the gradients of each step of a small problem with the oracle's.

    Raises:
        VerificationError: They differ.
    """
    images, options = (problem.y_true, problem.y_pred), {**problem.options, **problem.maps}
    tolerance = TOLERANCES[problem.dtype]
    for timed in _steps(problem):
        loss, gradients = PROVIDERS[timed.provider][timed.mode](problem)()
        factors = upstream(timed.mode, problem)
        expected = factors @ reference.gradient_loss(*images, **options)
        check_equal(f"{timed.name}: loss", loss, expected, tolerance)
        _, by_pred = reference.loss_gradients(*images, factors, **options)
        by_weights = None
        if timed.mode == LEARNED_STEP:
            gradients, by_weights = gradients
        check_equal(f"{timed.name}: gradient", gradients, by_pred, tolerance)
        if by_weights is not None:
            expected = reference.weights_gradient(*images, factors, **options)
            check_equal(f"{timed.name}: gradient by weights", by_weights, expected, tolerance)
