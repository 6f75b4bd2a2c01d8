"""Checking what a provider computes against the oracle, before it is timed."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.providers import FORWARD, PROVIDERS, Problem, make_problem
from gradops import reference

# Relative to the largest expected value.
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
# A plain float32 sum over the millions of residuals of a large image is this far off.
LOSS_TOLERANCES_AT_SIZE = {"float32": 1e-3, "float64": 1e-10}
_BAND = 12  # Pixels.
_REACH = 2  # Pixels: how far a gradient sees.

Window = tuple[int, slice, slice]


class VerificationError(Exception):
    """A provider's numbers are wrong, so its times mean nothing."""


def check_small(provider: str, mode: str, channels: int, dtype: str, penalty: str) -> None:
    """Compare every number of one provider and mode with the oracle, at an odd small shape.

    Raises:
        VerificationError: The loss or the gradient is wrong.
    """
    problem = make_problem((2, 37, 41, channels), dtype, penalty)
    losses = reference.gradient_loss(problem.y_true, problem.y_pred, penalty=penalty)
    _, gradient = reference.loss_gradients(
        problem.y_true, problem.y_pred, np.full(2, 0.5), penalty=penalty
    )
    loss, actual = PROVIDERS[provider][mode](problem)()
    what = f"{provider}, {mode}, {_describe(problem)}"
    _check_loss(what, loss, losses, TOLERANCES[dtype])
    if _has_gradient(what, mode, actual):
        _check_equal(f"{what}: gradient", np.asarray(actual), gradient, TOLERANCES[dtype])


class Oracle:
    """What a problem of any size must give: every loss, and the gradient in some windows."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        pairs = zip(problem.y_true, problem.y_pred, strict=True)
        # One example at a time: the oracle's temporaries are many times the size of its images.
        self._losses = np.concatenate(
            [reference.gradient_loss(t[None], p[None], penalty=problem.penalty) for t, p in pairs]
        )
        batch, height, width, _ = problem.y_pred.shape
        everything = slice(0, None)
        windows = [
            (0, slice(0, _BAND), everything),
            (batch - 1, slice(max(0, height - _BAND), None), everything),
            (batch // 2, everything, slice(width // 2, width // 2 + _BAND)),
        ]
        self._gradients = [(window, self._gradient(window)) for window in windows]

    def _gradient(self, window: Window) -> np.ndarray:
        """The oracle on the window and the pixels that it depends on."""
        batch, height, width, _ = self._problem.y_pred.shape
        example, *slices = window
        crops, inner = [slice(example, example + 1)], [0]
        for part, size in zip(slices, (height, width), strict=True):
            start, stop, _ = part.indices(size)
            first, last = max(0, start - _REACH), min(size, stop + _REACH)
            crops.append(slice(first, last))
            inner.append(slice(start - first, stop - first))
        t, p = (images[tuple(crops)] for images in (self._problem.y_true, self._problem.y_pred))
        # The oracle divides by the crop's residuals; the loss divides by those of all images.
        upstream = np.array([p[..., 0].size / (batch * height * width)])
        _, gradient = reference.loss_gradients(t, p, upstream, penalty=self._problem.penalty)
        return gradient[tuple(inner)]

    def check(self, provider: str, mode: str, result: tuple[Any, Any]) -> None:
        """Check the (loss, gradient) that a call returned.

        Raises:
            VerificationError: The loss or the gradient is wrong.
        """
        loss, actual = result
        what = f"{provider}, {mode}, {_describe(self._problem)}"
        dtype = self._problem.y_pred.dtype.name
        _check_loss(what, loss, self._losses, LOSS_TOLERANCES_AT_SIZE[dtype])
        if not _has_gradient(what, mode, actual):
            return
        for window, expected in self._gradients:
            values = np.asarray(actual[window])
            _check_equal(f"{what}: gradient", values, expected, TOLERANCES[dtype])


def _describe(problem: Problem) -> str:
    return f"{list(problem.y_pred.shape)} {problem.y_pred.dtype} {problem.penalty}"


def _has_gradient(what: str, mode: str, gradient: Any) -> bool:
    if mode != FORWARD and gradient is None:
        raise VerificationError(f"{what}: got no gradient")
    return mode != FORWARD


def _check_loss(what: str, loss: Any, expected: np.ndarray, tolerance: float) -> None:
    """The loss is [B], or its mean over the batch."""
    actual = np.asarray(loss)
    if actual.ndim == 0:
        expected = expected.mean()
    _check_equal(f"{what}: loss", actual, expected, tolerance)


def _check_equal(what: str, actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    if actual.shape != np.shape(expected):
        raise VerificationError(f"{what} has shape {actual.shape}, not {np.shape(expected)}")
    largest = np.max(np.abs(expected)) or 1.0  # At 2 x 2 pixels every residual is 0.
    error = np.max(np.abs(actual - expected)) / largest
    if not error <= tolerance:  # NaN fails too.
        raise VerificationError(
            f"{what} differs from gradops.reference by {error:.1e} of its largest value, "
            f"allowed is {tolerance:.0e}; nothing was timed for this shape"
        )
