"""Reference implementation: NumPy, float64, plain and slow, written from the definition.

For one example with target t, prediction p and d = p - t, shape [H, W, C]:

    r_y = S_y d,  r_x = S_x d
    L = c * sum(rho(r_y) + rho(r_x)),  c = 1 / (2 * H * W * C)
    dL/dp = c * (S_y^T rho'(r_y) + S_x^T rho'(r_x)) = -dL/dt

S_y differentiates along the height and smooths along the width, S_x the other way round. Along one
axis a stencil and a border make one (size, size) matrix; products of two such matrices are S_y and
S_x, and their transposes make the adjoints.

Only non-zero matrix entries are ever multiplied. The entries are summed after the border mapping,
so a NaN reaches exactly the outputs whose support contains it: under `reflect` the two taps of
the vertical derivative cancel in the first and last row, whose support is then empty.

This module shares no code with the kernels or with `gradops.composite`; it types its own tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Stencil(NamedTuple):
    """Three taps along each axis (offsets -1, 0, +1), applied as a correlation (no flip)."""

    derivative: tuple[int, int, int]
    smoothing: tuple[int, int, int]
    divisor: int  # Scale "unit" divides by this: a ramp of slope 1 then has gradient 1.


class Penalty(NamedTuple):
    """rho(r), its slope rho'(r) and its curvature rho''(r); the slope of NaN is NaN."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    curvature: Callable[[Array], Array]


class Border(NamedTuple):
    """Where an index in [-1, size] reads from, and the smallest size this is defined for."""

    source: Callable[[int, int], int]
    minimum_size: int


def _reflect(index: int, size: int) -> int:
    """... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...: the edge itself is not repeated."""
    if index < 0:
        return -index
    return 2 * (size - 1) - index if index >= size else index


STENCILS = {"sobel": Stencil(derivative=(-1, 0, 1), smoothing=(1, 2, 1), divisor=8)}
PENALTIES = {
    # np.sign is 0 at 0, the slope chosen for ties, and NaN at NaN.
    "l1": Penalty(value=np.abs, slope=np.sign, curvature=np.zeros_like),
    "l2": Penalty(np.square, lambda r: 2.0 * r, lambda r: np.full_like(r, 2.0)),
}
RESPONSES = ("component",)
BORDERS = {"reflect": Border(source=_reflect, minimum_size=2)}
SCALES = ("raw",)


class _Stencil:
    """The operators S_y and S_x of one stencil, border and scale."""

    def __init__(self, stencil: str, border: str, scale: str):
        _check_option("stencil", stencil, STENCILS)
        _check_option("border", border, BORDERS)
        _check_option("scale", scale, SCALES)
        self.taps = STENCILS[stencil]
        self.border = border
        self.divisor = self.taps.divisor if scale == "unit" else 1

    def images(self, argument: str, values: ArrayLike) -> Array:
        """The values as float64, after checking that this stencil and border apply to them."""
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 4:
            raise ValueError(f"{argument}: expected rank 4 [B, H, W, C], got shape {array.shape}")
        minimum = BORDERS[self.border].minimum_size
        if min(array.shape[1:3]) < minimum:
            raise ValueError(
                f"{argument}: border {self.border!r} needs H and W of at least {minimum}, "
                f"got shape {array.shape}"
            )
        return array

    def forward(self, x: Array) -> Array:
        """[B, H, W, C] -> [B, H, W, C, 2]: (S_y x, S_x x)."""
        d_h, m_h, d_w, m_w = self._matrices(*x.shape[1:3])
        gy = _apply(m_w, _apply(d_h, x, 1), 2)
        gx = _apply(d_w, _apply(m_h, x, 1), 2)
        return np.stack([gy, gx], axis=-1) / self.divisor

    def adjoint(self, u: Array) -> Array:
        """[B, H, W, C, 2] -> [B, H, W, C]: S_y^T u_y + S_x^T u_x."""
        d_h, m_h, d_w, m_w = self._matrices(*u.shape[1:3])
        from_gy = _apply(d_h.T, _apply(m_w.T, u[..., 0], 2), 1)
        from_gx = _apply(m_h.T, _apply(d_w.T, u[..., 1], 2), 1)
        return (from_gy + from_gx) / self.divisor

    def _matrices(self, height: int, width: int) -> list[Array]:
        kinds = (self.taps.derivative, self.taps.smoothing)
        return [self._matrix(taps, size) for size in (height, width) for taps in kinds]

    def _matrix(self, taps: tuple[int, int, int], size: int) -> Array:
        """Row i holds the weights with which output i reads the inputs, after the border."""
        matrix = np.zeros((size, size))
        for i in range(size):
            for offset, weight in zip((-1, 0, 1), taps, strict=True):
                matrix[i, BORDERS[self.border].source(i + offset, size)] += weight
        return matrix


