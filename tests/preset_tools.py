"""What the tests of the presets share: cases of parity, their inputs, and how errors are measured.

A module of references (tests/preset_references_*.py) has a dict PRESETS of Case by preset;
build_support/preset_parity.py prints the table of all of them.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

#: Targets, predictions and options of a preset, in float64.
Inputs = tuple[np.ndarray, np.ndarray, dict[str, Any]]


class Case(NamedTuple):
    """A preset beside its definition."""

    preset: Callable[..., tf.Tensor]  # (y_true, y_pred, **options) -> [B]
    reference: Callable[..., tf.Tensor]  # the same of float64 tensors, by plain TensorFlow
    source: str  # paper or repository
    how: str  # "fused", "partly fused" or "composed" (of fused derivatives)
    inputs: Callable[[np.random.Generator], Iterator[Inputs]]  # random and awkward ones


class Errors(NamedTuple):
    """Largest differences, relative to the largest entry of what is right."""

    loss: float
    gradient: float


def value_and_gradient(function, y_true, y_pred, upstream, options):
    """Losses [B], and the gradient by y_pred of their sum weighted with upstream."""
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = function(y_true, y_pred, **options)
        total = tf.reduce_sum(losses * tf.cast(upstream, losses.dtype))
    return losses.numpy(), tape.gradient(total, y_pred).numpy()


def errors(case: Case, inputs: Inputs, dtype: str) -> Errors:
    """How far the preset is from its reference, which sees the same numbers in float64."""
    *images, options = inputs
    images = [tf.constant(image, dtype) for image in images]
    upstream = np.linspace(0.5, 1.5, images[1].shape[0])
    ours = value_and_gradient(case.preset, *images, upstream, options)
    wide = [tf.cast(image, "float64") for image in images]
    theirs = value_and_gradient(case.reference, *wide, upstream, options)
    return Errors(*(relative(*both) for both in zip(ours, theirs, strict=True)))


def relative(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference by the largest entry of expected; NaN where either is not finite."""
    assert actual.shape == expected.shape
    scale = np.abs(expected).max()
    return float(np.abs(actual.astype("float64") - expected).max() / (scale or 1.0))


def worst(case: Case, dtype: str, seed: int = 20240607) -> Errors:
    """The largest errors of all inputs of a case."""
    found = [errors(case, each, dtype) for each in case.inputs(np.random.default_rng(seed))]
    return Errors(*(float(np.max(column)) for column in zip(*found, strict=True)))  # NaN stays


def moved(array):
    """[B, H, W, C] as [B, C, H, W]."""
    return tf.transpose(array, [0, 3, 1, 2])


def step(function, options):
    """A function of both images: the losses, and the gradients of their sum by both images."""

    def run(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch([y_true, y_pred])
            losses = function(y_true, y_pred, **options)
        return losses, *tape.gradient(losses, [y_true, y_pred])

    return run


def assert_near(actual, expected, tolerance):
    """Differences are at most the tolerance times the largest entry."""
    for one, other in zip(actual, expected, strict=True):
        assert (one is None) == (other is None)
        if other is not None:
            assert one.dtype == other.dtype and one.shape == other.shape
            one, other = (np.asarray(x).astype("float64") for x in (one, other))
            assert np.isfinite(other).all()
            assert relative(one, other) <= tolerance


def assert_same_in_every_mode(function, y_true, y_pred, options, tolerance=1e-6):
    """Eager, in a graph that knows no sizes but the channels, and under XLA."""
    images = [tf.constant(x, "float32") for x in (y_true, y_pred)]
    run = step(function, options)
    eager = run(*images)
    specs = [tf.TensorSpec([None, None, None, x.shape[3]], x.dtype) for x in images]
    assert_near(tf.function(run, input_signature=specs)(*images), eager, tolerance)
    assert_near(tf.function(run, jit_compile=True)(*images), eager, tolerance)
    compiled = tf.function(run, input_signature=specs, jit_compile=True)
    assert_near(compiled(*images), eager, tolerance)


def assert_same_in_channels_first(function, y_true, y_pred, options):
    """The data format changes nothing but where the channels are."""
    images = [tf.constant(x, "float64") for x in (y_true, y_pred)]
    expected = step(function, {**options, "data_format": "channels_last"})(*images)
    options = {**options, "data_format": "channels_first"}
    if options.get("mask") is not None:
        options["mask"] = moved(options["mask"])
    losses, *by_images = step(function, options)(*map(moved, images))
    back = [None if x is None else tf.transpose(x, [0, 2, 3, 1]) for x in by_images]
    assert_near([losses, *back], expected, 1e-12)


def assert_narrow_is_computed_in_float32(function, y_true, y_pred, options, dtype):
    """Images of 16 bits: the losses of the same numbers in float32, and rounded gradients."""
    images = [tf.cast(tf.constant(x), dtype) for x in (y_true, y_pred)]
    losses, *by_images = step(function, options)(*images)
    wide = step(function, options)(*(tf.cast(x, "float32") for x in images))
    assert losses.dtype == tf.float32
    assert_near([losses], wide[:1], 1e-6)
    for gradient, expected in zip(by_images, wide[1:], strict=True):
        assert gradient is None or gradient.dtype == dtype
        if gradient is not None:
            error = {"float16": 2e-3, "bfloat16": 1e-2}[dtype]
            assert_near([tf.cast(gradient, "float32")], [expected], error)
