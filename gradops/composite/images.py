"""The gradients of images."""

from __future__ import annotations

import tensorflow as tf

from gradops.composite import checks, responses, support
from gradops.composite.stencils import sobel_edges as sobel_edges_of


def image_gradients(
    images,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """(S_y x, S_x x): downwards and rightwards differences are positive.

    Args:
        images: x, [B, H, W, C] or [B, C, H, W], float16, bfloat16, float32 or float64.
        stencil: One of `STENCILS`.
        border: One of `BORDERS`; with "valid", 0 where the stencil leaves the image.
        scale: One of `SCALES`.
        data_format: One of `DATA_FORMATS`, or None for `keras.config.image_data_format()`.
        name: Name scope of the ops.

    Returns:
        The shape of images + [2], (dy, dx) on the last axis, in the dtype of images.

    Raises:
        ValueError: An unknown option or another dtype; in a graph a rank other than 4, or too small
            a size.
        tf.errors.InvalidArgumentError: Such a rank or size in eager mode, or when the graph runs.
    """
    operator = checks.check_stencil(stencil, border, scale, data_format)
    with tf.name_scope(name or "image_gradients"):
        images = checks.check_images("images", images, operator)
        x = tf.cast(images, checks.compute_dtype(images.dtype))
        if operator.is_sobel_edges() and images.shape.num_elements() != 0:
            return tf.cast(sobel_edges_of(x), images.dtype)
        flags = support.counted(operator, False, None, tf.shape(x))
        kept = [support.keep(*pair) for pair in zip(flags, operator.gradients(x), strict=True)]
        return tf.cast(tf.stack(kept, axis=-1), images.dtype)


def gradient_magnitude(
    images,
    *,
    stencil: str = "sobel",
    border: str = "reflect",
    scale: str = "raw",
    response_epsilon: float | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """sqrt((S_y x)^2 + (S_x x)^2 + response_epsilon), with derivatives 0 where it is 0.

    Args:
        images: x, [B, H, W, C] or [B, C, H, W], float16, bfloat16, float32 or float64.
        stencil: One of `STENCILS`.
        border: One of `BORDERS`; with "valid", 0 where the stencil leaves the image.
        scale: One of `SCALES`.
        response_epsilon: Default 0, >= 0.
        data_format: One of `DATA_FORMATS`, or None for `keras.config.image_data_format()`.
        name: Name scope of the ops.

    Returns:
        The shape and dtype of images.

    Raises:
        ValueError: As `image_gradients`, or another response_epsilon.
    """
    operator = checks.check_stencil(stencil, border, scale, data_format)
    given = {"response_epsilon": response_epsilon}
    defaults = {"response_epsilon": 0.0}
    epsilon = checks.check_parameters("gradient_magnitude", defaults, given)["response_epsilon"]
    with tf.name_scope(name or "gradient_magnitude"):
        images = checks.check_images("images", images, operator)
        x = tf.cast(images, checks.compute_dtype(images.dtype))
        kept, _ = support.counted(operator, True, None, tf.shape(x))
        gy, gx = (support.keep(kept, g) for g in operator.gradients(x))
        return tf.cast(support.keep(kept, responses.magnitude((gy, gx), epsilon)), images.dtype)


def sobel_edges(images) -> tf.Tensor:
    """tf.image.sobel_edges: (dy, dx) of the raw sobel stencil with the reflect border.

    Args:
        images: [B, H, W, C], float16, bfloat16, float32 or float64.

    Returns:
        [B, H, W, C, 2], (dy, dx) on the last axis, in the dtype of images.

    Raises:
        ValueError: As `image_gradients`.
    """
    return image_gradients(images, data_format="channels_last", name="sobel_edges")
