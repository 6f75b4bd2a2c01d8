"""The term of the pixels, which the kernels take in the same pass, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, images, pairs_of
from preset_tools import step as step_of

import gradops
from gradops import _backend, presets, reference

# Rows of whole lines of memory, and not; a channel; more channels than a tile has.
SHAPES = [(2, 130, 64, 1), (2, 71, 33, 3), (1, 12, 9, 30)]
OPTIONS = [
    {},
    {"stencil": "forward", "border": "valid", "normalizer": "pixels"},
    {"response": "magnitude", "response_epsilon": 0.1, "normalizer": "batch"},
    {"stencil": "central", "border": "circular", "penalty": "huber", "delta": 0.3, "scale": "unit"},
    {"response": "normal", "scales": 2, "downsample": "average", "scale_weights": [1.0, 0.5]},
    {"scales": 2, "scale_weights": [0.0, 2.0]},
    {"stencil": "backward", "normalizer": "residual_count", "penalty": "l2"},
    {"stencil": "laplace8", "normalizer": "pixel_count", "scales": 2, "response": "sum"},
]
BACKENDS = ["fused", "composite"]
both_backends = pytest.mark.usefixtures("backend")
PIXELS = {"pixel_weight": 1.7, "gradient_weight": 0.3}


MEMBERS = list(range(len(OPTIONS)))


def mean_absolute(y_true, y_pred, weights, mask, normalizer, pixel_weight):
    """pixel_weight sum w |d| / D and its slopes by y_pred, one example's loss each."""
    factors = np.broadcast_to(1.0 if weights is None else weights, y_pred.shape)
    factors = factors * (True if mask is None else mask)
    d = np.where(factors > 0, y_pred - y_true, 0)
    counted = factors
    if normalizer in ("residual_count", "pixel_count"):
        counted = np.broadcast_to(True if mask is None else mask, y_pred.shape)
    divisor = counted.sum(axis=(1, 2, 3)).astype(float)
    if normalizer == "batch":
        divisor = np.full_like(divisor, divisor.mean())
    factors = np.divide(
        pixel_weight * factors,
        divisor[:, None, None, None],
        out=np.zeros_like(factors),
        where=factors > 0,
    )
    return (factors * np.abs(d)).sum(axis=(1, 2, 3)), factors * np.sign(d)


