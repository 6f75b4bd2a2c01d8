"""The loss of several terms: loss_b = sum_s w_s L_b(level s) + w_p mean |y_pred - y_true|.

Level 0 is the images. Level s + 1 is every second row and column of level s ("stride") or the means
of 2 x 2 pixels ("average"), in the type that is computed in. The CPU kernels find all terms in one
pass; elsewhere, each is a loss of its own.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gradops import _backend
from gradops._inputs import checks
from gradops._inputs.checks import Options
from gradops._inputs.levels import coarser, minimum_size
from gradops._inputs.same_shape import check_size
from gradops._inputs.tensors import AXES, Inputs, is_absent, loss_dtype

_MAX_LEVELS = 16  # Levels::kMax of csrc/family/levels.h


class Scales(NamedTuple):
    """The weight of each level, how each is made from the one before, and that of the pixels."""

    weights: tuple[float, ...]
    downsample: str
    pixel_weight: float = 0.0

    def is_single_term(self) -> bool:
        """Whether the loss is that of level 0 alone, with weight 1."""
        return self.weights == (1.0,) and not self.pixel_weight

    def attributes(self) -> dict[str, str]:
        """The attributes of the ops."""
        return {
            "scale_weights": ",".join(map(repr, self.weights)),
            "downsample": self.downsample,
            "pixel_weight": repr(self.pixel_weight),
        }


def check(scales: int, downsample: str, scale_weights: Sequence[float] | None) -> Scales:
    """Checks the options by name; raises ValueError."""
    is_integer = isinstance(scales, numbers.Integral) and not isinstance(scales, bool)
    if not is_integer or not 1 <= scales <= _MAX_LEVELS:
        raise ValueError(f"scales must be an integer from 1 to {_MAX_LEVELS}, got {scales!r}")
    checks.options(downsample=downsample)
    if scale_weights is None:
        return Scales((1.0,) * scales, downsample)
    is_array = isinstance(scale_weights, np.ndarray) and scale_weights.ndim == 1
    is_sequence = is_array or isinstance(scale_weights, Sequence)
    found = [checks.as_finite(weight) for weight in scale_weights] if is_sequence else []
    if len(found) != scales or any(weight is None or weight < 0 for weight in found):
        raise ValueError(
            f"scale_weights must be {scales} finite numbers of at least 0, one for each of the "
            f"scales, got {scale_weights!r}"
        )
    return Scales(tuple(weight for weight in found if weight is not None), downsample)


def loss(
    inputs: Inputs,
    options: Options,
    scales: Scales,
    upstream: str | None = "mean",
    factor: float = 1.0,
) -> tf.Tensor:
    """Per-example losses; see loss of _fused/ops.py for upstream and factor."""
    ops = _backend.ops()
    if scales.is_single_term():
        return ops.loss(inputs, options, upstream, factor)
    # With pixels alone the kernels are slow.
    if _backend.takes_scales() and any(scales.weights):
        return ops.loss(inputs, {**options, **scales.attributes()}, upstream, factor)
    _check_size(inputs.y_pred, options, scales)
    if not any(scales.weights) and not scales.pixel_weight:
        inputs = _hidden(inputs)
    terms = []
    if scales.pixel_weight:
        terms.append(scales.pixel_weight * _backend.composition().pixel_loss(inputs, options))
    for weight, level in _levels(inputs, options, scales):
        if weight == 0 and (terms or any(scales.weights)):
            continue  # left out and not multiplied, whatever it holds
        term = ops.loss(level, options, upstream, factor * weight)
        terms.append(term if weight == 1 else weight * term)
    return tf.add_n(terms)


def value_and_gradient(
    inputs: Inputs, reduction: str, options: Options, scales: Scales
) -> tuple[tf.Tensor, tf.Tensor]:
    """Per-example losses, and the gradient by y_pred of their mean or sum ("none": sum)."""
    if scales.is_single_term():
        return _backend.ops().value_and_gradient(inputs, reduction, options)
    if _backend.takes_scales():
        given = {**options, **scales.attributes()}
        return _backend.ops().value_and_gradient(inputs, reduction, given)
    reduce = tf.reduce_mean if reduction == "mean" else tf.reduce_sum
    with tf.GradientTape() as tape:
        tape.watch(inputs.y_pred)
        losses = loss(inputs, options, scales, "mean" if reduction == "mean" else "sum")
        total = reduce(losses)
    return losses, tape.gradient(total, inputs.y_pred)


def _hidden(inputs: Inputs) -> Inputs:
    """Zeros in place of the images, whatever they hold, of which the gradients are zeros."""

    def hide(x: tf.Tensor) -> tf.Tensor:
        return x if is_absent(x) else tf.where(False, x, tf.zeros([], x.dtype))

    return inputs._replace(y_true=hide(inputs.y_true), y_pred=hide(inputs.y_pred))


def _levels(inputs: Inputs, options: Options, scales: Scales) -> Iterator[tuple[float, Inputs]]:
    axes = AXES[options["data_format"]][:2]
    dtype = loss_dtype(inputs.y_pred.dtype)
    for level, weight in enumerate(scales.weights):
        if level > 0:
            y_true, y_pred, weights, mask = inputs

            def half(x: tf.Tensor) -> tf.Tensor:
                x = tf.cast(x, dtype)
                return x if is_absent(x) else coarser(x, axes, scales.downsample)

            if not is_absent(mask):
                mask = coarser(mask, axes, scales.downsample)
            inputs = Inputs(half(y_true), half(y_pred), half(weights), mask)
        yield weight, inputs


def _check_size(y_pred: tf.Tensor, options: Options, scales: Scales) -> None:
    """Raises if the coarsest level is known to be too small. Its op's error would not say so."""
    of_level = _backend.composition().minimum_size(options)
    least = minimum_size(of_level, len(scales.weights), scales.downsample)
    message = (
        f"y_pred is too small for scales={len(scales.weights)} with downsample "
        f"{scales.downsample!r}: border {options['border']!r} with stencil {options['stencil']!r} "
        f"needs height and width of at least {least}"
    )
    check_size(y_pred, AXES[options["data_format"]][:2], least, message)