def _apply(matrix: Array, images: Array, axis: int) -> Array:
    """Matrix @ images along one axis, over the non-zero entries only (0 * NaN never happens)."""
    rows = np.moveaxis(images, axis, 0)
    result = np.zeros((matrix.shape[0], *rows.shape[1:]))
    for i, k in np.argwhere(matrix):
        result[i] += matrix[i, k] * rows[k]
    return np.moveaxis(result, 0, axis)


class _Loss:
    """The validated problem that the three functions of the loss share."""

    def __init__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        stencil: str = "sobel",
        penalty: str = "l1",
        response: str = "component",
        border: str = "reflect",
        scale: str = "raw",
    ):
        _check_option("penalty", penalty, PENALTIES)
        _check_option("response", response, RESPONSES)
        self.stencil = _Stencil(stencil, border, scale)
        self.penalty = PENALTIES[penalty]
        prediction = self.stencil.images("y_pred", y_pred)
        target = _with_shape("y_true", y_true, prediction.shape, "the shape of y_pred")
        self.residuals = self.stencil.forward(prediction - target)
        # At least 1: with no residual (C = 0) the sum is 0, and the loss is 0 by definition.
        self.count = max(1, int(np.prod(self.residuals.shape[1:])))

    def pull_back(self, values: Array, upstream: ArrayLike | None) -> Array:
        """upstream_b * c * sum_k S_k^T values_k."""
        batch = len(self.residuals)
        if upstream is None:
            upstream = np.ones(batch)
        factor = _with_shape("upstream", upstream, (batch,), "one value per example,") / self.count
        return factor[:, None, None, None] * self.stencil.adjoint(values)


def _check_option(argument: str, value: object, allowed: Iterable[str]) -> None:
    names = tuple(allowed)
    if value not in names:
        raise ValueError(
            f"{argument}: got {value!r}, expected one of {', '.join(map(repr, names))}"
        )


