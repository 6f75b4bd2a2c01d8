"""What the tests of the presets share: cases of parity, options, and how errors are measured.

A module of references (tests/preset_references_*.py) has a dict PRESETS of Case by preset;
build_support/preset_parity.py prints the table of all of them.
"""

import importlib
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from gradops import presets

#: Targets, predictions and options of a preset, in float64.
Inputs = tuple[np.ndarray, np.ndarray, dict[str, Any]]


class Case(NamedTuple):
    """A preset beside its definition."""

    preset: Callable[..., tf.Tensor]  # (y_true, y_pred, **options) -> [B]
    reference: Callable[..., tf.Tensor]  # the same of float64 tensors, by plain TensorFlow
    source: str  # paper or repository
    how: str  # "fused", "partly fused" or "composed" (of fused derivatives)
    inputs: Callable[[np.random.Generator, bool], Iterator[Inputs]]  # a few of them, or all
    steepness: float = 1.0  # by how much a slope may magnify the rounding of its argument


class Errors(NamedTuple):
    """Largest differences, relative to the largest entry of what is right."""

    loss: float
    gradient: float


def takes_mask(function):
    return "mask" in inspect.signature(function).parameters


# Options of each preset with which its modes and its Keras loss are tested; the last are others
# than the defaults.
OPTIONS = {
    "dense_depth_edges": [{}],
    "midas_gradient_matching": [{}, {"normalizer": "batch", "align": True, "scales": 2}],
    "megadepth_gradient_matching": [{"scales": 4}, {"normalizer": "batch", "scales": 2}],
    "hu_loss": [{}, {"depth_weight": 0, "epsilon": 0.2}],
    "zoedepth_grad_l1": [{}, {"direction": "none"}, {"direction": "stable"}],
    "edge_aware_smoothness": [{}, {"normalize": True}],
    "total_variation": [{}, {"total": "sum"}],
    "gradient_difference": [{}, {"alpha": 2, "normalizer": "sum"}, {"normalizer": "axes"}],
    "spsr_gradient": [{}, {"padding": 2, "penalty": "l1"}],
    "pixel_and_gradient": [{}, {"stencil": "scharr", "penalty": "huber", "scales": 2}],
    "mean_magnitude": [{}],
    "mprnet_edge": [{}],
    "gradient_variance": [{}, {"patch_size": 4}],
    "gmsd": [{}, {"value_range": 2.0}],
    "ms_gmsd": [{}, {"scale_weights": [1.0, 2.0], "masking": 0.25}],
    "confidence_weighted": [{}, {"normalizer": "batch", "alpha": 0.5, "delta": 0.3, "scales": 2}],
    "multiscale_derivative": [{"scales": 3}, {"error": "male", "scales": 1, "scale": "unit"}],
    "voxelmorph_grad": [{}, {"penalty": "l2", "loss_mult": 2.0}],
    "matting_gradient_error": [{}, {"sigma": 1.0}],
}
LOSSES = {
    cls().name: cls
    for cls in presets.PresetLoss.__subclasses__()
    if cls.__module__.startswith("gradops.presets.")
}
#: Of the prediction alone. Their Keras losses take no mask, which would be that of the target.
OF_PREDICTIONS = ("total_variation", "voxelmorph_grad")
TAKE_MASK = [
    name for name in OPTIONS if takes_mask(LOSSES[name].function) and name not in OF_PREDICTIONS
]
# Losses of the prediction alone, whose functions have no argument y_true.
STEEPNESS = {
    "hu_loss": 10.0,
    **dict.fromkeys(["mprnet_edge", "gmsd", "ms_gmsd", "matting_gradient_error"], 16.0),
}


def function_of(name):
    """The preset as a function of a target and a prediction."""
    preset = getattr(presets, name)
    if name in OF_PREDICTIONS:
        return lambda y_true, y_pred, **options: preset(y_pred, **options)
    if name == "confidence_weighted":
        return lambda y_true, y_pred, **options: preset(
            y_true, y_pred, confidence_beside(y_pred, options), **options
        )
    return preset


def confidence_beside(y_pred, options):
    """A map of the size of the images: 1.5 + sin(row + 2 column) / 2."""
    if not hasattr(y_pred, "shape"):
        return y_pred
    channels = -3 if options.get("data_format") == "channels_first" else -1
    columns, rows = [-1, -2] if channels == -3 else [-2, -3]
    ones = tf.reduce_max(tf.cast(tf.ones_like(y_pred), "float64"), axis=channels, keepdims=True)
    phase = 2 * tf.cumsum(ones, axis=columns)
    if ones.shape.rank is None or ones.shape.rank >= -rows:
        phase += tf.cumsum(ones, axis=rows)
    return 1.5 + tf.sin(phase) / 2


def all_cases():
    """The cases of all modules of references, by the name of the preset."""
    names = ("confidence", "depth", "derivatives", "matting", "restoration", "smoothness")
    modules = (importlib.import_module(f"preset_references_{name}") for name in names)
    return {name: case for module in modules for name, case in module.PRESETS.items()}


def combined(every, *axes):
    """All combinations, or as few as meet each value of each axis."""
    if every:
        return itertools.product(*axes)
    longest = max(map(len, axes))
    return zip(*(itertools.islice(itertools.cycle(axis), longest) for axis in axes), strict=True)


def tolerance(size, dtype="float32", steepness=1.0):
    """The error of a sum of so many rounded terms, which add up as a random walk does."""
    return 2 * size**0.5 * np.finfo(dtype).eps * steepness


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
    found = [errors(case, each, dtype) for each in case.inputs(np.random.default_rng(seed), True)]
    return Errors(*(float(np.max(column)) for column in zip(*found, strict=True)))  # NaN stays


def assert_parity(case: Case, inputs: Inputs, dtype: str) -> None:
    """The preset is its reference but for the rounding of the dtype."""
    found, size = errors(case, inputs, dtype), inputs[1].size
    assert found.loss <= tolerance(size, dtype), (found, inputs[2])
    assert found.gradient <= tolerance(size, dtype, case.steepness), (found, inputs[2])


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
