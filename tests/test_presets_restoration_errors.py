"""Bad arguments of the presets of restoration and quality: an exception, and no wrong number."""

import re

import numpy as np
import pytest
import tensorflow as tf
from op_tools import at_run_time

from gradops import presets

GOOD = np.full((2, 20, 18, 3), 0.5, "float32")
FUSED = ["gradient_difference", "spsr_gradient", "pixel_and_gradient"]
COMPOSED = ["mean_magnitude", "mprnet_edge", "gradient_variance", "gmsd", "ms_gmsd"]
NAMES = FUSED + COMPOSED
LUMA = COMPOSED[2:]
LOSSES = {
    "gradient_difference": presets.GradientDifferenceLoss,
    "spsr_gradient": presets.SPSRGradientLoss,
    "pixel_and_gradient": presets.PixelGradientLoss,
    "mean_magnitude": presets.MeanMagnitudeLoss,
    "mprnet_edge": presets.MPRNetEdgeLoss,
    "gradient_variance": presets.GradientVarianceLoss,
    "gmsd": presets.GMSDLoss,
    "ms_gmsd": presets.MSGMSDLoss,
}
NO_NUMBER = [None, "1", True, np.nan, np.inf, [1.0]]
ABOVE_0 = "must be a finite number above 0, got"
AT_LEAST = "must be a finite number of at least 1e-15, got"
SCALE_WEIGHTS = "must be finite numbers of at least 0, of which one is above 0, got"
BAD_OPTIONS = [
    *[
        ("gradient_difference", "alpha", value, "must be a finite number of at least 1, got")
        for value in (0.5, -1, "1", True, np.nan, np.inf, [1.0])
    ],
    *[
        ("gradient_difference", "normalizer", value, "must be one of 'residuals', 'pixels',")
        for value in ("mean", None, ["sum"], "none")
    ],
    ("spsr_gradient", "penalty", "mse", "must be one of 'l2', 'l1', got 'mse'"),
    *[
        ("spsr_gradient", "padding", value, "must be 1 or 2, got")
        for value in (0, 3, 1.5, *NO_NUMBER)
    ],
    *[("mprnet_edge", "epsilon", value, AT_LEAST) for value in (0, -1, *NO_NUMBER)],
    *[
        ("gradient_variance", "patch_size", value, "must be an integer of at least 2, got")
        for value in (1, 0, -3, 2.5, *NO_NUMBER)
    ],
    *[
        ("pixel_and_gradient", f"{term}_weight", value, "must be a finite number of at least 0")
        for term in ("pixel", "gradient")
        for value in (-0.1, *NO_NUMBER)
    ],
    ("pixel_and_gradient", "stencil", "roberts", "must be one of 'sobel'"),
    ("pixel_and_gradient", "epsilon", 0.1, "is not a parameter of penalty 'l1'"),
    ("pixel_and_gradient", "scales", 0, "must be an integer"),
    *[(name, "value_range", value, ABOVE_0) for name in LUMA[1:] for value in (0, -1, *NO_NUMBER)],
    *[
        ("ms_gmsd", "scale_weights", value, SCALE_WEIGHTS)
        for value in ([], [0.0, 0.0], [1.0, -0.1], [1.0, np.nan], ["1"], 1.0, "12")
    ],
    *[("ms_gmsd", "masking", value, "must be") for value in (-0.1, 2.1, *NO_NUMBER)],
    *[(name, "data_format", "NHWC", "must be one of 'channels_last', ") for name in NAMES],
]
BAD_SHAPES = {
    "rank of y_true": (GOOD[0], GOOD, r"y_true must have rank 4.*, got shape \[20,18,3\]"),
    "rank of y_pred": (GOOD, GOOD[0, 0], r"y_pred must have rank (3|4).*, got shape \[18,3\]"),
    "batch": (GOOD[:1], GOOD, r"must have the same shape, got \[1,20,18,3\] and \[2,20,18,3\]"),
    "height": (GOOD[:, 1:], GOOD, r"the same shape, got \[2,19,18,3\] and \[2,20,18,3\]"),
    "channels": (GOOD[..., :1], GOOD, r"the same shape, got \[2,20,18,1\] and \[2,20,18,3\]"),
}
either = (ValueError, tf.errors.InvalidArgumentError)


@pytest.mark.parametrize(("name", "option", "value", "message"), BAD_OPTIONS, ids=str)
def test_options(name, option, value, message):
    """Of the function, and of the loss when it is made."""
    match = re.escape(f"{option} {message}")
    with pytest.raises(ValueError, match=match):
        getattr(presets, name)(GOOD, GOOD, **{option: value})
    if value is not None or option != "data_format":
        with pytest.raises(ValueError, match=match):
            LOSSES[name](**{option: value})


@pytest.mark.parametrize("name", LOSSES)
def test_options_that_losses_do_not_have(name):
    for option in ("weights", "taps", "y_true"):
        with pytest.raises(
            ValueError, match=f"{option} is not an option of {LOSSES[name].__name__}"
        ):
            LOSSES[name](**{option: 1})
    if name in COMPOSED[1:]:
        with pytest.raises(ValueError, match="takes no mask, got 'finite'"):
            LOSSES[name](mask="finite")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_SHAPES)
