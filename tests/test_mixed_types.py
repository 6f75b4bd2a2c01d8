"""Images of two dtypes: compared in the wider one, float32 at least, with each one's gradient."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from preset_tools import OF_PREDICTIONS

import gradops
from gradops import presets, reference

FLOATS = ("float16", "bfloat16", "float32", "float64")
TARGETS = (*FLOATS, "uint8", "uint16", "int32", "bool")
# Epsilon of what both are compared in.
EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
BOUND = 64  # epsilons: sums and quotients of a few dozen numbers
ROUNDED = {**EPSILON, "float16": 2.0**-10, "bfloat16": 2.0**-7}  # epsilon of gradients


def pair(rng, of_true, of_pred):
    """Images of small integers, or of 0 and 1: what each dtype holds without rounding."""
    y_true = rng.integers(0, 2 if of_true == "bool" else 200, (2, 6, 5, 1))
    y_pred = rng.integers(0, 200, (2, 6, 5, 1))
    return tf.cast(y_true, of_true), tf.cast(y_pred, of_pred)


def as_float64(*images):
    return [tf.cast(image, tf.float64).numpy() for image in images]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("of_pred", FLOATS)
def test_functions_and_classes(rng, of_pred):
    for of_true in TARGETS:
        images = pair(rng, of_true, of_pred)
        wanted = reference.gradient_loss(*as_float64(*images), response="magnitude")
        slopes = reference.loss_gradients(*as_float64(*images), response="magnitude")
        options = {"response": "magnitude"}
        watched = [image for image in images if image.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            losses = gradops.gradient_loss(*images, **options)
        found = tape.gradient(losses, watched)
        at_once = gradops.value_and_gradient(*images, reduction="none", **options)[1]
        kind = "float64" if of_pred == "float64" else "float32"
        assert losses.dtype == kind and at_once.dtype == of_pred
        assert [x.dtype for x in found] == [image.dtype for image in watched]
        compared = "float64" if "float64" in (of_true, of_pred) else "float32"
        bound = BOUND * max(EPSILON[compared], EPSILON[kind])
        np.testing.assert_allclose(losses, wanted, rtol=bound)
        of_images = [*zip(found[::-1], slopes[::-1], strict=False), (at_once, slopes[1])]
        for slope, gradient in of_images:
            atol = max(bound, 4 * ROUNDED[slope.dtype.name]) * np.abs(gradient).max()
            np.testing.assert_allclose(tf.cast(slope, tf.float64), gradient, rtol=0, atol=atol)
        loss = gradops.GradientLoss(reduction="none", **options)(*images)
        np.testing.assert_allclose(loss, wanted, rtol=BOUND * EPSILON["float32"])


def test_a_class_compares_in_its_own_dtype(rng):
    images = (rng.random((2, 6, 5, 1)).astype(dtype) for dtype in ("float32", "float16"))
    images = [tf.constant(image) for image in images]
    wanted = reference.gradient_loss(*as_float64(*images))
    loss = gradops.GradientLoss(reduction="none", dtype="float64")(*images)
    np.testing.assert_allclose(loss, wanted, rtol=BOUND * EPSILON["float64"])


def test_targets_beyond_the_range_of_the_prediction(rng):
    """float16 ends at 65504; bfloat16 has 8 bits, a depth in millimetres 16."""
    depth = rng.integers(0, 65536, (1, 8, 8, 1))
    half = tf.cast(rng.uniform(0, 6e4, (1, 8, 8, 1)), tf.float16)
    short = tf.cast(depth, tf.bfloat16)
    cases = [
        (tf.constant(8e4 * depth / 65536, tf.float32), half),
        (tf.cast(depth, tf.uint16), short),
        (tf.cast(depth, tf.uint16), half),
        (half, short),
    ]
    for images in cases:
        wanted = reference.gradient_loss(*as_float64(*images))
        np.testing.assert_allclose(gradops.gradient_loss(*images), wanted, rtol=1e-5)
        np.testing.assert_allclose(gradops.SobelLoss()(*images), wanted[0], rtol=1e-5)


def test_two_images_of_one_16_bit_type_stay_as_they_are(rng):
    for dtype in (tf.float16, tf.bfloat16):
        images = [tf.cast(x, dtype) for x in rng.uniform(size=(2, 1, 6, 5, 1))]

        graph = tf.function(gradops.gradient_loss).get_concrete_function(*images).graph
        ops = [op for op in graph.get_operations() if op.type.startswith("Gradops>")]
        assert len(ops) == 1 and ops[0].inputs[0].dtype == ops[0].inputs[1].dtype == dtype


@pytest.mark.parametrize("of_true, of_pred", list(itertools.product(TARGETS, FLOATS))[::3])
def test_presets(rng, of_true, of_pred):
    """Each as of the same numbers in float64."""
    for name in presets.__all__:
        if not name.islower() or name in OF_PREDICTIONS:
            continue
        has_scales = name.endswith(("matching", "weighted", "derivative"))
        options = {"scales": 2} if has_scales else {}
        if name == "confidence_weighted":
            options["confidence"] = 0.5 + rng.random((1, 20, 20, 1))
        if name.startswith("megadepth"):
            options["prediction"] = "log_depth"
        if name.endswith("gmsd"):
            options["value_range"] = 50
        shape = (1, 20, 20, 1)
        y_true = tf.cast(rng.integers(1, 2 if of_true == "bool" else 50, shape), of_true)
        y_pred = tf.cast(rng.integers(1, 50, shape), of_pred)
        function = getattr(presets, name)
        found = tf.nest.flatten(function(y_true, y_pred, **options))
        wanted = tf.nest.flatten(function(*as_float64(y_true, y_pred), **options))
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours.dtype == ("float64" if of_pred == "float64" else "float32"), name
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5, err_msg=name)


def test_alignment_of_16_bit_images(rng):
    """The scale is of numbers beyond the range of float16."""
    depth = tf.cast(rng.uniform(1e4, 6e4, (1, 16, 16, 1)), tf.float16)
    relative = tf.cast(rng.uniform(1e-3, 1, (1, 16, 16, 1)), tf.float16)
    options = {"align": True, "scales": 2}
    found = presets.midas_gradient_matching(depth, relative, **options)
    wanted = presets.midas_gradient_matching(*as_float64(depth, relative), **options)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
