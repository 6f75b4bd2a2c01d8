"""Bad arguments of the losses of depth and of smoothness: an exception, and no wrong number."""

import re

import numpy as np
import pytest
import tensorflow as tf
from op_tools import IS_FUSED, at_run_time

from gradops import presets

GOOD = np.full((2, 40, 36, 1), 2.0, "float32")
NAMES = [
    "dense_depth_edges",
    "midas_gradient_matching",
    "megadepth_gradient_matching",
    "hu_loss",
    "zoedepth_grad_l1",
]
PAIRS = [*NAMES, "align_scale_and_shift", "edge_aware_smoothness"]
MATCHING = NAMES[1:3]
NO_NUMBER = [None, "1", True, np.nan, np.inf, [1.0]]
INTEGER = "must be an integer from 1 to 16, got"
AT_LEAST_0 = "must be a finite number of at least 0, got"
BAD_OPTIONS = [
    *[(name, "scales", value, INTEGER) for name in MATCHING for value in (0, 17, 1.5, *NO_NUMBER)],
    *[
        (name, "normalizer", value, "must be one of 'image', 'batch', got")
        for name in (*MATCHING, "zoedepth_grad_l1")
        for value in ("pixels", None, ["image"])
    ],
    *[
        ("midas_gradient_matching", "align", value, "must be True or False, got")
        for value in (1, "yes", None)
    ],
    ("megadepth_gradient_matching", "prediction", "log", "must be one of 'depth', 'log_depth',"),
    ("zoedepth_grad_l1", "direction", "atan2", "must be one of 'atan', 'stable', 'none', got"),
    *[
        ("hu_loss", f"{term}_weight", value, AT_LEAST_0)
        for term in ("depth", "gradient", "normal")
        for value in (-0.1, *NO_NUMBER)
    ],
    *[
        ("hu_loss", "epsilon", value, "must be a finite number of at least 1e-15, got")
        for value in (0, -1, *NO_NUMBER)
    ],
    ("align_scale_and_shift", "stop_gradient", "no", "must be True or False, got"),
    ("edge_aware_smoothness", "normalize", 1, "must be True or False, got"),
    *[
        (name, "data_format", "NHWC", "must be one of 'channels_last', 'channels_")
        for name in PAIRS
    ],
]
BAD_SHAPES = {
    "rank of y_true": (GOOD[0], GOOD, r"y_true must have rank 4.*, got shape \[40,36,1\]"),
    "rank of y_pred": (GOOD, GOOD[0, 0], r"y_pred must have rank (3|4).*, got shape \[36,1\]"),
    "batch": (GOOD[:1], GOOD, r"must have the same shape, got \[1,40,36,1\] and \[2,40,36,1\]"),
    "height": (GOOD[:, 1:], GOOD, r"the same shape, got \[2,39,36,1\] and \[2,40,36,1\]"),
    "channels": (GOOD.repeat(3, 3), GOOD, r"shape, got \[2,40,36,3\] and \[2,40,36,1\]"),
}
either = (ValueError, tf.errors.InvalidArgumentError)


@pytest.mark.parametrize(("name", "option", "value", "message"), BAD_OPTIONS, ids=str)
def test_options(name, option, value, message):
    with pytest.raises(ValueError, match=re.escape(f"{option} {message}")):
        getattr(presets, name)(GOOD, GOOD, **{option: value})


def test_hu_loss_of_nothing():
    weights = dict.fromkeys(("depth_weight", "gradient_weight", "normal_weight"), 0)
    with pytest.raises(ValueError, match=r"one of depth_weight, .* must be above 0"):
        presets.hu_loss(GOOD, GOOD, **weights)


@pytest.mark.parametrize("name", PAIRS[:-1])
@pytest.mark.parametrize("case", BAD_SHAPES)
def test_shapes(name, case):
    y_true, y_pred, message = BAD_SHAPES[case]
    function = getattr(presets, name)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        function(y_true, y_pred)
    specs = [tf.TensorSpec(x.shape) for x in (y_true, y_pred)]
    with pytest.raises(ValueError, match=message.replace(",", ",? ?")):
        tf.function(function).get_concrete_function(*specs)