def test_shapes(name, case):
    y_true, y_pred, message = BAD_SHAPES[case]
    function = getattr(presets, name)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        function(y_true, y_pred)
    specs = [tf.TensorSpec(x.shape) for x in (y_true, y_pred)]
    with pytest.raises(ValueError, match=message.replace(",", ",? ?")):
        tf.function(function).get_concrete_function(*specs)


@pytest.mark.parametrize("name", COMPOSED)
@pytest.mark.parametrize(
    "y_true", [GOOD[:1], GOOD[:, :1], GOOD[:, :, 1:]], ids=lambda x: str(x.shape)
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_shapes_that_the_graph_did_not_know(name, y_true, jit_compile):
    """Also those that would be broadcast."""
    spec = tf.TensorSpec([None, None, None, 3])
    function = tf.function(
        getattr(presets, name), input_signature=[spec, spec], jit_compile=jit_compile
    )
    with pytest.raises(either, match=None if jit_compile else at_run_time("same shape")):
        function(y_true, GOOD)


@pytest.mark.parametrize("name", LUMA)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_channels_that_have_no_luma(name, data_format):
    function = getattr(presets, name)
    axis = 3 if data_format == "channels_last" else 1
    for channels in (2, 4):
        shape = [2, 20, 20, 20]
        shape[axis] = channels
        wrong = np.zeros(shape, "float32")
        message = f"y_true must have 1 channel or 3 .* got {channels} in {data_format} images"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            function(wrong, wrong, data_format=data_format)
    spec = tf.TensorSpec([None] * 4)
    with pytest.raises(ValueError, match="known when a graph is built, got an unknown number"):
        tf.function(function).get_concrete_function(spec, spec)


@pytest.mark.parametrize(
    ("name", "least", "options"),
    [
        ("gradient_difference", 2, {}),
        ("mean_magnitude", 2, {}),
        ("gradient_variance", 8, {}),
        ("gradient_variance", 5, {"patch_size": 5}),
        ("ms_gmsd", 17, {}),
        ("ms_gmsd", 5, {"scale_weights": [1, 2]}),
        ("pixel_and_gradient", 2, {}),
        ("spsr_gradient", 1, {}),
        ("mprnet_edge", 1, {}),
        ("gmsd", 1, {}),
    ],
)
def test_images_that_are_too_small(name, least, options):
    def small(size, function=lambda *images: getattr(presets, name)(*images, **options)):
        return function(tf.constant(GOOD[:, :size]), tf.constant(GOOD[:, :size]))

    assert np.isfinite(small(least)).all()
    if least == 1:
        return
    message = f"y_pred .*at least {least}.*, got (shape|height {least - 1} and width 18)"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        small(least - 1)
    if name not in LUMA:
        return
    spec = tf.TensorSpec([None, None, None, 3])
    for jit_compile in (False, True):
        function = tf.function(
            lambda *images: getattr(presets, name)(*images, **options),
            input_signature=[spec, spec],
            jit_compile=jit_compile,
        )
        assert np.isfinite(small(least, function)).all()
        if jit_compile:  # which drops assertions
            assert np.isnan(small(least - 1, function)).all()
        else:
            with pytest.raises(either, match=at_run_time(f"must be at least {least}")):
                small(least - 1, function)


@pytest.mark.parametrize("name", NAMES)
def test_dtypes(name):
    for images, message in (
        ((GOOD, GOOD.astype("int32")), "y_pred must have one of the dtypes .*, got int32"),
        ((GOOD.astype("complex64"), GOOD), "y_true must have a real dtype, got complex64"),
        ((GOOD, [["a"]]), "y_pred"),
    ):
        with pytest.raises(ValueError, match=message):
            getattr(presets, name)(*images)


@pytest.mark.parametrize("name", [*FUSED, "mean_magnitude"])
@pytest.mark.parametrize(
    "mask",
    [
        np.ones(GOOD.shape),
        np.ones(GOOD.shape[1:], bool),
        np.ones((1, *GOOD.shape[1:]), bool),
        np.ones((*GOOD.shape[:3], 2), bool),
    ],
    ids=lambda mask: f"{mask.dtype}{mask.shape}",
)
def test_masks(name, mask):
    with pytest.raises(either, match=r"mask(:| must) .*(got|expected bool)"):
        getattr(presets, name)(GOOD, GOOD, mask=mask)


def test_masks_of_images_with_a_ring():
    """The sizes in the message are those of the argument."""
    with pytest.raises(either, match=r"mask must .*\[2,19,18,1\]"):
        presets.spsr_gradient(GOOD, GOOD, padding=2, mask=np.ones((2, 19, 18, 1), bool))


@pytest.mark.parametrize(
    "weights",
    [
        np.ones(GOOD.shape[1:]),
        np.ones((1, *GOOD.shape[1:])),
        np.ones((*GOOD.shape[:3], 2)),
        np.full(GOOD.shape, -1.0),
        np.full(GOOD.shape, np.nan),
    ],
    ids=lambda weights: f"{weights.shape}{weights.flat[0]}",
)
def test_weights(weights):
    with pytest.raises(either, match="weights must"):
        presets.pixel_and_gradient(GOOD, GOOD, weights=weights)


@pytest.mark.parametrize("name", LOSSES)
def test_sample_weights_by_pixel_are_refused(name):
    with pytest.raises(ValueError, match=r"sample_weight must have shape \[B\], got"):
        LOSSES[name]()(GOOD, GOOD, sample_weight=np.ones(GOOD.shape[:3]))
