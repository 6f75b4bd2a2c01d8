"""What holds for every preset: modes, data formats, dtypes, masks, flat and equal images."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from op_tools import ops_of
from preset_tools import (
    OF_PREDICTIONS,
    OPTIONS,
    STEEPNESS,
    TAKE_MASK,
    assert_near,
    function_of,
    moved,
    step,
    tolerance,
)

from gradops import _backend

# gmsd's, for the images here; it has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:value_range must be")

SHAPE = (2, 19, 22, 3)
each_preset = pytest.mark.parametrize("name", OPTIONS)
each_masked = pytest.mark.parametrize("name", TAKE_MASK)
# In a graph that knows no sizes but the channels, compiled by XLA, and both.
MODES = ["unknown", "xla", "xla unknown"]
# Each preset in one of the modes; all of them in the extended suite.
MODE_CASES = [
    pytest.param(
        name,
        options,
        mode,
        marks=[] if options is OPTIONS[name][-1] and i % len(MODES) == j else pytest.mark.extended,
    )
    for i, name in enumerate(OPTIONS)
    for options in OPTIONS[name]
    for j, mode in enumerate(MODES)
]


def images(rng, dtype="float64"):
    """Values are above 0 and magnitudes differ, so that the difference of their means is large."""
    target, prediction = np.exp(0.5 * rng.standard_normal((2, *SHAPE)))
    return tf.constant(target, dtype), tf.constant(2 * prediction, dtype)


def with_mask(rng, name, options, channels=1):
    if name not in TAKE_MASK:
        return options
    return {**options, "mask": tf.constant(rng.random((*SHAPE[:3], channels)) < 0.9)}


@pytest.mark.parametrize(("name", "options", "mode"), MODE_CASES, ids=str)
def test_modes(rng, name, options, mode):
    run = step(function_of(name), with_mask(rng, name, options))
    pair = images(rng, "float32")
    specs = [tf.TensorSpec([None, None, None, SHAPE[3]])] * 2 if "unknown" in mode else None
    function = tf.function(run, specs, jit_compile=mode != "unknown")
    allowed = tolerance(np.prod(SHAPE), "float32", STEEPNESS.get(name, 1))
    assert_near(function(*pair), run(*pair), allowed)


def each_options(rng, name, *channels):
    """With masks of so many channels where the preset takes one."""
    for options in OPTIONS[name]:
        for count in channels if name in TAKE_MASK else channels[:1]:
            yield with_mask(rng, name, options, count)


@each_preset
def test_channels_first(rng, name):
    function, pair = function_of(name), images(rng)
    for options in each_options(rng, name, 1, SHAPE[3]):
        expected = step(function, {**options, "data_format": "channels_last"})(*pair)
        options_first = {**options, "data_format": "channels_first"}
        if "mask" in options:
            options_first["mask"] = moved(options["mask"])
        losses, *by_images = step(function, options_first)(*map(moved, pair))
        back = [None if x is None else tf.transpose(x, [0, 2, 3, 1]) for x in by_images]
        allowed = tolerance(np.prod(SHAPE), "float64", STEEPNESS.get(name, 1))
        assert_near([losses, *back], expected, allowed)


@each_preset
def test_videos(rng, name):
    """[B, T, H, W, C] as a batch of the frames, also where a graph knows the channels alone."""
    function, frames = function_of(name), images(rng, "float32")
    for options in each_options(rng, name, 1):
        expected = step(function, options)(*frames)
        mask = {"mask": options["mask"][:, None]} if "mask" in options else {}
        videos = [image[:, None] for image in frames]
        run = step(function, {**options, **mask})
        specs = [tf.TensorSpec([None] * 4 + [SHAPE[3]], tf.float32)] * 2
        for call in (run, tf.function(run, input_signature=specs)):
            losses, *by_images = call(*videos)
            assert losses.shape == (len(frames[0]), 1)
            found = [None if x is None else tf.squeeze(x, 1) for x in (losses, *by_images)]
            allowed = tolerance(np.prod(SHAPE), "float32", STEEPNESS.get(name, 1))
            assert_near(found, expected, allowed)


@each_preset
def test_other_ranks(name):
    """What lacks an axis is not taken for one image."""
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must have rank 4 .*\[None\] adds"):
        function_of(name)(*np.ones((2, 19, 22, 1), "float32"), **OPTIONS[name][0])


@each_preset
def test_16_bits(rng, name):
    """The losses of the same numbers in float32, and rounded gradients."""
    for options, dtype in itertools.product(OPTIONS[name], ("float16", "bfloat16")):
        run = step(function_of(name), options)
        narrow = [tf.cast(image, dtype) for image in images(rng)]
        losses, *by_images = run(*narrow)
        losses_in_float32, *expected = run(*(tf.cast(image, "float32") for image in narrow))
        assert_near([losses], [losses_in_float32], tolerance(np.prod(SHAPE)))
        assert {gradient.dtype for gradient in by_images if gradient is not None} == {
            tf.as_dtype(dtype)
        }
        widened = [None if x is None else tf.cast(x, "float32") for x in by_images]
        assert_near(widened, expected, float(ml_dtypes.finfo(dtype).eps))


@each_masked
def test_nothing_invalid_is_looked_at(rng, name):
    """What is under the mask changes neither losses nor gradients, also in the prediction."""
    pair = images(rng)
    for options in each_options(rng, name, 1):
        run = step(function_of(name), options)
        expected = run(*pair)
        for value in (np.nan, np.inf, -np.inf, 0.0, -3.0):
            fill = tf.constant(value, "float64")
            spoilt = [tf.where(options["mask"], image, fill) for image in pair]
            for one, other in zip(run(*spoilt), expected, strict=True):
                np.testing.assert_array_equal(one, other)


@each_masked
def test_nothing_valid_is_a_loss_of_0(name):
    options = {**OPTIONS[name][-1], "mask": np.zeros((*SHAPE[:3], 1), bool)}
    nothing = tf.fill(SHAPE, np.nan)
    for value in step(function_of(name), options)(nothing, nothing):
        np.testing.assert_array_equal(value, tf.zeros_like(value))


@each_preset
def test_flat_images_have_finite_gradients(name):
    pairs = [(2.0, 2.0), (2.0, 3.0)]
    if name != "megadepth_gradient_matching":  # which takes logarithms
        pairs += [(0.5, 0.0), (0.0, 0.0)]
    for options, (target, prediction) in itertools.product(OPTIONS[name], pairs):
        run = step(function_of(name), options)
        for value in run(tf.fill(SHAPE, target), tf.fill(SHAPE, prediction)):
            assert value is None or np.isfinite(value).all(), (options, target, prediction)


# Those that compare two images and are 0 where these are equal, or so much; others have tests.
OTHERS = ("hu_loss", "edge_aware_smoothness", "confidence_weighted", *OF_PREDICTIONS)
COMPARING = [name for name in OPTIONS if name not in OTHERS]


@pytest.mark.parametrize("name", COMPARING)
def test_equal_images_are_the_best(rng, name):
    target = images(rng, "float32")[0]
    for options in OPTIONS[name]:
        losses, *gradients = step(function_of(name), options)(target, target)
        least = 1e-3 if name == "mprnet_edge" else 0
        np.testing.assert_allclose(losses, [least] * 2, rtol=tolerance(1))
        for gradient in gradients:
            np.testing.assert_array_equal(gradient, np.zeros(SHAPE))


@pytest.mark.parametrize(
    ("name", "options", "ops"),
    [
        ("gradient_difference", {}, ["Loss"]),
        ("gradient_difference", {"normalizer": "sum"}, ["LossCounts", "Loss"]),
        ("spsr_gradient", {}, ["Loss"]),
        ("mean_magnitude", {}, ["LossCounts", "Loss"] * 2),
        ("midas_gradient_matching", {"scales": 1}, ["Loss"]),
        ("midas_gradient_matching", {"scales": 3}, None),
        ("confidence_weighted", {"scales": 3}, None),
        ("multiscale_derivative", {"scales": 3}, None),
        ("multiscale_derivative", {"scales": 2, "error": "male"}, None),
        ("voxelmorph_grad", {}, ["LossCounts", "Loss"]),
    ],
)
def test_fused_presets_are_fused(name, options, ops):
    """Into one op for all scales where the backend takes them."""
    ops = ops or ["Loss"] * (1 if _backend.takes_scales() else options["scales"])
    spec = tf.TensorSpec([2, 16, 16, 1])
    function = tf.function(lambda t, p: function_of(name)(t, p, **options))
    assert sorted(ops_of(function, spec, spec)) == sorted(f"Gradops>{op}" for op in ops)
