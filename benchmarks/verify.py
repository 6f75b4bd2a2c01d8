"""Checking what a provider computes against the oracle, before it is timed."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.modes import FORWARD, Builder, upstream
from benchmarks.problems import Problem, make_problem
from gradops import reference

# Errors of gradients, relative to the largest expected value.
TOLERANCES = {"bfloat16": 1e-2, "float16": 2e-3, "float32": 1e-5, "float64": 1e-12}
# Losses of narrow images are float32.
LOSS_TOLERANCES = TOLERANCES | {"bfloat16": 1e-5, "float16": 1e-5}
# A plain float32 sum over the millions of residuals of a large image is this far off.
LOSS_TOLERANCES_AT_SIZE = dict.fromkeys(TOLERANCES, 1e-3) | {"float64": 1e-10}
_BAND = 12  # Pixels.
_REACH = 2  # Pixels: how far a gradient sees.

Window = tuple[int, slice, slice]
_passed: set[tuple[Any, ...]] = set()
_totals: dict[tuple[Any, ...], tuple[float, float]] = {}


class VerificationError(Exception):
    """A provider's numbers are wrong, so its times mean nothing."""


def check_small(provider: str, mode: str, builder: Builder, like: Problem) -> None:
    """Compare every number of one provider and mode with the oracle, at an odd small shape.

    Args:
        provider: Its name.
        mode: One of its modes.
        builder: What is to be checked.
        like: A problem of the same channels, dtype and options.

    Raises:
        VerificationError: The loss or the gradient is wrong.
    """
    has_weights, has_mask = like.weights is not None, like.mask is not None
    shape = (2, 37, 41, like.shape[-1])
    problem = make_problem(shape, like.dtype, like.options, weights=has_weights, mask=has_mask)
    key = (builder, mode, like.dtype, problem.key)
    if key in _passed:
        return
    check_whole(provider, mode, problem, builder(problem)())
    _passed.add(key)


def check_whole(
    provider: str,
    mode: str,
    problem: Problem,
    result: tuple[Any, Any],
    dtype: str = "",
    factors: np.ndarray | None = None,
) -> None:
    """Compare every number of the (loss, gradient) of a small problem; see `Oracle.check`.

    Raises:
        VerificationError: One of them is wrong.
    """
    loss, actual = result
    dtype = dtype or problem.dtype
    arguments = {**problem.options, **problem.maps}
    losses = reference.gradient_loss(problem.y_true, problem.y_pred, **arguments)
    factors = upstream(mode, len(losses)) if factors is None else factors
    what = _describe(provider, mode, problem, dtype)
    _check_loss(what, loss, losses, factors, LOSS_TOLERANCES[dtype])
    if _has_gradient(what, mode, actual):
        _, gradient = reference.loss_gradients(problem.y_true, problem.y_pred, factors, **arguments)
        tolerance = _gradient_tolerance(problem, dtype)
        check_equal(f"{what}: gradient", np.asarray(actual), gradient, tolerance)


