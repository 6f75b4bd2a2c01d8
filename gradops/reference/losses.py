"""L_b = sum_i w_i rho(r_i) / D_b: the losses of `problem`, and their derivatives.

NaN and Inf are allowed and follow plain arithmetic without warnings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradops.reference import arguments
from gradops.reference.arguments import Array
from gradops.reference.problem import Problem, divide_or_zero, divisors


@np.errstate(all="ignore")
def gradient_loss(
    y_true: ArrayLike | None, y_pred: ArrayLike, *, normalizer: str = "residuals", **options: Any
) -> Array:
    """L_b = sum of w_i rho(r_i) over the counted residuals of example b, over D_b.

    Args:
        y_true: Targets t, [B, H, W, C], any real dtype; computed in float64. None means t = 0.
        y_pred: Predictions p, same shape.
        normalizer: What D_b is: "residuals", the sum of the counted w_i; "pixels", the sum of
            the weights of all valid elements; "batch", the mean over b of the first;
            "residual_count", the number of the w_i that neither the mask nor the border drops;
            "pixel_count", the number of valid elements.
        **options: stencil="sobel", penalty="l1", response="component", border="reflect",
            scale="raw", data_format="channels_last" (allowed values: `STENCILS`, `PENALTIES` and
            so on); the penalty's epsilon, delta or alpha; response_epsilon; weights and mask,
            both [B, H, W, 1] or [B, H, W, C].

    Returns:
        One loss per example, [B] float64; 0 where D_b is 0; empty for B = 0.

    Raises:
        ValueError: An unknown option, a parameter that does not apply or is out of range, a
            wrong shape, dtype or weight, or too small a size.
    """
    problem = Problem(y_true, y_pred, **options)
    return divide_or_zero(problem.sums().sum(axis=1), divisors(problem, normalizer))


@np.errstate(all="ignore")
def loss_gradients(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    upstream: ArrayLike | None = None,
    *,
    normalizer: str = "residuals",
    **options: Any,
) -> tuple[Array | None, Array]:
    """upstream_b * dL_b/dt and upstream_b * dL_b/dp.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        upstream: One factor per example, [B]; None means ones.
        normalizer: As `gradient_loss`.
        **options: Those of `gradient_loss`.

    Returns:
        (d_y_true, d_y_pred), both like y_pred in float64; d_y_true is None if y_true is.

    Raises:
        ValueError: As `gradient_loss`, or an upstream that is not [B].
    """
    problem = Problem(y_true, y_pred, **options)
    divisor = divisors(problem, normalizer)
    factors = problem.per_example("upstream", upstream)[:, None]
    by_true, by_pred = (divide_or_zero(x, divisor) for x in problem.pull_back(factors))
    return None if problem.one_image else by_true, by_pred


@np.errstate(all="ignore")
def gradient_sums(
    y_true: ArrayLike | None, y_pred: ArrayLike, **options: Any
) -> tuple[Array, Array]:
    """Sums of w_i rho(r_i) and of w_i over the counted residuals, per example and axis.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        **options: Those of `gradient_loss` except normalizer.

    Returns:
        (sums, counts), both [B, K]: K = 2, in the order (y, x), for the responses component and
        absolute, K = 1 for the others.

    Raises:
        ValueError: As `gradient_loss`.
    """
    problem = Problem(y_true, y_pred, **options)
    return problem.sums(), problem.counts()


@np.errstate(all="ignore")
def sums_gradients(
    y_true: ArrayLike | None, y_pred: ArrayLike, upstream: ArrayLike, **options: Any
) -> tuple[Array | None, Array]:
    """The derivatives of sum over b and k of upstream[b, k] * sums[b, k] by t and by p.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        upstream: One factor per sum, [B, K].
        **options: Those of `gradient_sums`.

    Returns:
        (d_y_true, d_y_pred), both like y_pred in float64; d_y_true is None if y_true is.

    Raises:
        ValueError: As `gradient_sums`, or an upstream that is not [B, K].
    """
    problem = Problem(y_true, y_pred, **options)
    shape = (problem.shape[0], problem.residuals.shape[-1])
    factors = arguments.with_shape("upstream", upstream, shape, "one value per sum,")
    by_true, by_pred = problem.pull_back(factors)
    return None if problem.one_image else by_true, by_pred


@np.errstate(all="ignore")
def hessian_vector_product(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    vector: ArrayLike,
    upstream: ArrayLike | None = None,
    *,
    normalizer: str = "residuals",
    **options: Any,
) -> tuple[Array | None, Array, Array]:
    """The derivatives of sum over b of <vector_b, upstream_b * dL_b/dp> by t, p and upstream.

    Args:
        y_true: Targets t, [B, H, W, C], or None.
        y_pred: Predictions p, same shape.
        vector: v, same shape.
        upstream: One factor per example, [B]; None means ones.
        normalizer: As `gradient_loss`.
        **options: Those of `gradient_loss`.

    Returns:
        (by_true, by_pred, by_upstream): two like y_pred in float64, by_true None if y_true is,
        and <v_b, dL_b/dp>, [B].

    Raises:
        ValueError: As `loss_gradients`, or a vector whose shape is not that of y_pred.
    """
    problem = Problem(y_true, y_pred, **options)
    divisor = divisors(problem, normalizer)
    v = problem.like_images("vector", vector)
    factors = problem.per_example("upstream", upstream)[:, None]
    by_true, by_pred, along = (
        divide_or_zero(value, divisor) for value in problem.hessian_vector_products(v, factors)
    )
    return None if problem.one_image else by_true, by_pred, along
