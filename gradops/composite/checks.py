"""Arguments, checked: an error names the argument, what it got and what it needs.

Shapes and weights that are wrong are an InvalidArgumentError in eager mode and a ValueError in a
graph, in the words of the fused ops; what a graph learns when it runs, an InvalidArgumentError.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping

import tensorflow as tf

from gradops._inputs import after, check_shapes, shape_error, shape_text, size_text
from gradops._refusal import WEIGHTS_MESSAGE, refused
from gradops._same_shape import agreed, same_shape
from gradops.composite.stencils import BORDERS, SCALES, STENCILS, Stencil

DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
# Data format -> the axes of height, width and channels.
DATA_FORMATS = {"channels_last": (1, 2, 3), "channels_first": (2, 3, 1)}
# Parameter -> the smallest value it may have, and whether it may be that value itself.
_LEAST = {
    "epsilon": (0.0, False),
    "delta": (0.0, False),
    "alpha": (1.0, True),
    "response_epsilon": (0.0, True),
}

# Dtype of weights -> the range of an example's largest one, if that is not 0: WeightRange of
# csrc/core/counts.h.
_WEIGHT_RANGES = {tf.float32: (1e-30, 1e19), tf.float64: (1e-290, 1e150)}


def check_option(argument: str, value: object, allowed: Iterable[str]) -> None:
    """Raises ValueError unless the value is allowed."""
    names = tuple(allowed)
    if value not in names:
        raise ValueError(
            f"{argument}: got {value!r}, expected one of {', '.join(map(repr, names))}"
        )


def check_stencil(stencil: str, border: str, scale: str, data_format: str | None) -> Stencil:
    """The stencil that these options ask for."""
    check_option("stencil", stencil, STENCILS)
    check_option("border", border, BORDERS)
    check_option("scale", scale, SCALES)
    if data_format is None:
        data_format = tf.keras.backend.image_data_format()
    check_option("data_format", data_format, DATA_FORMATS)
    return Stencil(stencil, border, scale, *DATA_FORMATS[data_format])


def check_parameters(
    owner: str, defaults: Mapping[str, float], given: Mapping[str, object]
) -> dict[str, float]:
    """The owner's parameters: the given value, or the default for None."""
    for argument, value in given.items():
        if value is None:
            continue
        if argument not in defaults:
            raise ValueError(f"{argument} is not a parameter of {owner}, got {value!r}")
        least, included = _LEAST[argument]
        if not (
            isinstance(value, numbers.Real)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and (float(value) > least or (included and float(value) == least))
        ):
            relation = ">=" if included else ">"
            raise ValueError(
                f"{argument}: got {value!r}, expected a finite number {relation} {least:g}"
            )
    return {
        argument: default if given[argument] is None else float(given[argument])  # type: ignore
        for argument, default in defaults.items()
    }


def compute_dtype(dtype: tf.DType) -> tf.DType:
    """What images of this dtype are computed in."""
    return tf.float64 if dtype == tf.float64 else tf.float32


def check_images(argument: str, images, stencil: Stencil) -> tf.Tensor:
    """The images as a tensor of rank 4, in their own dtype."""
    check_shapes()
    images = tf.convert_to_tensor(images)
    if images.dtype not in DTYPES:
        raise ValueError(
            f"{argument}: got {images.dtype.name}, expected float16, bfloat16, float32 or float64"
        )
    images = _with_rank_4(argument, images, stencil.channel_axis)
    least = stencil.minimum_size()
    message = (
        f"{argument} is too small: border {stencil.border!r} with stencil {stencil.name!r} needs "
        f"height and width of at least {least}, got"
    )
    axes = [stencil.height_axis, stencil.width_axis]
    height, width = (images.shape[axis] for axis in axes)
    if any(size is not None and size < least for size in (height, width)):
        raise shape_error(f"{message} height {size_text(height)} and width {size_text(width)}")
    if None not in (height, width):
        return images
    sizes = tf.gather(tf.shape(images), axes)
    return after(tf.debugging.Assert(tf.reduce_all(sizes >= least), [message, sizes]), images)