class Oracle:
    """What a problem of any size must give: losses, and the gradient in some windows.

    Args:
        problem: Of any size.
        whole: Every loss is checked, or the last example's alone, which is faster. (A reduced loss
            needs all of them.)
    """

    def __init__(self, problem: Problem, whole: bool = True) -> None:
        self._problem = problem
        batch, height, width, _ = problem.shape
        self._examples = range(batch) if whole else range(batch - 1, batch)
        everything = slice(0, None)
        self._windows = [
            (self._examples[0], slice(0, _BAND), everything),
            (batch - 1, slice(max(0, height - _BAND), None), everything),
            (self._examples[len(self._examples) // 2], everything, _middle(width)),
        ]
        totals = [_totals_of(problem, example) for example in self._examples]
        self._losses = np.array([total / count if count else 0.0 for total, count in totals])
        self._gradients = [(window, self._gradient(window)) for window in self._windows]

    def _gradient(self, window: Window) -> np.ndarray:
        """The derivative of its example's loss: the oracle on the pixels that it depends on."""
        problem = self._problem
        example, *slices = window
        crops: list[slice] = [slice(example, example + 1)]
        inner: list[int | slice] = [0]
        for part, size in zip(slices, problem.shape[1:3], strict=True):
            start, stop, _ = part.indices(size)
            first, last = max(0, start - _REACH), min(size, stop + _REACH)
            crops.append(slice(first, last))
            inner.append(slice(start - first, stop - first))
        crop = tuple(crops)
        t, p = problem.y_true[crop], problem.y_pred[crop]
        maps = {name: None if m is None else m[crop] for name, m in problem.maps.items()}
        axes = 2 if problem.options["response"] in ("component", "absolute") else 1
        _, gradient = reference.sums_gradients(t, p, np.ones((1, axes)), **problem.options, **maps)
        _, count = _totals_of(problem, example)
        return gradient[tuple(inner)] / count

    def check_loss(self, provider: str, mode: str, loss: Any) -> None:
        """Check a mean of the losses alone.

        Raises:
            VerificationError: It is wrong.
        """
        dtype = self._problem.dtype
        what = f"{_describe(provider, mode, self._problem, dtype)}: loss"
        tolerance = LOSS_TOLERANCES_AT_SIZE[dtype]
        check_equal(what, loss, np.mean(self._losses), tolerance)

    def check(
        self,
        provider: str,
        mode: str,
        result: tuple[Any, Any],
        dtype: str = "",
        factors: np.ndarray | None = None,
    ) -> None:
        """Check the (loss, gradient) that a call returned.

        Args:
            provider: Its name.
            mode: One of its modes.
            result: The gradient is None where the mode has none.
            dtype: What the call computed in, if that is not the problem's, whose numbers it holds.
            factors: The upstream gradient, [B], if it is not that of the mode.

        Raises:
            VerificationError: One of them is wrong.
        """
        loss, actual = result
        dtype = dtype or self._problem.dtype
        what = _describe(provider, mode, self._problem, dtype)
        factors = upstream(mode, len(self._problem.y_pred)) if factors is None else factors
        if np.ndim(loss):
            loss = np.asarray(loss)[self._examples.start :]
        _check_loss(what, loss, self._losses, factors, LOSS_TOLERANCES_AT_SIZE[dtype])
        if not _has_gradient(what, mode, actual):
            return
        for window, expected in self._gradients:
            values = np.asarray(actual[window])
            expected = factors[window[0]] * expected
            tolerance = _gradient_tolerance(self._problem, dtype)
            check_equal(f"{what}: gradient", values, expected, tolerance)


def _middle(width: int) -> slice:
    return slice(width // 2, width // 2 + _BAND)


def _totals_of(problem: Problem, example: int) -> tuple[float, float]:
    """The sum over the residuals of one example, and their weight.

    With weights or a mask from the composition in float64, an image of millions of pixels would
    take the oracle minutes.
    """
    key = (problem.key, example)
    if key not in _totals or problem.key is None:
        one = slice(example, example + 1)  # The temporaries are many times the size of an image.
        t, p = problem.y_true[one], problem.y_pred[one]
        maps: dict[str, Any] = {n: None if m is None else m[one] for n, m in problem.maps.items()}
        if problem.weights is None and problem.mask is None:
            sums, counts = reference.gradient_sums(t, p, **problem.options)
        else:
            t, p = t.astype(np.float64), p.astype(np.float64)
            if maps["weights"] is not None:
                maps["weights"] = maps["weights"].astype(np.float64)
            from gradops import composite  # Not in a build without TensorFlow.

            sums, counts = composite.gradient_sums(
                t, p, **problem.options, **maps, data_format="channels_last"
            )
        _totals[key] = float(np.sum(sums)), float(np.sum(counts))
    return _totals[key]


def _gradient_tolerance(problem: Problem, dtype: str) -> float:
    """Charbonnier's slope turns within 1e-3 of 0, and magnitudes are rounded by up to 1e-4."""
    steep = (problem.options["response"], problem.options["penalty"])
    factor = 100 if steep == ("magnitude", "charbonnier") else 1
    return factor * TOLERANCES[dtype]


def _describe(provider: str, mode: str, problem: Problem, dtype: str) -> str:
    return f"{provider}, {mode}, {list(problem.shape)} {dtype} {problem.label}"


def _has_gradient(what: str, mode: str, gradient: Any) -> bool:
    if mode != FORWARD and gradient is None:
        raise VerificationError(f"{what}: got no gradient")
    return mode != FORWARD


def _check_loss(
    what: str, loss: Any, expected: np.ndarray, factors: np.ndarray, tolerance: float
) -> None:
    """The loss is [B], or reduced over the batch."""
    actual = np.asarray(loss)
    if actual.ndim == 0:
        expected = np.sum(factors * expected)
    check_equal(f"{what}: loss", actual, expected, tolerance)


def check_equal(what: str, actual: Any, expected: Any, tolerance: float) -> None:
    """Compare values, relative to the largest expected one.

    Raises:
        VerificationError: They differ by more than the tolerance, or in shape.
    """
    actual = np.asarray(actual)
    if actual.shape != np.shape(expected):
        raise VerificationError(f"{what} has shape {actual.shape}, not {np.shape(expected)}")
    largest = np.max(np.abs(expected)) or 1.0  # At 2 x 2 pixels every residual is 0.
    error = np.max(np.abs(actual.astype(np.float64) - expected)) / largest
    if not error <= tolerance:  # NaN fails too.
        raise VerificationError(
            f"{what} differs from gradops.reference by {error:.1e} of its largest value, "
            f"allowed is {tolerance:.0e}; nothing was timed for this shape"
        )
