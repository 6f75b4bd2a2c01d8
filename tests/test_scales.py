"""Losses over several scales, against matrices that take the levels from the images."""

import numpy as np
import pytest
import tensorflow as tf
from family_options import BORDERS, DATA_FORMATS, DOWNSAMPLES
from op_tools import assert_close, images, pairs_of
from reference_tools import NORMALIZERS

import gradops
from gradops import reference

SIZES = [(16, 16), (17, 23), (24, 40), (33, 9)]
OPTIONS = [
    {},
    {"stencil": "forward", "border": "valid", "normalizer": "pixels"},
    {"penalty": "charbonnier", "response": "magnitude", "response_epsilon": 0.1},
    {"stencil": "scharr", "penalty": "huber", "border": "circular", "normalizer": "batch"},
    {"stencil": "backward", "response": "sum", "normalizer": "residual_count"},
    {"stencil": "laplace", "border": "replicate", "normalizer": "pixel_count"},
]
both_backends = pytest.mark.usefixtures("backend")
downsamples = pytest.mark.parametrize("downsample", DOWNSAMPLES)


def found_and_wanted(y_true, y_pred, **options):
    """Losses and both gradients, with upstream gradients that differ."""
    upstream = np.linspace(0.5, 2, y_pred.shape[0])
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        losses = gradops.gradient_loss(y_true, y_pred, **options)
        total = tf.reduce_sum(losses * tf.cast(upstream, losses.dtype))
    found = losses, *tape.gradient(total, [y_true, y_pred])
    given = {name: np.asarray(x) if tf.is_tensor(x) else x for name, x in options.items()}
    wanted = reference.multi_scale_loss(y_true.numpy(), y_pred.numpy(), **given)
    slopes = reference.multi_scale_gradients(y_true.numpy(), y_pred.numpy(), upstream, **given)
    return found, (wanted, *slopes)


@pairs_of(
    size=SIZES,
    member=list(range(len(OPTIONS))),
    downsample=DOWNSAMPLES,
    backend=["fused", "composite"],
)
def test_against_the_oracle(rng, backend, size, downsample, member):
    options = OPTIONS[member]
    y_true, y_pred = images(rng, (2, *size, 3), tf.float64)
    given = dict(scales=3, downsample=downsample, scale_weights=(1.0, 0.25, 2.0))
    found, wanted = found_and_wanted(y_true, y_pred, **given, **options)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@pairs_of(
    downsample=DOWNSAMPLES,
    data_format=DATA_FORMATS,
    channels=[1, 2],
    normalizer=NORMALIZERS,
    backend=["fused", "composite"],
)
def test_weights_and_masks(rng, backend, downsample, data_format, channels, normalizer):
    """Levels of a mask are of valid pixels alone, and what it hides may be NaN."""
    y_true, y_pred = (np.array(x) for x in images(rng, (2, 20, 14, 2), tf.float64))
    mask = rng.random((2, 20, 14, channels)) > 0.05
    weights = rng.uniform(0, 2, (2, 20, 14, 1))
    y_true = np.where(mask, y_true, np.nan)
    tensors = [y_true, y_pred, weights, mask]
    if data_format == "channels_first":
        tensors = [np.moveaxis(x, 3, 1) for x in tensors]
    y_true, y_pred, weights, mask = map(tf.constant, tensors)
    given = dict(scales=3, downsample=downsample, data_format=data_format, normalizer=normalizer)
    found, wanted = found_and_wanted(y_true, y_pred, weights=weights, mask=mask, **given)
    assert np.all(np.isfinite(wanted[0]))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


LARGE = [(2, 290, 70, 3), (1, 150, 400, 3), (3, 70, 33, 1), (1, 90, 50, 2), (1, 40, 64, 30)]
LARGE += [(1, 44, 12, 1), (1, 40, 300, 4)]  # rows of fewer elements than a register; 4 channels


@pairs_of(shape=LARGE, downsample=DOWNSAMPLES, response=["component", "normal"], border=BORDERS)
def test_several_units_and_tiles(rng, shape, downsample, response, border):
    """Images of several strips and tiles, and channels of all kinds."""
    y_true, y_pred = images(rng, shape, "float64")
    options = dict(response=response, border=border, penalty="charbonnier", epsilon=0.3)
    found, wanted = found_and_wanted(
        y_true, y_pred, scales=4 if min(shape[1:3]) >= 40 else 3, downsample=downsample, **options
    )
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-15)


@pairs_of(
    shape=[(1, 150, 256, 3), (2, 70, 512, 1), (1, 70, 128, 4)],
    downsample=DOWNSAMPLES,
    border=BORDERS,
    stencil=["sobel", "prewitt", "scharr"],
    extra=["", "mask", "NaN"],
)
def test_slopes_that_are_signs(rng, shape, downsample, border, stencil, extra):
    """Rows of whole lines of memory at every level. Integers, so that no rounding moves a sign."""
    y_true, y_pred = (rng.integers(0, 6, shape).astype(np.float32) for _ in range(2))
    options = dict(scales=4, downsample=downsample, border=border, stencil=stencil)
    if extra == "mask":
        options["mask"] = tf.constant(rng.random((*shape[:3], 1)) > 0.01)
    if extra == "NaN":
        y_pred[0, 40, 64] = np.nan  # at every level
    found, wanted = found_and_wanted(tf.constant(y_true), tf.constant(y_pred), **options)
    for ours, theirs in zip(found, wanted, strict=True):
        largest = np.nanmax(np.abs(theirs), initial=0)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * largest)


