"""(gy, gx) = (S_y x, S_x x) and m = sqrt(gx^2 + gy^2 + e): functions of one image.

NaN and Inf are allowed and follow plain arithmetic without warnings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gradops.reference import arguments
from gradops.reference.arguments import Array
from gradops.reference.responses import magnitude, magnitude_slope, response_parameter
from gradops.reference.stencils import Operator
from gradops.reference.support import counted, jointly


@np.errstate(all="ignore")
def image_gradients(
    images: ArrayLike,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str = "channels_last",
) -> Array:
    """(S_y x, S_x x): downwards and rightwards differences are positive.

    Args:
        images: x, [B, H, W, C] or [B, C, H, W], any real dtype; computed in float64.
        stencil: A key of `STENCILS`.
        border: A key of `BORDERS`; with "valid" 0 where a tap leaves the image.
        scale: One of `SCALES`.
        data_format: One of `DATA_FORMATS`.

    Returns:
        The shape of the images and an axis (dy, dx) after it, float64.

    Raises:
        ValueError: An unknown option, a rank other than 4, or too small a size.
    """
    operator = Operator(stencil, border, scale)
    x = arguments.images("images", images, border, operator.minimum_size, data_format)
    return arguments.from_last(operator.gradients(x), data_format)


@np.errstate(all="ignore")
def image_gradients_adjoint(
    upstream: ArrayLike,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str = "channels_last",
) -> Array:
    """S_y^T u_y + S_x^T u_x, so that <S x, u> = <x, S^T u> for every x and u.

    Args:
        upstream: u, the shape of images and an axis (dy, dx) after it.
        stencil: A key of `STENCILS`.
        border: A key of `BORDERS`.
        scale: One of `SCALES`.
        data_format: One of `DATA_FORMATS`.

    Returns:
        The shape of the images, float64.

    Raises:
        ValueError: An unknown option, another shape, or too small a size.
    """
    operator = Operator(stencil, border, scale)
    u = arguments.images("upstream", upstream, border, operator.minimum_size, data_format, True)
    return arguments.from_last(operator.adjoint(u), data_format)


@np.errstate(all="ignore")
def gradient_magnitude(
    images: ArrayLike,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    response_epsilon: float | None = None,
    data_format: str = "channels_last",
) -> Array:
    """The magnitude m = sqrt(gx^2 + gy^2 + response_epsilon) of the image gradients.

    Args:
        images: x, [B, H, W, C] or [B, C, H, W], any real dtype; computed in float64.
        stencil: A key of `STENCILS`.
        border: A key of `BORDERS`; with "valid" 0 where a tap of gx or gy leaves the image.
        scale: One of `SCALES`.
        response_epsilon: Finite and not negative; None means 0.
        data_format: One of `DATA_FORMATS`.

    Returns:
        The shape of the images, float64.

    Raises:
        ValueError: As `image_gradients`, or a bad response_epsilon.
    """
    operator = Operator(stencil, border, scale)
    epsilon = response_parameter("magnitude", response_epsilon)
    x = arguments.images("images", images, border, operator.minimum_size, data_format)
    inside = jointly(counted(stencil, border, x.shape, None))
    result = np.where(inside, magnitude(operator.gradients(x), epsilon), 0.0)[..., 0]
    return arguments.from_last(result, data_format)


@np.errstate(all="ignore")
def gradient_magnitude_gradient(
    images: ArrayLike,
    upstream: ArrayLike,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    response_epsilon: float | None = None,
    data_format: str = "channels_last",
) -> Array:
    """S^T (upstream * g / m): the derivative of <upstream, m>, with dm/dg = 0 where m = 0.

    Args:
        images: As `gradient_magnitude`.
        upstream: The shape of the images.
        stencil: A key of `STENCILS`.
        border: A key of `BORDERS`.
        scale: One of `SCALES`.
        response_epsilon: As `gradient_magnitude`.
        data_format: One of `DATA_FORMATS`.

    Returns:
        The shape of the images, float64.

    Raises:
        ValueError: As `gradient_magnitude`, or an upstream of another shape.
    """
    operator = Operator(stencil, border, scale)
    epsilon = response_parameter("magnitude", response_epsilon)
    x = arguments.images("images", images, border, operator.minimum_size, data_format)
    u = arguments.with_shape("upstream", upstream, np.shape(images), "the shape of images")
    u = arguments.to_last(u, data_format)[..., None]
    inside = jointly(counted(stencil, border, x.shape, None))
    values = np.where(inside, u * magnitude_slope(operator.gradients(x), epsilon), 0.0)
    return arguments.from_last(operator.adjoint(values), data_format)


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
