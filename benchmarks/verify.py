"""Checking what a provider computes against the oracle, before it is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.modes import Builder, Result, has_gradient, upstream
from benchmarks.problems import Problem
from gradops import reference

if TYPE_CHECKING:
    from benchmarks.device import Device

# Errors of gradients, relative to the largest expected value.
TOLERANCES = {"bfloat16": 1e-2, "float16": 2e-3, "float32": 1e-5, "float64": 1e-12}
# Losses of narrow images are float32.
LOSS_TOLERANCES = TOLERANCES | {"bfloat16": 1e-5, "float16": 1e-5}
# A plain float32 sum over the millions of residuals of a large image is this far off.
LOSS_TOLERANCES_AT_SIZE = dict.fromkeys(TOLERANCES, 1e-3) | {"float64": 1e-10}
_BAND = 12  # Pixels.
_REACH = 2  # Pixels: how far a gradient sees.

SMALL = (2, 37, 41)  # Batch, height and width that every number is checked at.

Read = Callable[[Any], np.ndarray]
Window = tuple[int, slice, slice]
_passed: set[tuple[Any, ...]] = set()
_totals: dict[tuple[Any, ...], tuple[float, float]] = {}


class VerificationError(Exception):
    """A provider's numbers are wrong, so its times mean nothing."""


def check_small(device: Device, provider: str, mode: str, builder: Builder, like: Problem) -> None:
    """Compare every number of one provider and mode with the oracle, at an odd small shape.

    Args:
        device: Where it is called.
        provider: Its name.
        mode: One of its modes.
        builder: What is to be checked.
        like: A problem of the same channels, dtype and options.

    Raises:
        VerificationError: The loss or the gradient is wrong.
    """
    problem = like.at((*SMALL, like.shape[-1]))
    key = (device, builder, mode, problem.dtype, problem.key)
    if key in _passed:
        return
    inputs = device.prepare(problem, rotate=False)
    call = builder(inputs)
    device.expect(inputs)
    check_whole(provider, mode, problem, call(), device.read)
    _passed.add(key)


def check_whole(
    provider: str, mode: str, problem: Problem, result: Result, read: Read = np.asarray
) -> None:
    """Compare every number of the (loss, gradient) of a small problem; see `Oracle.check`.

    Raises:
        VerificationError: One of them is wrong.
    """
    loss, actual = result
    arguments = {**problem.options, **problem.maps}
    losses = reference.gradient_loss(problem.y_true, problem.y_pred, **arguments)
    factors, what = upstream(mode, problem), _describe(provider, mode, problem)
    _check_loss(what, read(loss), losses, factors, LOSS_TOLERANCES[problem.dtype])
    if _has_gradient(what, mode, actual):
        _, gradient = reference.loss_gradients(problem.y_true, problem.y_pred, factors, **arguments)
        check_equal(f"{what}: gradient", read(actual), gradient, _gradient_tolerance(problem))


class Oracle:
    """What a problem of any size must give: losses, and the gradient in some windows.

    Args:
        problem: Of any size.
        whole: Every loss is checked, or the last example's alone, which is faster. (A reduced loss
            needs all of them.)
    """

    def __init__(self, problem: Problem, whole: bool = True) -> None:
        self._problem = problem
        self._first: tuple[str, np.ndarray] | None = None
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

    def check(self, provider: str, mode: str, result: Result, read: Read = np.asarray) -> None:
        """Check the (loss, gradient) that a call returned.

        Losses of examples that are not checked must be those of the call that was checked first.

        Args:
            provider: Its name.
            mode: One of its modes.
            result: The gradient is None where the mode has none.
            read: Makes arrays of the host of the losses, and of the gradient of one example.

        Raises:
            VerificationError: One of them is wrong.
        """
        losses, actual = read(result[0]), result[1]
        problem = self._problem
        what, factors = _describe(provider, mode, problem), upstream(mode, problem)
        tolerance = LOSS_TOLERANCES_AT_SIZE[problem.dtype]
        loss = losses[self._examples.start :] if np.ndim(losses) else losses
        _check_loss(what, loss, self._losses, factors, tolerance)
        if np.ndim(losses):
            self._first = self._first or (provider, losses)
            first, its_losses = self._first
            if not np.allclose(losses, its_losses, rtol=tolerance, atol=0):
                raise VerificationError(f"{what}: its losses are not those of {first}")
        if not _has_gradient(what, mode, actual):
            return
        for (example, rows, columns), expected in self._gradients:
            values = read(actual[example])[rows, columns]
            expected = factors[example] * expected
            check_equal(f"{what}: gradient", values, expected, _gradient_tolerance(problem))


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


def _gradient_tolerance(problem: Problem) -> float:
    """Charbonnier's slope turns within 1e-3 of 0, and magnitudes are rounded by up to 1e-4."""
    steep = (problem.options["response"], problem.options["penalty"])
    factor = 100 if steep == ("magnitude", "charbonnier") else 1
    return factor * TOLERANCES[problem.dtype]


def _describe(provider: str, mode: str, problem: Problem) -> str:
    return f"{provider}, {mode}, {list(problem.shape)} {problem.dtype} {problem.label}"


def _has_gradient(what: str, mode: str, gradient: Any) -> bool:
    if has_gradient(mode) and gradient is None:
        raise VerificationError(f"{what}: got no gradient")
    return has_gradient(mode)


def _check_loss(
    what: str, actual: np.ndarray, expected: np.ndarray, factors: np.ndarray, tolerance: float
) -> None:
    """The loss is [B], or reduced over the batch."""
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