def check(y_true, y_pred, pixel_weight=1.0, gradient_weight=1.0, **options):
    """Losses and both gradients are those of the oracle, with upstream gradients that differ."""
    upstream = np.linspace(0.5, 2, y_pred.shape[0])
    y_true, y_pred = tf.constant(y_true), tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred])
        losses = presets.pixel_and_gradient(
            y_true, y_pred, pixel_weight=pixel_weight, gradient_weight=gradient_weight, **options
        )
        total = tf.reduce_sum(losses * tf.cast(upstream, losses.dtype))
    by_true, by_pred = tape.gradient(total, [y_true, y_pred])
    y_true, y_pred = y_true.numpy(), y_pred.numpy()
    pixels, slopes = mean_absolute(
        y_true,
        y_pred,
        options.get("weights"),
        options.get("mask"),
        options.get("normalizer"),
        pixel_weight,
    )
    slopes *= upstream[:, None, None, None]
    gradients = reference.multi_scale_loss(y_true, y_pred, **options)
    wanted = reference.multi_scale_gradients(y_true, y_pred, upstream, **options)
    close = dict(rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(losses, pixels + gradient_weight * gradients, **close)
    np.testing.assert_allclose(by_pred, slopes + gradient_weight * wanted[1], **close)
    np.testing.assert_allclose(by_true, gradient_weight * wanted[0] - slopes, **close)
    return losses.numpy(), by_pred.numpy()


@pairs_of(shape=SHAPES, member=MEMBERS, backend=BACKENDS)
def test_against_the_oracle(rng, backend, shape, member):
    y_true, y_pred = rng.normal(size=(2, *shape))
    y_pred[:, 3] = y_true[:, 3]  # where the slope is 0
    check(y_true, y_pred, **PIXELS, **OPTIONS[member])


@pairs_of(member=MEMBERS, maps=["mask", "weights", "both"], channels=[1, 3], backend=BACKENDS)
def test_weights_and_masks(rng, backend, member, maps, channels):
    """What a mask hides, or a weight of 0 in the pixels, may be NaN."""
    shape = (3, 71, 64, 3)
    y_true, y_pred = rng.normal(size=(2, *shape))
    given = {}
    if maps != "weights":
        given["mask"] = rng.random((*shape[:3], channels)) > 0.1
        given["mask"][2] = False
        y_true = np.where(given["mask"], y_true, np.nan)
    if maps != "mask":
        given["weights"] = rng.uniform(0, 2, (*shape[:3], channels))
        given["weights"][0, :5] = 0
    check(y_true, y_pred, **PIXELS, **given, **OPTIONS[member])


@both_backends
def test_pixels_of_weight_0_are_not_looked_at(rng):
    y_true, y_pred = rng.random((2, 2, 11, 14, 3))
    weights = (rng.random((2, 11, 14, 1)) < 0.8).astype(float)
    run = step_of(presets.pixel_and_gradient, {"gradient_weight": 0.0, "weights": weights})
    spoilt = np.where(weights > 0, y_true, np.nan)
    outcomes = (run(tf.constant(target), tf.constant(y_pred)) for target in (y_true, spoilt))
    for one, other in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(one, other)


@both_backends
def test_where_pixels_are_valid_and_no_residual_counts(rng):
    """Every second pixel: each is valid, and none of them has a stencil of valid pixels."""
    shape = (2, 9, 8, 2)
    rows, columns = np.indices(shape[1:3])
    mask = np.broadcast_to(((rows % 2 == 0) & (columns % 2 == 0))[None, ..., None], (2, 9, 8, 1))
    y_true, y_pred = rng.normal(size=(2, *shape))
    y_true = np.where(mask, y_true, np.nan)
    weights = np.broadcast_to(rng.uniform(0.5, 2, (2, 9, 8, 1)), (2, 9, 8, 1))
    losses, by_pred = check(y_true, y_pred, mask=mask, weights=weights, **PIXELS)
    assert (losses > 0).all()
    assert (by_pred != 0).sum() == 2 * 5 * 4 * 2
    check(y_true, y_pred, mask=mask, weights=weights, scales=2, **PIXELS)


@both_backends
@pytest.mark.parametrize("response", ["component", "magnitude"])
def test_second_derivatives(rng, response):
    """<gradient, direction> by both images and by the upstream gradient, by differences."""
    y_true, y_pred, direction, other = (tf.constant(x) for x in rng.normal(size=(4, 2, 40, 24, 3)))
    options = dict(penalty="charbonnier", epsilon=0.5, response=response, **PIXELS)
    if response == "magnitude":
        options |= {"response_epsilon": 0.1}
    upstream = tf.constant([0.5, 2.0], tf.float64)

    def along(y_true, y_pred, upstream):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            losses = presets.pixel_and_gradient(y_true, y_pred, **options)
            total = tf.reduce_sum(losses * upstream)
        return tf.reduce_sum(tape.gradient(total, y_pred) * direction)

    with tf.GradientTape() as tape:
        tape.watch([y_true, y_pred, upstream])
        value = along(y_true, y_pred, upstream)
    slopes = tape.gradient(value, [y_true, y_pred, upstream])
    moves = [(other, 0, 0), (0, other, 0), (0, 0, tf.constant([1.0, -0.5], tf.float64))]
    for slope, move in zip(slopes, moves, strict=True):
        step = 1e-6
        low, high = (
            along(y_true + s * move[0], y_pred + s * move[1], upstream + s * move[2])
            for s in (-step, step)
        )
        moved = next(part for part in move if tf.is_tensor(part))
        wanted = (high - low) / (2 * step)
        np.testing.assert_allclose(tf.reduce_sum(slope * moved), wanted, rtol=1e-6)


# TensorFlow's own ops add gradients that were rounded.
# A half unit in the last place; float16's smallest steps are absolute ones.
@pytest.mark.parametrize(
    "dtype, rtol, atol", [("float16", 2**-11, 2**-25), ("bfloat16", 2**-8, 0), ("float32", 0, 1e-9)]
)
def test_dtypes(rng, dtype, rtol, atol):
    """A sum that is rounded once."""
    y_true, y_pred = images(rng, (2, 40, 64, 3), dtype)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = presets.pixel_and_gradient(y_true, y_pred, **PIXELS)
    gradient = tape.gradient(losses, y_pred)
    wide = [x.numpy().astype(np.float64) for x in (y_true, y_pred)]
    pixels, slopes = mean_absolute(*wide, None, None, None, PIXELS["pixel_weight"])
    weight = PIXELS["gradient_weight"]
    assert_close(losses, pixels + weight * reference.multi_scale_loss(*wide), "float32")
    assert gradient.dtype == dtype
    of_residuals = reference.multi_scale_gradients(*wide, np.ones(2))[1]
    wanted = slopes + weight * of_residuals
    # In float32, in which it is computed, what cancels leaves that much more.
    np.testing.assert_allclose(
        gradient.numpy().astype(np.float64), wanted, rtol=1.01 * rtol, atol=atol + 1e-10
    )


@both_backends
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_weights_of_0_leave_a_term_out(rng, weights):
    pixel_weight, gradient_weight = weights
    y_true, y_pred = rng.normal(size=(2, 2, 9, 8, 1))
    check(y_true, y_pred, pixel_weight=pixel_weight, gradient_weight=gradient_weight)


@both_backends
def test_a_nan_stays_where_it_reaches(rng):
    y_true, y_pred = rng.normal(size=(2, 2, 20, 64, 1))
    y_pred[0, 10, 30] = np.nan
    with tf.GradientTape() as tape:
        tape.watch(image := tf.constant(y_pred))
        losses = presets.pixel_and_gradient(y_true, image)
    gradient = tape.gradient(losses, image)
    assert np.isnan(losses).tolist() == [True, False]
    touched = np.isnan(gradient[0, ..., 0])
    assert touched[10, 30] and not touched[:8].any() and not touched[13:].any()


def test_one_op(rng, monkeypatch):
    """One op of one pass, eager, in a graph and under XLA; where that cannot be, the same."""
    y_true, y_pred = images(rng, (2, 24, 32, 3), "float32")

    def step(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            losses = presets.pixel_and_gradient(y_true, y_pred, **PIXELS)
            loss = tf.reduce_mean(losses)
        return losses, tape.gradient(loss, y_pred)

    graph = tf.function(step)
    ops = {op.type for op in graph.get_concrete_function(y_true, y_pred).graph.get_operations()}
    assert "Gradops>LossMemo" in ops and "Abs" not in ops
    eager = step(y_true, y_pred)
    for other in (graph, tf.function(step, jit_compile=True)):
        for ours, theirs in zip(eager, other(y_true, y_pred), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    monkeypatch.setattr(_backend, "takes_scales", lambda: False)
    for ours, theirs in zip(eager, step(y_true, y_pred), strict=True):
        assert_close(ours, theirs, "float32")


@pytest.mark.parametrize("text", ["-1", "nan", "x"])
def test_the_op_refuses_weights(text):
    image, none = tf.zeros([1, 4, 4, 1]), tf.zeros([0])
    op = gradops._library.ops().gradops_loss
    with pytest.raises(tf.errors.InvalidArgumentError, match="pixel_weight must be a finite"):
        op(image, image, none, tf.zeros([0], tf.bool), pixel_weight=text)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no pixel_weight, got 1 scales"):
        op(image, image, none, tf.zeros([0], tf.bool), pixel_weight="1", normalizer="none")