@both_backends
@downsamples
@pytest.mark.parametrize("scales", [2, 4])
def test_levels_of_which_nothing_counts(rng, downsample, scales):
    """Lonely valid pixels have neighbours at one level and none at another; NaN everywhere else."""
    y_true, y_pred = (np.array(x) for x in images(rng, (3, 34, 40, 2), "float64"))
    mask = np.zeros((3, 34, 40, 1), bool)
    mask[0, ::2, ::2] = True  # at level 1 of "stride" all
    mask[1, 5, 5] = True  # nowhere
    mask[2, :20] = True
    y_true = np.where(mask, y_true, np.nan)
    tensors = map(tf.constant, (y_true, y_pred))
    given = dict(scales=scales, downsample=downsample, mask=tf.constant(mask))
    found, wanted = found_and_wanted(*tensors, **given)
    assert wanted[0][1] == 0 and wanted[0][2] > 0
    assert (wanted[0][0] > 0) == (downsample == "stride")
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-15)
    nothing = gradops.gradient_loss(*tensors_of(y_pred), scales=2, weights=0 * mask[..., :1])
    np.testing.assert_array_equal(nothing, 0)


def tensors_of(y_pred):
    return tf.constant(y_pred), tf.constant(np.where(y_pred > 1, np.nan, y_pred))


@downsamples
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("finest", [1.0, 0.0])
def test_the_gradient_is_rounded_once(rng, downsample, dtype, finest):
    """To the nearest number of the images' type, or the one after it."""
    y_true, y_pred = images(rng, (2, 80, 50, 3), dtype)
    wide = [np.asarray(x, np.float64) for x in (y_true, y_pred)]
    options = dict(scales=3, downsample=downsample, penalty="l2", scale_weights=(finest, 1.0, 1.0))
    _, slopes = gradops.value_and_gradient(y_true, y_pred, reduction="sum", **options)
    wanted = reference.multi_scale_gradients(*wide, **options)[1]
    epsilon = {"float16": 2**-11, "bfloat16": 2**-8, "float32": 2**-20}[dtype]
    bound = 1.01 * epsilon * np.abs(wanted) + 2e-6 * np.abs(wanted).max()
    assert np.all(np.abs(np.asarray(slopes, np.float64) - wanted) <= bound)


@both_backends
@downsamples
def test_value_and_gradient(rng, downsample):
    y_true, y_pred = images(rng, (3, 16, 16, 3))
    for reduction, reduce in [("mean", tf.reduce_mean), ("sum", tf.reduce_sum)]:
        options = dict(scales=2, downsample=downsample)
        loss, slopes = gradops.value_and_gradient(y_true, y_pred, reduction=reduction, **options)
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = reduce(gradops.gradient_loss(y_true, y_pred, **options))
        assert_close(loss, value)
        assert_close(slopes, tape.gradient(value, y_pred))


@both_backends
@pairs_of(
    weights=[(0, 1.0), (0, 0), (0.5, 0, 0, 2.0)],
    shape=[(2, 17, 19, 3), (1, 20, 150, 30)],
    downsample=DOWNSAMPLES,
)
def test_a_level_of_weight_0_is_left_out_whatever_it_holds(rng, weights, shape, downsample):
    y_true, y_pred = (np.array(x) for x in images(rng, shape, tf.float64))
    if downsample == "stride":
        y_pred[0, 5, 5] = np.nan if weights[0] == 0 else 1  # no pixel of the next level
    options = {"scales": len(weights), "downsample": downsample, "scale_weights": weights}
    found, wanted = found_and_wanted(tf.constant(y_true), tf.constant(y_pred), **options)
    assert np.all(np.isfinite(wanted[0]))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@both_backends
def test_one_scale_is_the_loss_itself(rng):
    y_true, y_pred = images(rng, (2, 8, 8, 3))
    found = gradops.gradient_loss(y_true, y_pred, scales=1, scale_weights=[0.5])
    assert_close(found, 0.5 * gradops.gradient_loss(y_true, y_pred))


@pytest.mark.parametrize(
    ("backend", "downsample", "response"),
    [
        ("fused", "stride", "component"),
        ("fused", "average", "magnitude"),
        ("fused", "stride", "normal"),
        ("composite", "average", "component"),
    ],
    indirect=["backend"],
)
def test_second_derivatives(rng, backend, downsample, response):
    """The derivatives of <gradient, direction> by both images, by differences of gradients."""
    shape = (1, 70, 26, 2)
    y_true, y_pred = images(rng, shape)
    direction, other = images(rng, shape)
    options = dict(scales=3, downsample=downsample, penalty="charbonnier", epsilon=0.5)
    options |= {"response": response}
    if response == "magnitude":
        options |= {"response_epsilon": 0.1}

    def along(y_true, y_pred):
        slopes = gradops.value_and_gradient(y_true, y_pred, reduction="sum", **options)[1]
        return tf.reduce_sum(slopes * direction)

    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        value = along(y_true, y_pred)
    by_true, by_pred = tape.gradient(value, [y_true, y_pred])
    step = 1e-5
    for slopes, moved in [(by_true, (1, 0)), (by_pred, (0, 1))]:
        ends = [
            along(y_true + s * moved[0] * other, y_pred + s * moved[1] * other)
            for s in (-step, step)
        ]
        wanted = (ends[1] - ends[0]) / (2 * step)
        np.testing.assert_allclose(tf.reduce_sum(slopes * other), wanted, rtol=1e-6)