def _with_shape(argument: str, values: ArrayLike, shape: tuple[int, ...], what: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{argument}: expected {what} {shape}, got shape {array.shape}")
    return array


def gradient_loss(y_true: ArrayLike, y_pred: ArrayLike, **options: str) -> Array:
    """L_b = mean of rho(S_k (p_b - t_b)) over k in (y, x) and every pixel and channel.

    Args:
        y_true: Targets t, [B, H, W, C], any real dtype; computed in float64.
        y_pred: Predictions p, same shape.
        **options: stencil="sobel", penalty="l1", response="component", border="reflect",
            scale="raw"; the values allowed are in `STENCILS`, `PENALTIES` and so on.

    Returns:
        One loss per example, [B] float64; empty for B = 0.

    Raises:
        ValueError: An unknown option, a rank other than 4, unequal shapes, or too small a size.
    """
    loss = _Loss(y_true, y_pred, **options)
    return loss.penalty.value(loss.residuals).sum(axis=(1, 2, 3, 4)) / loss.count


def loss_gradients(
    y_true: ArrayLike, y_pred: ArrayLike, upstream: ArrayLike | None = None, **options: str
) -> tuple[Array, Array]:
    """upstream_b * dL_b/dp = upstream_b * c * sum_k S_k^T rho'(S_k d_b), dL_b/dt = -dL_b/dp.

    Args:
        y_true: Targets t, [B, H, W, C].
        y_pred: Predictions p, same shape.
        upstream: One factor per example, [B]; None means ones.
        **options: Those of `gradient_loss`.

    Returns:
        (d_y_true, d_y_pred), both [B, H, W, C] float64.

    Raises:
        ValueError: As `gradient_loss`, or an upstream that is not [B].
    """
    loss = _Loss(y_true, y_pred, **options)
    d_y_pred = loss.pull_back(loss.penalty.slope(loss.residuals), upstream)
    return -d_y_pred, d_y_pred


def hessian_vector_product(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    vector: ArrayLike,
    upstream: ArrayLike | None = None,
    **options: str,
) -> Array:
    """d/dp <v, upstream * dL/dp> = upstream_b * c * sum_k S_k^T (rho''(S_k d_b) * S_k v_b).

    Args:
        y_true: Targets t, [B, H, W, C].
        y_pred: Predictions p, same shape.
        vector: v, same shape.
        upstream: One factor per example, [B]; None means ones.
        **options: Those of `gradient_loss`.

    Returns:
        [B, H, W, C] float64; zeros for l1, whose curvature is zero almost everywhere.

    Raises:
        ValueError: As `loss_gradients`, or a vector whose shape is not that of y_pred.
    """
    loss = _Loss(y_true, y_pred, **options)
    v = _with_shape("vector", vector, loss.residuals.shape[:-1], "the shape of y_pred")
    curvature = loss.penalty.curvature(loss.residuals)
    return loss.pull_back(curvature * loss.stencil.forward(v), upstream)


def image_gradients(
    images: ArrayLike, *, stencil: str = "sobel", border: str = "reflect", scale: str = "raw"
) -> Array:
    """(S_y x, S_x x): downwards and rightwards differences are positive.

    Args:
        images: x, [B, H, W, C], any real dtype; computed in float64.
        stencil: A key of `STENCILS`.
        border: A key of `BORDERS`.
        scale: One of `SCALES`.

    Returns:
        [B, H, W, C, 2] float64, (dy, dx) on the last axis.

    Raises:
        ValueError: An unknown option, a rank other than 4, or too small a size.
    """
    operator = _Stencil(stencil, border, scale)
    return operator.forward(operator.images("images", images))


def image_gradients_adjoint(
    upstream: ArrayLike, *, stencil: str = "sobel", border: str = "reflect", scale: str = "raw"
) -> Array:
    """S_y^T u_y + S_x^T u_x, so that <S x, u> = <x, S^T u> for every x and u.

    Args:
        upstream: u, [B, H, W, C, 2], (dy, dx) on the last axis.
        stencil: A key of `STENCILS`.
        border: A key of `BORDERS`.
        scale: One of `SCALES`.

    Returns:
        [B, H, W, C] float64.

    Raises:
        ValueError: An unknown option, another shape, or too small a size.
    """
    operator = _Stencil(stencil, border, scale)
    u = np.asarray(upstream, dtype=np.float64)
    if u.ndim != 5 or u.shape[-1] != 2:
        raise ValueError(f"upstream: expected shape [B, H, W, C, 2], got shape {u.shape}")
    operator.images("upstream", u[..., 0])
    return operator.adjoint(u)


def sobel_edges(images: ArrayLike) -> Array:
    """`image_gradients` with the raw sobel stencil and the reflect border (tf.image.sobel_edges).

    Args:
        images: [B, H, W, C], any real dtype.

    Returns:
        [B, H, W, C, 2] float64, (dy, dx) on the last axis.

    Raises:
        ValueError: A rank other than 4, or H or W below 2.
    """
    return image_gradients(images, stencil="sobel", border="reflect", scale="raw")