def check_target(y_true, y_pred: tf.Tensor, channel_axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Both in the dtype of y_pred, of one shape: checked now if that is known, or in the graph."""
    message = "y_true and y_pred must have the same shape"
    y_true = _with_rank_4("y_true", tf.cast(y_true, y_pred.dtype), channel_axis)
    y_true = same_shape(y_true, y_pred, message)
    if y_pred.shape.is_fully_defined():  # ensure_shape has no forward mode
        return y_true, y_pred
    return y_true, tf.ensure_shape(y_pred, y_true.shape)


def check_mask(mask, images: tf.Tensor, channel_axis: int) -> tf.Tensor | None:
    """The mask as a bool tensor of rank 4."""
    if mask is None:
        return None
    mask = tf.convert_to_tensor(mask)
    if mask.dtype != tf.bool:
        raise ValueError(f"mask: got {mask.dtype.name}, expected bool")
    return _check_per_pixel("mask", mask, images, channel_axis)


def check_weights(weights, images: tf.Tensor, channel_axis: int) -> tf.Tensor | None:
    """The weights in the dtype that the images are computed in; their gradient raises."""
    if weights is None:
        return None
    weights = tf.convert_to_tensor(weights)
    if not (weights.dtype.is_floating or weights.dtype.is_integer or weights.dtype.is_bool):
        raise ValueError(
            f"weights: got {weights.dtype.name}, expected a floating, integer or bool dtype"
        )
    weights = tf.cast(weights, compute_dtype(images.dtype))
    weights = _check_per_pixel("weights", weights, images, channel_axis)
    return _not_differentiable(_in_range(_non_negative(weights)))


@tf.custom_gradient
def _not_differentiable(weights):
    graph = _current_graph()

    def gradient(upstream):
        # TensorFlow builds the backward function of a tf.function, in a graph of its own, for all
        # arguments, asked for or not: that must not fail. What it computes is right.
        if graph is not _current_graph():
            return upstream
        return refused(weights, upstream, WEIGHTS_MESSAGE)

    return tf.identity(weights), gradient


def _current_graph() -> tf.Graph | None:
    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


def _non_negative(weights: tf.Tensor) -> tf.Tensor:
    message = "weights must be non-negative, got a negative number or NaN"
    good = tf.reduce_all(weights >= 0)  # NaN is not.
    if tf.executing_eagerly() and not good:
        raise tf.errors.InvalidArgumentError(None, None, message)
    return after(tf.debugging.Assert(good, [message]), weights)


def _in_range(weights: tf.Tensor) -> tf.Tensor:
    """Weights of which each example's largest is 0 or in `_WEIGHT_RANGES`.

    Bits are compared rather than numbers: the processor takes subnormal numbers for 0.
    """
    least, most = _WEIGHT_RANGES[weights.dtype]
    integer = tf.int64 if weights.dtype == tf.float64 else tf.int32
    largest = tf.reduce_max(tf.bitcast(weights, integer), axis=[1, 2, 3])
    ends = [tf.bitcast(tf.constant(end, weights.dtype), integer) for end in (least, most)]
    fits = (largest <= 0) | ((largest >= ends[0]) & (largest <= ends[1]))
    largest = tf.bitcast(largest, weights.dtype)
    message = (
        f"weights must have a largest value of 0 or from {least:g} to {most:g} in each example, got"
    )
    good = tf.reduce_all(fits)
    if tf.executing_eagerly() and not good:
        found = tf.boolean_mask(largest, ~fits)[0].numpy()
        raise tf.errors.InvalidArgumentError(None, None, f"{message} {found:g}")
    return after(tf.debugging.Assert(good, [message, largest]), weights)


def _check_per_pixel(
    argument: str, values: tf.Tensor, images: tf.Tensor, channel_axis: int
) -> tf.Tensor:
    """The values, of the shape of the images or with one channel."""
    values = _with_rank_4(argument, values, channel_axis)
    one_channel = [1 if axis == channel_axis else size for axis, size in enumerate(images.shape)]
    allowed = " or ".join(dict.fromkeys([shape_text(one_channel), shape_text(images.shape)]))
    message = f"{argument} must have shape {allowed}, got"
    known = True
    for axis, (size, wanted) in enumerate(zip(values.shape, images.shape, strict=True)):
        if size is None or (wanted is None and not (axis == channel_axis and size == 1)):
            known = False
        elif size != wanted and not (axis == channel_axis and size == 1):
            raise shape_error(f"{message} {shape_text(values.shape)}")
    if known:
        return values
    shape, wanted = tf.shape(values), tf.shape(images)
    may_be_one = tf.constant([axis == channel_axis for axis in range(4)])
    good = tf.reduce_all(tf.equal(shape, wanted) | (may_be_one & tf.equal(shape, 1)))
    check = tf.debugging.Assert(good, [message, shape, "for images", wanted])
    shape, wanted = after(check, shape), after(check, wanted)
    sizes = [agreed(shape[axis], wanted[axis]) for axis in range(4) if axis != channel_axis]
    channels = shape[channel_axis]
    of_images = tf.where(tf.equal(channels, 1), channels, wanted[channel_axis])
    sizes.insert(channel_axis, agreed(channels, of_images))
    return tf.ensure_shape(tf.reshape(values, sizes), values.shape)


def _with_rank_4(argument: str, values: tf.Tensor, channel_axis: int) -> tf.Tensor:
    layout = "[B, C, H, W]" if channel_axis == 1 else "[B, H, W, C]"
    message = f"{argument} must have rank 4 {layout}, got shape"
    if values.shape.rank is None:
        shape = tf.shape(values)
        values = after(tf.debugging.Assert(tf.equal(tf.size(shape), 4), [message, shape]), values)
        return tf.ensure_shape(values, [None] * 4)
    if values.shape.rank != 4:
        raise shape_error(f"{message} {shape_text(values.shape)}")
    return values
