"""Bad arguments of the presets: an exception that says what is wrong, and no wrong number."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf
from preset_tools import LOSSES, OF_PREDICTIONS, OPTIONS, TAKE_MASK, function_of

from gradops import presets

GOOD = np.full((2, 40, 36, 3), 2.0, "float32")
LUMA = ["gradient_variance", "gmsd", "ms_gmsd"]
PAIRS = [name for name in OPTIONS if name not in ("edge_aware_smoothness", *OF_PREDICTIONS)]
PAIRS += ["align_scale_and_shift"]
either = (ValueError, tf.errors.InvalidArgumentError)

NO_NUMBER = [None, "1", True, np.nan, np.inf, [1.0]]
AT_LEAST_0 = "must be a finite number of at least 0, got"
AT_LEAST_EPSILON = "must be a finite number of at least 1e-15, got"
ABOVE_0 = "must be a finite number above 0, got"
FROM_1_TO_16 = "must be an integer from 1 to 16, got"
TRUE_OR_FALSE = "must be True or False, got"
WEIGHTS = "must be finite numbers of at least 0, of which one is above 0, got"
NORMALIZER = ("normalizer", ["pixels", None, ["image"]], "must be one of 'image', 'batch', got")
SCALES = ("scales", [0, 17, 1.5, *NO_NUMBER], FROM_1_TO_16)
VALUE_RANGE = ("value_range", [0, -1, *NO_NUMBER], ABOVE_0)
BAD_OPTIONS = {
    "dense_depth_edges": [],
    "midas_gradient_matching": [SCALES, NORMALIZER, ("align", [1, "yes", None], TRUE_OR_FALSE)],
    "megadepth_gradient_matching": [
        *[SCALES, NORMALIZER],
        ("prediction", ["log"], "must be one of 'depth', 'log_depth',"),
    ],
    "zoedepth_grad_l1": [
        NORMALIZER,
        ("direction", ["atan2"], "must be one of 'atan', 'stable', 'none', got"),
    ],
    "hu_loss": [
        *[(f"{term}_weight", [-0.1, *NO_NUMBER], AT_LEAST_0) for term in ("depth", "gradient")],
        ("normal_weight", [-0.1, *NO_NUMBER], AT_LEAST_0),
        ("epsilon", [0, -1, *NO_NUMBER], AT_LEAST_EPSILON),
    ],
    "align_scale_and_shift": [("stop_gradient", ["no"], TRUE_OR_FALSE)],
    "edge_aware_smoothness": [("normalize", [1], TRUE_OR_FALSE)],
    "total_variation": [("total", ["max"], "must be one of 'mean', 'sum', got 'max'")],
    "gradient_difference": [
        (
            "alpha",
            [0.5, -1, "1", True, np.nan, np.inf, [1.0]],
            "must be a finite number of at least 1, got",
        ),
        ("normalizer", ["mean", None, ["sum"], "none"], "must be one of 'residuals', 'pixels',"),
    ],
    "spsr_gradient": [
        ("penalty", ["mse"], "must be one of 'l2', 'l1', got 'mse'"),
        ("padding", [0, 3, 1.5, *NO_NUMBER], "must be 1 or 2, got"),
    ],
    "mprnet_edge": [("epsilon", [0, -1, *NO_NUMBER], AT_LEAST_EPSILON)],
    "gradient_variance": [
        ("patch_size", [1, 0, -3, 2.5, *NO_NUMBER], "must be an integer of at least 2, got")
    ],
    "mean_magnitude": [],
    "pixel_and_gradient": [
        ("pixel_weight", [-0.1, *NO_NUMBER], AT_LEAST_0),
        ("gradient_weight", [-0.1, *NO_NUMBER], AT_LEAST_0),
        ("stencil", ["roberts"], "must be one of 'sobel'"),
        ("epsilon", [0.1], "is not a parameter of penalty 'l1'"),
        ("scales", [0], "must be an integer"),
    ],
    "confidence_weighted": [
        *[SCALES, NORMALIZER],
        *[(name, [-0.1, *NO_NUMBER], AT_LEAST_0) for name in ("gamma", "alpha")],
        *[(f"{term}_weight", [-0.1, *NO_NUMBER], AT_LEAST_0) for term in ("pixel", "gradient")],
        ("delta", [0, -1, *NO_NUMBER], ABOVE_0),
        ("log_pairs", ["none", None, ["all"]], "must be one of 'valid', 'all', got"),
    ],
    "multiscale_derivative": [
        *[SCALES, NORMALIZER],
        ("error", ["mae", None, "MAGE"], "must be one of 'mage', 'male', 'msge', got"),
        ("scale", ["pixel", 2.0], "must be one of 'raw', 'unit', got"),
    ],
    "voxelmorph_grad": [
        ("penalty", ["l3", None], "must be one of 'l1', 'l2', got"),
        ("loss_mult", [-1, *NO_NUMBER], AT_LEAST_0),
    ],
    "matting_gradient_error": [("sigma", [0, 0.01, 40, *NO_NUMBER], "must be a ")],
    "gmsd": [VALUE_RANGE],
    "ms_gmsd": [
        VALUE_RANGE,
        ("scale_weights", [[], [0.0, 0.0], [1.0, -0.1], [1.0, np.nan], ["1"], 1.0, "12"], WEIGHTS),
        ("masking", [-0.1, 2.1, *NO_NUMBER], "must be"),
    ],
}
OF_EVERY_PRESET = [("data_format", ["NHWC"], "must be one of 'channels_last', 'channels_first'")]


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_options(name):
    """The function refuses them, and so does the loss when it is made."""
    assert BAD_OPTIONS.keys() == {*OPTIONS, "align_scale_and_shift"}
    for option, values, message in BAD_OPTIONS[name] + OF_EVERY_PRESET:
        for value in values:
            with pytest.raises(ValueError, match=re.escape(f"{option} {message}")):
                function_of(name)(GOOD, GOOD, **{option: value})
            if name in LOSSES:
                with pytest.raises(ValueError, match=re.escape(f"{option} {message}")):
                    LOSSES[name](**{option: value})


BAD_SHAPES = {
    "rank of y_true": (GOOD[0], GOOD, r"y_true must have rank 4.*, got shape \[40,36,3\]"),
    "rank of y_pred": (GOOD, GOOD[0, 0], r"y_pred must have rank (3|4).*, got shape \[36,3\]"),
    "batch": (GOOD[:1], GOOD, r"must have the same shape, got \[1,40,36,3\] and \[2,40,36,3\]"),
    "height": (GOOD[:, 1:], GOOD, r"the same shape, got \[2,39,36,3\] and \[2,40,36,3\]"),
    "one row": (GOOD[:, :1], GOOD, r"the same shape, got \[2,1,36,3\] and|too small"),
    "channels": (GOOD[..., :1], GOOD, r"the same shape, got \[2,40,36,1\] and \[2,40,36,3\]"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_shapes(name):
    options = OPTIONS.get(name, [{}])[0]
    function = functools.partial(function_of(name), **options)
    for y_true, y_pred, message in BAD_SHAPES.values():
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            function(y_true, y_pred)
        specs = [tf.TensorSpec(x.shape) for x in (y_true, y_pred)]
        with pytest.raises(ValueError, match=message.replace(",", ",? ?")):
            tf.function(function).get_concrete_function(*specs)


# One that is fused and two that are composed, one of them of known channels; XLA for one.
IN_GRAPHS = [("dense_depth_edges", False), ("hu_loss", True), ("gmsd", False)]
GRAPHS = [
    pytest.param(name, jit, marks=[] if (name, jit) in IN_GRAPHS else pytest.mark.extended)
    for name in PAIRS
    for jit in (False, True)
]


@pytest.mark.parametrize(("name", "jit_compile"), GRAPHS)
def test_shapes_that_the_graph_did_not_know(name, jit_compile):
    """Also those that arithmetic would broadcast."""
    spec = tf.TensorSpec([None] * 3 + [3 if name in LUMA else None])
    function = tf.function(function_of(name), [spec, spec], jit_compile=jit_compile)
    for case in ("batch", "height", "one row", *([] if name in LUMA else ["channels"])):
        with pytest.raises(either, match=None if jit_compile else "same shape|too small"):
            function(*BAD_SHAPES[case][:2])


def test_masks():
    masks = (
        (np.ones(GOOD.shape), "float64|expected bool"),
        (np.ones(GOOD.shape[1:], bool), r"\[40, ?36, ?3\]"),
        (np.ones((1, *GOOD.shape[1:]), bool), r"\[1, ?40, ?36, ?3\]"),
        (np.ones((*GOOD.shape[:3], 2), bool), r"\[2, ?40, ?36, ?2\]"),
    )
    for name in (*TAKE_MASK, "align_scale_and_shift"):
        options = OPTIONS.get(name, [{}])[0]
        for mask, found in masks:
            with pytest.raises(either, match=rf"mask(:| must) .*(got .*)?({found})"):
                function_of(name)(GOOD, GOOD, mask=mask, **options)


def test_masks_of_images_with_a_ring():
    """The sizes in the message are those of the argument."""
    with pytest.raises(either, match=r"mask must .*\[2,39,36,1\]"):
        presets.spsr_gradient(GOOD, GOOD, padding=2, mask=np.ones((2, 39, 36, 1), bool))


def test_masks_of_images_whose_channels_the_graph_did_not_know():
    """Arithmetic would broadcast the images to the channels of the mask."""
    specs = [tf.TensorSpec([None] * 4)] * 2 + [tf.TensorSpec([None] * 4, tf.bool)]
    loss = tf.function(lambda t, p, m: presets.zoedepth_grad_l1(t, p, mask=m), specs)
    one_channel = GOOD[..., :1]
    loss(one_channel, one_channel, np.ones(one_channel.shape, bool))
    with pytest.raises(tf.errors.InvalidArgumentError, match="mask must have shape"):
        loss(one_channel, one_channel, np.ones(GOOD.shape, bool))


def test_dtypes_and_missing_targets():
    calls = (
        ((GOOD, GOOD.astype("int32")), "y_pred must have one of the dtypes .*, got int32"),
        ((GOOD.astype("complex64"), GOOD), "y_true must have a real dtype, got complex64"),
        ((GOOD, [["a"]]), "y_pred"),
        ((None, GOOD), "y_true"),
    )
    for name in PAIRS:
        for images, message in calls:
            with pytest.raises((ValueError, TypeError), match=message):
                function_of(name)(*images)


TOO_SMALL = [
    ("midas_gradient_matching", 9, {}),
    ("midas_gradient_matching", 9, {"normalizer": "batch", "mask": GOOD[..., :1] > 0}),
    ("midas_gradient_matching", 2, {"scales": 1}),
    ("megadepth_gradient_matching", 33, {}),
    ("megadepth_gradient_matching", 5, {"scales": 2}),
    ("zoedepth_grad_l1", 2, {}),
    ("zoedepth_grad_l1", 2, {"direction": "stable"}),
    ("gradient_difference", 2, {}),
    ("mean_magnitude", 2, {}),
    ("gradient_variance", 8, {}),
    ("gradient_variance", 5, {"patch_size": 5}),
    ("ms_gmsd", 17, {}),
    ("ms_gmsd", 5, {"scale_weights": [1, 2]}),
    ("pixel_and_gradient", 2, {}),
    ("total_variation", 2, {}),
    ("voxelmorph_grad", 2, {}),
    ("confidence_weighted", 9, {}),
    ("confidence_weighted", 3, {"scales": 2, "normalizer": "batch", "mask": GOOD[..., :1] > 0}),
    ("multiscale_derivative", 12, {"scales": 3}),
    ("matting_gradient_error", 1, {}),
    ("spsr_gradient", 1, {}),
    ("mprnet_edge", 1, {}),
    ("gmsd", 1, {}),
]


def small(function, size, options):
    if "mask" in options:
        options = {**options, "mask": options["mask"][:, :size]}
    return function(tf.constant(GOOD[:, :size]), tf.constant(GOOD[:, :size]), **options)


def test_images_that_are_too_small():
    for name, least, options in TOO_SMALL:
        assert np.isfinite(small(function_of(name), least, options)).all(), name
        if least > 1:
            message = f"y_pred .*at least {least}.*, got (shape|height {least - 1} and width 36)"
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                small(function_of(name), least - 1, options)


@pytest.mark.parametrize(("name", "least"), [("gradient_variance", 8), ("ms_gmsd", 17)])
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.extended)])
def test_small_images_of_graphs_that_know_no_sizes(name, least, jit_compile):
    """XLA drops assertions: the losses are NaN."""
    spec = tf.TensorSpec([None, None, None, 3])
    function = tf.function(function_of(name), [spec, spec], jit_compile=jit_compile)
    assert np.isfinite(small(function, least, {})).all()
    if jit_compile:
        assert np.isnan(small(function, least - 1, {})).all()
    else:
        with pytest.raises(either, match=f"must be at least {least}"):
            small(function, least - 1, {})


@pytest.mark.parametrize("name", LUMA)
def test_channels_that_have_no_luma(name):
    function = function_of(name)
    for data_format, shape in (
        ("channels_last", [2, 20, 20, None]),
        ("channels_first", [2, None, 20, 20]),
    ):
        for channels in (2, 4):
            wrong = np.zeros([size or channels for size in shape], "float32")
            message = f"y_true must have 1 channel or 3 .* got {channels} in {data_format} images"
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                function(wrong, wrong, data_format=data_format)
    spec = tf.TensorSpec([None] * 4)
    with pytest.raises(ValueError, match="known when a graph is built, got an unknown number"):
        tf.function(function).get_concrete_function(spec, spec)


@pytest.mark.parametrize(
    ("argument", "value", "options"),
    [
        ("y_pred", np.nan, {}),
        ("y_true", 0.0, {}),
        ("y_true", -1.0, {"prediction": "log_depth"}),
    ],
)
def test_depths_that_have_no_logarithm(argument, value, options):
    """XLA drops assertions: the loss of the example is NaN."""
    images = {"y_true": GOOD.copy(), "y_pred": GOOD.copy()}
    images[argument][1, 3, 4, 0] = value
    images = {name: tf.constant(image) for name, image in images.items()}

    def call(**images):
        return presets.megadepth_gradient_matching(scales=1, **images, **options)

    for function in (call, tf.function(call)):
        message = f"{argument} must be above 0 at every valid pixel, got"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            function(**images)
    losses = tf.function(call, jit_compile=True)(**images).numpy()
    assert np.isnan(losses[1]) and losses[0] == 0


SMOOTHNESS = presets.edge_aware_smoothness
OTHER_BATCH = "image and disparity must have the same batch, height and width"
NO_WEIGHTS = {"depth_weight": 0, "gradient_weight": 0, "normal_weight": 0}
OTHER_CALLS = [
    (
        lambda: presets.hu_loss(GOOD, GOOD, **NO_WEIGHTS),
        r"one of .* must be above 0, got 0",
    ),
    (lambda: SMOOTHNESS(GOOD[0], GOOD), "image must have rank 4"),
    (lambda: SMOOTHNESS(GOOD, GOOD[0]), "disparity must have rank 4"),
    (lambda: SMOOTHNESS(GOOD[:1], GOOD), OTHER_BATCH),
    (lambda: SMOOTHNESS(GOOD[:, :7], GOOD), OTHER_BATCH),
    (lambda: SMOOTHNESS(GOOD[:, :, :1], GOOD[:, :, :1]), "too small: .* height 40 and width 1"),
    (lambda: SMOOTHNESS(GOOD, GOOD.astype("int32")), "disparity must have one of the dtypes"),
    (lambda: presets.total_variation(GOOD[0, 0]), "y_pred must have rank"),
    (lambda: presets.total_variation(GOOD.astype("int32")), "y_pred must have .*dtypes .*int32"),
    (lambda: presets.total_variation(GOOD, mask=GOOD), "mask must have dtype bool, got float32"),
]


def test_other_calls():
    for call, message in OTHER_CALLS:
        with pytest.raises(either, match=message):
            call()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_batches_of_disparities_that_the_graph_did_not_know_are_not_broadcast(jit_compile):
    spec = tf.TensorSpec([None] * 4)
    function = tf.function(presets.edge_aware_smoothness, [spec, spec], jit_compile=jit_compile)
    assert function(GOOD, GOOD[..., :1]).shape == (2,)
    with pytest.raises(either):
        function(GOOD[:1], GOOD)


def test_weights_of_pixels():
    for weights in (
        np.ones(GOOD.shape[1:]),
        np.ones((1, *GOOD.shape[1:])),
        np.ones((*GOOD.shape[:3], 2)),
        np.full(GOOD.shape, -1.0),
        np.full(GOOD.shape, np.nan),
    ):
        with pytest.raises(either, match="weights must"):
            presets.pixel_and_gradient(GOOD, GOOD, weights=weights)


def test_unknown_pixels_of_a_trimap():
    alpha = GOOD[:, :9, :12, :1]
    for unknown, message in (
        (np.full((2, 9, 12), 128, "uint8"), "unknown must have dtype bool, got uint8"),
        (np.ones((1, 9, 12), bool), "unknown must have the batch, height and width of y_pred"),
        (np.ones((2, 9, 12, 2), bool), "unknown must have 1 channel"),
        (np.ones((9, 12), bool), "unknown must have rank 4"),
    ):
        with pytest.raises(either, match=message):
            presets.matting_gradient_error(alpha, alpha, unknown=unknown)
