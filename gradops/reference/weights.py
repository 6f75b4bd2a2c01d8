"""dL_b/dw_i = (v_i - L_b dD_b/dw_i) / D_b: the derivatives by the weights.

L_b is sum_i w_i v_i / D_b, where v_i is the sum of rho(r) over the residuals that w_i multiplies
and that neither the mask nor the border drops: those of both axes, and of all channels if w has
one. dD_b/dw_i is their number n_i for "residuals", the number of valid elements at i for "pixels",
and 0 for the normalizers that count.
For "batch", D is the mean over the B examples, and dL_b/dw_i = ([i in b] v_i - L_b n_i / B) / D.

The derivative is 0 where D_b is 0. At w_i = 0 it is this formula's where v_i is finite, else 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradops.reference import arguments
from gradops.reference.arguments import Array
from gradops.reference.problem import Problem, divide_or_zero, divisors


@np.errstate(all="ignore")
def weights_gradient(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    upstream: ArrayLike | None = None,
    *,
    weights: ArrayLike,
    normalizer: str = "residuals",
    **options: Any,
) -> Array:
    """The derivative of sum over b of upstream_b * L_b by the weights.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        upstream: One factor per example, [B]; None means ones.
        weights: w, [B, H, W, 1] or [B, H, W, C].
        normalizer: As `gradient_loss`.
        **options: Those of `gradient_loss`.

    Returns:
        The shape of the weights, float64.

    Raises:
        ValueError: As `loss_gradients`.
    """
    problem = Problem(y_true, y_pred, weights=weights, **options)
    divisor = divisors(problem, normalizer)
    u = problem.per_example("upstream", upstream)
    values, numbers = problem.values_at_weights(np.ones((problem.shape[0], 1)))
    losses = u * divide_or_zero(problem.sums().sum(axis=1), divisor)
    if normalizer == "pixels":
        numbers = problem.at_weights(problem.valid.astype(np.float64))
    elif normalizer == "batch":
        losses = np.full_like(losses, losses.mean() if losses.size else 0.0)
    elif normalizer != "residuals":
        numbers = np.zeros_like(numbers)
    changed = np.where(numbers == 0, 0.0, _per_example(losses) * numbers)
    gradient = divide_or_zero(_per_example(u) * values - changed, divisor)
    return _without_bad_values(problem, gradient, values)


@np.errstate(all="ignore")
def sums_weights_gradients(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    upstream: ArrayLike,
    *,
    weights: ArrayLike,
    **options: Any,
) -> tuple[Array, Array]:
    """The derivatives of sum over b and k of upstream * sums, and of upstream * counts, by w.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        upstream: One factor per sum, [B, K].
        weights: w, [B, H, W, 1] or [B, H, W, C].
        **options: Those of `gradient_sums`.

    Returns:
        (of_sums, of_counts), both of the shape of the weights, float64. That of the counts does not
        depend on the images.

    Raises:
        ValueError: As `sums_gradients`.
    """
    problem = Problem(y_true, y_pred, weights=weights, **options)
    shape = (problem.shape[0], problem.residuals.shape[-1])
    factors = arguments.with_shape("upstream", upstream, shape, "one value per sum,")
    of_sums, of_counts = problem.values_at_weights(factors)
    values, _ = problem.values_at_weights(np.ones((shape[0], 1)))
    return _without_bad_values(problem, of_sums, values), of_counts


def _without_bad_values(problem: Problem, gradient: Array, values: Array) -> Array:
    bad = (problem.weights_at_weights() == 0) & ~np.isfinite(values)
    return np.where(bad, 0.0, gradient)


def _per_example(values: Array) -> Array:
    return values[:, None, None, None]
