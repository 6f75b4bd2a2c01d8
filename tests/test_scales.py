"""Losses over several scales, against matrices that take the levels from the images."""

import keras
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


@both_backends
@pairs_of(downsample=DOWNSAMPLES, data_format=DATA_FORMATS, channels=[1, 2], normalizer=NORMALIZERS)
def test_weights_and_masks(rng, downsample, data_format, channels, normalizer):
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


@pairs_of(downsample=DOWNSAMPLES, pixel=[(8, 8), (9, 8), (31, 17)], value=[np.nan, np.inf])
def test_nan_reaches_the_same_pixels(rng, downsample, pixel, value):
    y_true, y_pred = (np.array(x) for x in images(rng, (2, 40, 36, 3), "float64"))
    y_pred[(1, *pixel, 1)] = value
    options = dict(scales=3, downsample=downsample, penalty="l2")
    found, wanted = found_and_wanted(tf.constant(y_true), tf.constant(y_pred), **options)
    assert np.sum(~np.isfinite(found[1])) > 4
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-15)


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


@downsamples
def test_memo_with_other_upstreams(rng, downsample):
    """The kept gradient serves the mean; other upstream gradients are found again."""
    y_true, y_pred = images(rng, (3, 70, 40, 3), "float32")
    options = dict(scales=3, downsample=downsample)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred, **options)
        values = [tf.reduce_mean(losses), tf.reduce_sum(losses * [1e-30, 0.0, 2.0])]
    _, of_mean = gradops.value_and_gradient(y_true, y_pred, **options)
    np.testing.assert_array_equal(tape.gradient(values[0], y_pred), of_mean)
    _, of_sum = gradops.value_and_gradient(y_true, y_pred, reduction="sum", **options)
    found = tape.gradient(values[1], y_pred)
    np.testing.assert_array_equal(found[1], 0)
    assert_close(found[2], 2 * of_sum[2], "float32")


@downsamples
def test_xla_and_vectorized_map_have_the_same_bits(rng, downsample):
    y_true, y_pred = images(rng, (4, 2, 20, 24, 3), "float32")

    def step(y_true, y_pred):
        return gradops.value_and_gradient(
            y_true, y_pred, reduction="sum", scales=2, downsample=downsample
        )

    wanted = step(y_true[0], y_pred[0])
    jitted = tf.function(step, jit_compile=True)
    text = jitted.experimental_get_compiler_ir(y_true[0], y_pred[0])(stage="hlo")
    assert text.count("custom_call_target=") == 2 and "gradops" in text
    mapped = tf.vectorized_map(lambda pair: step(*pair), (y_true, y_pred))
    for ours, of_map, theirs in zip(jitted(y_true[0], y_pred[0]), mapped, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(of_map[0], theirs)


@downsamples
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32])
def test_narrow_types(rng, dtype, downsample):
    y_true, y_pred = images(rng, (2, 18, 22, 3), dtype)
    losses = gradops.gradient_loss(y_true, y_pred, scales=3, downsample=downsample)
    wide = [np.asarray(x, np.float64) for x in (y_true, y_pred)]
    wanted = reference.multi_scale_loss(*wide, scales=3, downsample=downsample)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("backend", "downsample", "jit"),
    [
        ("fused", "stride", True),
        ("fused", "average", False),
        ("composite", "stride", False),
        ("composite", "average", True),
    ],
    indirect=["backend"],
)
def test_in_a_graph(rng, backend, downsample, jit):
    """Also of sizes that it does not know."""
    y_true, y_pred = images(rng, (2, 17, 19, 3))

    def step(y_true, y_pred):
        options = dict(scales=3, downsample=downsample)
        return gradops.value_and_gradient(y_true, y_pred, **options)

    spec = None if jit else [tf.TensorSpec([None] * 4, tf.float64)] * 2
    compiled = tf.function(step, jit_compile=jit, input_signature=spec)
    for ours, theirs in zip(compiled(y_true, y_pred), step(y_true, y_pred), strict=True):
        assert_close(ours, theirs)


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


@both_backends
@downsamples
def test_keras_loss(rng, downsample):
    y_true, y_pred = images(rng, (4, 16, 12, 3), "float32")
    options = dict(scales=3, downsample=downsample, scale_weights=[1.0, 0.5, 0.25])
    loss = gradops.SobelLoss("l2", weight=2.0, **options)
    wanted = gradops.gradient_loss(y_true, y_pred, penalty="l2", **options)
    assert_close(loss(y_true, y_pred), 2 * tf.reduce_mean(wanted), "float32")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert_close(again(y_true, y_pred), loss(y_true, y_pred), "float32")
    holes = tf.where(y_true > 0.9, np.nan, y_true)
    of_holes = gradops.SobelLoss(mask="finite", **options)(holes, y_pred)
    mask = tf.math.is_finite(holes)
    wanted = gradops.gradient_loss(holes, y_pred, mask=mask, **options)
    assert_close(of_holes, tf.reduce_mean(wanted), "float32")


@both_backends
def test_videos(rng):
    y_true, y_pred = images(rng, (2, 3, 12, 12, 1))
    losses = gradops.gradient_loss(y_true, y_pred, scales=2)
    assert losses.shape == [2, 3]
    assert_close(losses[1], gradops.gradient_loss(y_true[1], y_pred[1], scales=2))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scales": 0}, "scales must be an integer from 1 to 16, got 0"),
        ({"scales": 2.0}, "scales must be an integer from 1 to 16, got 2.0"),
        ({"scales": 17}, "scales must be an integer from 1 to 16, got 17"),
        ({"downsample": "max"}, "downsample must be one of 'stride', 'average', got 'max'"),
        ({"scales": 2, "scale_weights": [1.0]}, "scale_weights must be 2 finite numbers"),
        ({"scales": 2, "scale_weights": [1, -1]}, "scale_weights must be 2 finite numbers"),
        ({"scales": 1, "scale_weights": [float("nan")]}, "scale_weights must be 1 finite numbers"),
        ({"scales": 1, "scale_weights": 3.0}, r"scale_weights must be 1 .* got 3\.0"),
    ],
)
def test_bad_options(options, message):
    image = tf.zeros([1, 8, 8, 1])
    with pytest.raises(ValueError, match=message):
        gradops.gradient_loss(image, image, **options)
    with pytest.raises(ValueError, match=message):
        gradops.SobelLoss(**options)


@both_backends
@pytest.mark.parametrize(
    "downsample, border, least", [("stride", "reflect", 9), ("average", "reflect", 16)]
)
def test_too_many_scales(downsample, border, least):
    options = dict(scales=4, downsample=downsample, border=border)
    gradops.gradient_loss(tf.zeros([1, least, least, 1]), tf.zeros([1, least, least, 1]), **options)
    small = tf.zeros([1, 30, least - 1, 1])
    message = (
        f"y_pred is too small for scales=4 with downsample '{downsample}': .* at least {least}, "
        f"got height 30 and width {least - 1}"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        gradops.gradient_loss(small, small, **options)
    with pytest.raises(ValueError, match=message):
        tf.function(gradops.gradient_loss).get_concrete_function(small, small, **options)
    unknown = tf.function(
        lambda x: gradops.gradient_loss(x, x, **options),
        input_signature=[tf.TensorSpec([None] * 4)],
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="y_pred is too small"):
        unknown(small)
