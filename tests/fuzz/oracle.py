"""What the oracle has for a case: all levels and the term of the pixels, in float64."""

from typing import NamedTuple

import numpy as np
from family_tools import Example, Outcome
from weights_tools import by_weights, by_weights_of_gradient

from gradops.reference.arguments import from_last, to_last
from gradops.reference.problem import Problem, divide_or_zero, divisors
from gradops.reference.scales import _levels, _resampled

OF_LEVELS = ("normalizer", "scale_weights", "downsample", "pixel_weight")


class Expected(NamedTuple):
    """An outcome, derivatives by the weights (None without weights) and counts."""

    outcome: Outcome
    by_weights: np.ndarray | None
    by_weights_of_gradient: np.ndarray | None
    counts: np.ndarray
    of_counts: np.ndarray | None
    floors: np.ndarray | None  # [2, B], the sizes of the terms of both maps, which may cancel
    few: bool  # whether an example has few residuals, which may all be small differences


def _added(one, other):
    return Outcome(*(x + y for x, y in zip(one, other, strict=True)))


def _of_level(data, normalizer, problem):
    """The outcome of one level, whose sums are by axis for the normalizer "none"."""
    is_sums = normalizer == "none"
    factors = data.upstream if is_sums else data.upstream[:, None]
    vector = problem.like_images("vector", data.vector)
    _, gradient = problem.pull_back(factors)
    by_true, by_pred, _ = problem.hessian_vector_products(vector, factors)
    by_image, _ = problem.response.slopes(*problem.gradients, problem.response_epsilon)
    along = by_image * problem.operator.gradients(vector)
    if problem.response.joint:
        along = along.sum(axis=-1, keepdims=True)
    totals = problem.sums(), problem._total(problem._slopes() * along)
    if is_sums:
        return Outcome(totals[0], gradient, by_true, by_pred, totals[1])
    losses, along = (x.sum(axis=1) for x in totals)
    divisor = divisors(problem, normalizer)
    found = losses, gradient, by_true, by_pred, along
    return Outcome(*(divide_or_zero(x, divisor) for x in found))


def _outcome(data, options):
    """(outcome, the Problem of the images, whether an example of a level has few residuals)."""
    given = {name: x for name, x in options.items() if name not in OF_LEVELS}
    weights, data_format = options.get("scale_weights", [1]), options["data_format"]
    how = len(weights), options.get("downsample", "stride"), weights, given
    levels = zip(_levels(*data[:2], *how), _levels(None, data.vector, *how), strict=True)
    total, few = None, False
    for (w, back, t, p, maps), (_, _, _, vector, _) in levels:
        problem = Problem(t, p, **maps)
        term = Example(t, p, vector, data.upstream)
        term = _of_level(term, options["normalizer"], problem)
        if len(weights) > 1:
            images = (_resampled(x, back, data_format) for x in term[1:4])
            term = Outcome(term.loss, *images, term.by_upstream)
        term = Outcome(*(w * x for x in term))
        total = term if total is None else _added(total, term)
        few |= _has_few(problem.counted)
    return total, Problem(*data[:2], **given), few


def _has_few(counted):
    numbers = counted.sum(axis=tuple(range(1, counted.ndim)))
    return bool(np.any((numbers > 0) & (numbers < 100)))