@pytest.mark.parametrize("name", PAIRS[:-1])
@pytest.mark.parametrize("case", ["batch", "height", "channels"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_shapes_that_the_graph_did_not_know(name, case, jit_compile):
    if jit_compile and not IS_FUSED and name in NAMES[:2]:
        pytest.skip("gradient_loss on the composition: an assertion, which XLA drops")
    y_true, y_pred, _ = BAD_SHAPES[case]
    spec = tf.TensorSpec([None] * 4)
    function = tf.function(
        getattr(presets, name), input_signature=[spec, spec], jit_compile=jit_compile
    )
    with pytest.raises(either, match=None if jit_compile else at_run_time("same shape")):
        function(y_true, y_pred)


@pytest.mark.parametrize("name", PAIRS[:-1])
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(GOOD.shape), "mask must have dtype bool, got float64"),
        (np.ones(GOOD.shape[1:], bool), r"mask must have .*got (shape )?\[40, ?36, ?1\]"),
        (np.ones((1, *GOOD.shape[1:]), bool), r"mask must have .*\[1, ?40, ?36, ?1\]"),
        (np.ones((*GOOD.shape[:3], 2), bool), r"mask must have .*\[2, ?40, ?36, ?2\]"),
    ],
)
def test_masks(name, mask, message):
    message = message.replace("mask must have dtype bool, got", "mask(:| must).* got|mask: got")
    with pytest.raises(either, match=message):
        getattr(presets, name)(GOOD, GOOD, mask=mask)


@pytest.mark.parametrize(
    ("name", "least", "options"),
    [
        ("midas_gradient_matching", 9, {}),
        ("midas_gradient_matching", 9, {"normalizer": "batch", "mask": GOOD > 0}),
        ("midas_gradient_matching", 2, {"scales": 1}),
        ("megadepth_gradient_matching", 33, {}),
        ("megadepth_gradient_matching", 5, {"scales": 2}),
        ("zoedepth_grad_l1", 2, {}),
        ("zoedepth_grad_l1", 2, {"direction": "stable"}),
    ],
)
def test_images_too_small_for_the_scales(name, least, options):
    def small(size):
        options_of_size = dict(options)
        if "mask" in options:
            options_of_size["mask"] = options["mask"][:, :size]
        return getattr(presets, name)(GOOD[:, :size], GOOD[:, :size], **options_of_size)

    assert np.isfinite(small(least)).all()
    message = f"y_pred is too small.* of at least {least}.*, got height {least - 1} and width 36"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        small(least - 1)


LOG_CALLS = [("y_true", {}), ("y_pred", {}), ("y_true", {"prediction": "log_depth"})]


@pytest.mark.parametrize(("argument", "options"), LOG_CALLS, ids=str)
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_depths_that_have_no_logarithm(argument, options, value):
    images = {"y_true": GOOD.copy(), "y_pred": GOOD.copy()}
    images[argument][1, 3, 4, 0] = value

    def call(**images):
        return presets.megadepth_gradient_matching(**images, **options)

    message = f"{argument} must be above 0 at every valid pixel, got"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(**images)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tf.function(call)(**{name: tf.constant(x) for name, x in images.items()})
    compiled = tf.function(call, jit_compile=True)
    losses = compiled(**{name: tf.constant(x) for name, x in images.items()}).numpy()
    assert np.isnan(losses[1]) and losses[0] == 0


@pytest.mark.parametrize(
    ("image", "disparity", "message"),
    [
        (GOOD[0], GOOD, "image must have rank 4"),
        (GOOD, GOOD[0], "disparity must have rank 4"),
        (GOOD[:1], GOOD, "image and disparity must have the same batch, height and width"),
        (GOOD[:, :7], GOOD, "image and disparity must have the same batch, height and width"),
        (GOOD[:, :, :1], GOOD[:, :, :1], "is too small: .* got height 40 and width 1"),
        (GOOD, GOOD.astype("int32"), "disparity must have one of the dtypes"),
    ],
)
def test_edge_aware_smoothness(image, disparity, message):
    with pytest.raises(either, match=message):
        presets.edge_aware_smoothness(image, disparity)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_batches_that_the_graph_did_not_know_are_not_broadcast(jit_compile):
    spec = tf.TensorSpec([None] * 4)
    function = tf.function(
        presets.edge_aware_smoothness, input_signature=[spec, spec], jit_compile=jit_compile
    )
    assert function(GOOD.repeat(3, 3), GOOD).shape == (2,)
    with pytest.raises(either):
        function(GOOD[:1], GOOD)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (GOOD, {"total": "max"}, "total must be one of 'mean', 'sum', got 'max'"),
        (GOOD[:, :1], {}, "y_pred is too small: .* got height 1 and width 36"),
        (GOOD[0, 0], {}, "y_pred must have rank"),
        (GOOD.astype("int32"), {}, "y_pred must have one of the dtypes .*, got int32"),
        (GOOD, {"mask": GOOD}, "mask must have dtype bool, got float32"),
    ],
)
def test_total_variation(images, options, message):
    with pytest.raises(either, match=message):
        presets.total_variation(images, **options)
