"""L_b = (1 / D_b) sum_i w_i rho(r_i(S p_b, S t_b)) over the residuals i that count.

With q_i = w_i rho'(r_i), and S the stencil-and-border operator (S_y, S_x):

    D_b dL_b/dp = S^T (q dr/dg_p)        D_b dL_b/dt = S^T (q dr/dg_t)

The first of these along a vector v, with z = S v and s = dr/dg_p . z, is sum_i q_i s_i, and so

    D_b d/dp = S^T (w rho''(r) s dr/dg_p + q (ds/dg_p))        the same with t and dr/dg_t, ds/dg_t

What does not count, or has weight 0, is replaced by 0, never multiplied by 0: a NaN there changes
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from gradops.reference import arguments
from gradops.reference.arguments import Array, check_option
from gradops.reference.penalties import PENALTIES, penalty_parameter
from gradops.reference.responses import RESPONSES, response_parameter
from gradops.reference.stencils import Operator
from gradops.reference.support import counted, jointly


class Problem:
    """The residuals of a pair of images, checked, with their weights."""

    def __init__(
        self,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        stencil: str = "sobel",
        penalty: str = "l1",
        response: str = "component",
        border: str = "reflect",
        scale: str = "raw",
        epsilon: float | None = None,
        delta: float | None = None,
        alpha: float | None = None,
        response_epsilon: float | None = None,
        weights: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        data_format: str = "channels_last",
    ):
        check_option("penalty", penalty, PENALTIES)
        check_option("response", response, RESPONSES)
        self.operator = Operator(stencil, border, scale)
        self.penalty = PENALTIES[penalty]
        self.parameter = penalty_parameter(
            penalty, {"epsilon": epsilon, "delta": delta, "alpha": alpha}
        )
        self.response = RESPONSES[response]
        self.response_epsilon = response_parameter(response, response_epsilon)
        self.data_format = data_format

        p = arguments.images("y_pred", y_pred, border, self.operator.minimum_size, data_format)
        self.shape = p.shape
        self.one_image = y_true is None
        t = np.zeros(p.shape) if y_true is None else self.like_images("y_true", y_true)
        valid = arguments.pixel_mask(mask, p.shape, data_format)
        pixel_weights = arguments.pixel_weights(weights, p.shape, data_format)
        self.valid = np.ones(p.shape, bool) if valid is None else valid
        p, t, self.pixel_weights = (np.where(self.valid, x, 0.0) for x in (p, t, pixel_weights))
        self.one_weight_per_pixel = weights is not None and (
            arguments.to_last(np.asarray(weights), data_format).shape[3] == 1
        )
        self.weights = pixel_weights[..., None]  # Those of the centre pixel, for both components.
        both = counted(stencil, border, p.shape, valid)
        self.not_dropped = jointly(both) if self.response.joint else both
        self.counted = self.not_dropped & (self.weights != 0)

        if self.response.linear:
            self.gradients = (self.operator.gradients(p - t), np.zeros((*p.shape, 2)))
        else:
            self.gradients = (self.operator.gradients(p), self.operator.gradients(t))
        self.residuals = self.response.residuals(*self.gradients, self.response_epsilon)

    def like_images(self, argument: str, values: ArrayLike) -> Array:
        """The values as [B, H, W, C], checked to have the shape of y_pred."""
        batch, height, width, channels = shape = self.shape
        if self.data_format == "channels_first":
            shape = (batch, channels, height, width)
        array = arguments.with_shape(argument, values, shape, "the shape of y_pred")
        return arguments.to_last(array, self.data_format)

    def per_example(self, argument: str, values: ArrayLike | None) -> Array:
        """The values as [B]; ones if None."""
        shape = (self.shape[0],)
        if values is None:
            return np.ones(shape)
        return arguments.with_shape(argument, values, shape, "one value per example,")

    def sums(self) -> Array:
        """[B, K]: sum of w rho(r) over the counted residuals of each axis k."""
        return self._total(self.weights * self.penalty.value(self.residuals, self.parameter))

    def counts(self) -> Array:
        """[B, K]: sum of w over the counted residuals of each axis k."""
        return self._total(np.broadcast_to(self.weights, self.residuals.shape))

    def values_at_weights(self, factors: Array) -> tuple[Array, Array]:
        """Sums over the residuals of each weight that are not dropped, in the shape of the weights.

        Those of factors * rho(r), and of factors; factors are [B, K] or [B, 1]. Whether a residual
        has weight 0 makes no difference.
        """
        rho = self.penalty.value(self.residuals, self.parameter)
        values = np.where(self.not_dropped, _spread(factors) * rho, 0.0).sum(axis=-1)
        numbers = np.where(self.not_dropped, _spread(factors), 0.0).sum(axis=-1)
        return self.at_weights(values), self.at_weights(numbers)

    def at_weights(self, elements: Array) -> Array:
        """[B, H, W, C] summed over the elements of each weight, in the shape of the weights."""
        if self.one_weight_per_pixel:
            elements = elements.sum(axis=3, keepdims=True)
        return arguments.from_last(elements, self.data_format)

    def weights_at_weights(self) -> Array:
        """The weights in their own shape."""
        channels = 1 if self.one_weight_per_pixel else self.shape[3]
        return arguments.from_last(self.weights[..., :channels, 0], self.data_format)

    def pull_back(self, factors: Array) -> tuple[Array, Array]:
        """The derivatives of sum(factors * sums) by t and by p; factors are [B, K] or [B, 1]."""
        by_p, by_t = self.response.slopes(*self.gradients, self.response_epsilon)
        q = _spread(factors) * self._slopes()
        return self._adjoint(q * by_t), self._adjoint(q * by_p)

    def hessian_vector_products(self, vector: Array, factors: Array) -> tuple[Array, Array, Array]:
        """The derivatives of <vector, pull_back to p> by t, by p and by the factors, [B, 1]."""
        by_p, by_t = self.response.slopes(*self.gradients, self.response_epsilon)
        z = self.operator.gradients(vector)
        s = by_p * z
        if self.response.joint:
            s = s.sum(axis=-1, keepdims=True)
        curved = self.weights * self.penalty.curvature(self.residuals, self.parameter) * s
        to_p, to_t = curved * by_p, curved * by_t
        if self.response.second is not None:
            s_by_p, s_by_t = self.response.second(*self.gradients, self.response_epsilon, z)
            to_p, to_t = to_p + self._slopes() * s_by_p, to_t + self._slopes() * s_by_t
        along = self._total(self._slopes() * s).sum(axis=1)
        factors = _spread(factors)
        return self._adjoint(factors * to_t), self._adjoint(factors * to_p), along

    def _slopes(self) -> Array:
        return self.weights * self.penalty.slope(self.residuals, self.parameter)

    def _total(self, values: Array) -> Array:
        kept = np.moveaxis(np.where(self.counted, values, 0.0), -1, 1)
        # NumPy adds pairwise only along a contiguous axis.
        rows = np.ascontiguousarray(kept).reshape(*kept.shape[:2], math.prod(kept.shape[2:]))
        return rows.sum(axis=-1)

    def _adjoint(self, values: Array) -> Array:
        images = self.operator.adjoint(np.where(self.counted, values, 0.0))
        return arguments.from_last(images, self.data_format)


def _spread(factors: Array) -> Array:
    return factors[:, None, None, None, :]


# D_b, [B].
NORMALIZERS: dict[str, Callable[[Problem], Array]] = {
    "residuals": lambda problem: problem.counts().sum(axis=1),
    "pixels": lambda problem: problem.pixel_weights.sum(axis=(1, 2, 3)),
    "batch": lambda problem: (
        np.full(problem.shape[0], problem.counts().sum()) / max(1, problem.shape[0])
    ),
    "residual_count": lambda problem: problem.not_dropped.sum(axis=(1, 2, 3, 4)),
    "pixel_count": lambda problem: problem.valid.sum(axis=(1, 2, 3)),
}


def divisors(problem: Problem, normalizer: str) -> Array:
    """D_b of the normalizer, [B]."""
    check_option("normalizer", normalizer, NORMALIZERS)
    return NORMALIZERS[normalizer](problem)


def divide_or_zero(values: Array, divisor: Array) -> Array:
    """values_b / D_b, and 0 where D_b is 0, whatever the values."""
    divisor = divisor.reshape(-1, *[1] * (values.ndim - 1))
    empty = divisor == 0
    return np.where(empty, 0.0, values / np.where(empty, 1.0, divisor))