class Pixels:
    """pixel_weight * sum of w |p - t| / D' and its derivatives, [B, H, W, C] throughout."""

    def __init__(self, data, options):
        self.data_format = options["data_format"]
        self.data, self.size = data, options["pixel_weight"]
        p, self.vector = self._last(data.y_pred), self._last(data.vector)
        ones = np.ones(p.shape)
        self.valid = ones * self._last(options.get("mask", True)) > 0
        self.weights = np.where(self.valid, ones * self._last(options.get("weights", 1.0)), 0)
        self.channels = np.shape(self._last(options.get("weights", p)))[3]
        self.d = p - (0 if data.y_true is None else self._last(data.y_true))
        self.normalizer = options["normalizer"]
        counts = self.normalizer in ("residual_count", "pixel_count")
        divisor = (self.valid if counts else self.weights).sum(axis=(1, 2, 3)).astype("float64")
        self.divisor = np.full_like(divisor, divisor.mean()) if self._is_batch() else divisor

    def _last(self, images):
        return to_last(images, self.data_format) if np.ndim(images) else images

    def _is_batch(self):
        return self.normalizer == "batch"

    def _totals(self, values):
        """The sums of weight * value over the elements that count, divided."""
        kept = np.where(self.weights != 0, self.weights * values, 0)
        return divide_or_zero(self.size * kept.sum(axis=(1, 2, 3)), self.divisor)

    def outcome(self):
        signs = np.where(self.weights != 0, self.weights * np.sign(self.d), 0)
        slopes = divide_or_zero(self.size * signs, self.divisor)
        gradient = from_last(self.data.upstream[:, None, None, None] * slopes, self.data_format)
        flat = 0 * np.where(np.isfinite(gradient), gradient, 0)
        along = self._totals(np.sign(self.d) * self.vector)
        return Outcome(self._totals(np.abs(self.d)), gradient, flat, flat, along)

    def by_weights(self, of_gradient=False):
        """As reference.weights has it for the residuals."""
        values = np.sign(self.d) * self.vector if of_gradient else np.abs(self.d)
        upstream = self.data.upstream
        losses = upstream * self._totals(values)
        values = self._at_weights(np.where(self.valid, self.size * values, 0))
        numbers = self._at_weights(self.valid.astype("float64"))
        if self._is_batch():
            losses = np.full_like(losses, losses.mean())
        elif self.normalizer in ("residual_count", "pixel_count"):
            losses = np.zeros_like(losses)
        changed = np.where(numbers == 0, 0, losses[:, None, None, None] * numbers)
        found = upstream[:, None, None, None] * values - changed
        found = divide_or_zero(found, self.divisor)
        bad = (self._at_first(self.weights) == 0) & ~np.isfinite(values)
        return from_last(np.where(bad, 0, found), self.data_format)

    def _at_weights(self, elements):
        return elements.sum(axis=3, keepdims=True) if self.channels == 1 else elements

    def _at_first(self, elements):
        return elements.max(axis=3, keepdims=True) if self.channels == 1 else elements


@np.errstate(all="ignore")
def expected(data, options):
    """What the functions of the kernels are for the Example; options have the maps."""
    outcome, problem, few = _outcome(data, options)
    counts = problem.counts()
    first, second, of_counts = None, None, None
    if "weights" in options:
        of_residuals = {name: x for name, x in options.items() if name != "pixel_weight"}
        first = by_weights(*data[:2], data.upstream, **of_residuals)
        second = by_weights_of_gradient(data, **of_residuals)
        _, of_counts = problem.values_at_weights(np.resize(data.upstream, counts.shape))
    if "pixel_weight" in options:
        pixels = Pixels(data, options)
        outcome = _added(outcome, pixels.outcome())
        if first is not None:
            first = first + pixels.by_weights()
            second = second + pixels.by_weights(of_gradient=True)
    floors = _floors(data, options, outcome, counts) if "weights" in options else None
    return Expected(outcome, first, second, counts, of_counts, floors, few)


def _floors(data, options, outcome, counts):
    """|u| L n / D, as v_i - L n_i is divided by D; the same of the gradient along the vector, the
    terms of which may cancel too."""
    batch = len(data.y_pred)

    def sizes(values):
        return np.where(np.isfinite(values), np.abs(values), 0).reshape(batch, -1)

    losses, upstream = (sizes(x).max(axis=1) for x in (outcome.loss, data.upstream))
    along = sizes(outcome.gradient * data.vector).sum(axis=1)
    if options["response"] == "direction":
        losses = np.maximum(losses, 1e-9)  # the square of a rounding
    divisor = 1 if options["normalizer"] == "none" else counts.sum(axis=1)
    channels = data.y_pred.size // options["weights"].size
    terms = np.stack([upstream * losses, along])
    return channels * terms / np.where(divisor == 0, 1, divisor)
