"""Weights and masks through the ops: what a mask hides, what counts nothing, dtypes.

test_ops.py has weights and masks of every kind against the oracle.
"""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, first, images, ops_of, with_parameters
from reference_tools import NORMALIZERS

import gradops
from gradops import reference

SHAPE = (3, 6, 5, 2)
# Every response, and every normalizer.
CASES = [
    ("component", "residuals"),
    ("magnitude", "pixels"),
    ("absolute", "batch"),
    ("direction", "pixels"),
    ("normal", "residual_count"),
    ("sum", "pixel_count"),
]
cases = pytest.mark.parametrize(("response", "normalizer"), CASES)
both_backends = pytest.mark.usefixtures("backend")


def options_of(rng, response, normalizer, channels, kinds="weights mask"):
    """Weights with zeros, and a mask with an invalid pixel in about one in ten."""
    shape = (*SHAPE[:3], channels)
    weights = rng.uniform(0.0, 2.0, shape) * (rng.random(shape) > 0.2)
    maps = {"weights": weights, "mask": rng.random(shape) > 0.1}
    options = {"response": response, "penalty": "charbonnier", "normalizer": normalizer}
    return {**with_parameters(options), **{kind: maps[kind] for kind in kinds.split()}}


@both_backends
def test_the_default_format_of_keras(rng, monkeypatch):
    """data_format=None asks Keras at every call."""
    import keras

    t, p = images(rng, SHAPE)
    options = options_of(rng, "component", "residuals", 1)
    last = gradops.gradient_loss(t, p, **options)
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    options = {k: first(v) if k in ("weights", "mask") else v for k, v in options.items()}
    assert_close(gradops.gradient_loss(first(t), first(p), **options), last)
    assert_close(gradops.image_gradients(first(t)), first(reference.image_gradients(t)))
    np.testing.assert_array_equal(gradops.sobel_edges(t), gradops.sobel_edges(t.numpy()))


@both_backends
@cases
def test_what_a_mask_hides_is_never_looked_at(rng, response, normalizer):
    tensors = images(rng, SHAPE)
    options = options_of(rng, response, normalizer, channels=2)
    results = []
    for nothing in (0.0, np.nan, np.inf, 1e300):
        t, p = (tf.where(options["mask"], x, nothing) for x in tensors)
        with tf.GradientTape() as tape:
            tape.watch([t, p])
            losses = gradops.gradient_loss(t, p, **options)
        results.append([losses, *tape.gradient(losses, [t, p])])
    for hidden in results:
        for seen, unseen in zip(results[0], hidden, strict=True):
            np.testing.assert_array_equal(seen, unseen)
        for gradient in hidden[1:]:
            assert not gradient.numpy()[~options["mask"]].any()


@both_backends
@cases
def test_examples_of_which_nothing_counts(rng, response, normalizer):
    """Loss 0 and gradient 0 where all weights are 0, or no pixel is valid, whatever the images."""
    for kind in ("weights", "mask"):
        check_that_nothing_counts(rng, response, normalizer, kind)


def check_that_nothing_counts(rng, response, normalizer, kind):
    tensors = [x.numpy() for x in images(rng, SHAPE)]
    options = options_of(rng, response, normalizer, 1, kind)
    options[kind][1] = 0
    if kind == "mask":
        tensors[1][1] = np.nan
    loss, gradient = gradops.value_and_gradient(*tensors, reduction="none", **options)
    assert loss[1].numpy() == 0 and not gradient[1].numpy().any()
    assert np.isfinite(loss).all() and loss.numpy().sum() > 0
    assert_close(loss, reference.gradient_loss(*tensors, **options))
    options[kind][:] = 0
    loss, gradient = gradops.value_and_gradient(*tensors, reduction="none", **options)
    assert not loss.numpy().any() and not gradient.numpy().any()


@both_backends
def test_weights_of_any_real_dtype(rng):
    """Converted to the dtype of the loss."""
    t, p = images(rng, SHAPE, "float32")
    for dtype in ("float16", "bfloat16", "float32", "float64", "int32", "bool"):
        weights = tf.cast(rng.integers(0, 3, (*SHAPE[:3], 1)), dtype)
        expected = reference.gradient_loss(t, p, weights=tf.cast(weights, tf.float64).numpy())
        assert_close(gradops.gradient_loss(t, p, weights=weights), expected, "float32")
        value, _ = gradops.value_and_gradient(tf.cast(t, tf.float16), p, weights=weights)
        assert value.dtype == tf.float32


@both_backends
def test_weights_of_ones_and_a_mask_of_trues_change_nothing(rng):
    t, p = images(rng, SHAPE)
    for options in ({}, {"response": "magnitude", "border": "valid", "stencil": "central"}):
        plain = gradops.value_and_gradient(t, p, **options)
        given = gradops.value_and_gradient(
            t, p, weights=np.ones(SHAPE), mask=np.ones(SHAPE, bool), **options
        )
        for ours, theirs in zip(given, plain, strict=True):
            assert_close(ours, theirs)


def test_maps_are_no_reason_for_another_op(rng):
    images = tf.TensorSpec([2, 4, 4, 1])
    mask = tf.TensorSpec([2, 4, 4, 1], tf.bool)

    @tf.function
    def step(t, p, weights, mask):
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss = tf.reduce_mean(gradops.gradient_loss(t, p, weights=weights, mask=mask))
        return tape.gradient(loss, p)

    assert ops_of(step, images, images, images, mask) == ["Gradops>LossMemo", "Gradops>LossGrad"]


@both_backends
@cases
def test_what_has_weight_0_is_never_looked_at(rng, response, normalizer):
    """Like what a mask hides, in losses, gradients and second derivatives, plain and by XLA."""
    tensors = images(rng, SHAPE)
    bad = np.zeros((*SHAPE[:3], 1), bool)
    bad[0, 2, 2], bad[1, 0, 0], bad[2, :, 3:] = True, True, True
    reached = tf.nn.max_pool2d(tf.cast(bad, tf.float64), 3, 1, "SAME") > 0
    weights = tf.where(reached, tf.zeros([], tf.float64), rng.uniform(0.5, 2, (*SHAPE[:3], 1)))
    options = {"response": response, "penalty": "charbonnier", "normalizer": normalizer}

    def everything(t, p):
        with tf.GradientTape() as outer:
            outer.watch(p)
            with tf.GradientTape() as inner:
                inner.watch([t, p])
                loss = gradops.gradient_loss(t, p, weights=weights, **options)
            by_true, by_pred = inner.gradient(loss, [t, p])
            along = tf.reduce_sum(by_pred * tensors[0])
        return loss, by_true, by_pred, outer.gradient(along, p)

    for call in (everything, tf.function(everything, jit_compile=True)):
        wanted = call(*tensors)
        assert all(np.isfinite(x).all() for x in wanted)
        for nothing in (np.nan, np.inf, 1e300):
            found = call(*(tf.where(bad, tf.constant(nothing, x.dtype), x) for x in tensors))
            for ours, theirs in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@both_backends
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_what_a_mask_hides_dilutes_nothing(rng, normalizer):
    """A patch of 8 x 8 has the same loss in hidden images of any size."""
    patch, found = rng.random((2, 1, 8, 8, 1)), []
    for size in (16, 64):
        begin = size // 2 - 4
        t, p = np.full((2, 2, size, size, 1), np.nan)  # the second example is hidden altogether
        for image, values in zip((t, p), patch, strict=True):
            image[:1, begin : begin + 8, begin : begin + 8] = values
        options = {"mask": np.isfinite(t), "normalizer": normalizer}
        found.append(gradops.gradient_loss(t, p, **options))
        _, counts = gradops.gradient_sums(t, p, mask=options["mask"])
        np.testing.assert_array_equal(counts, [[36, 36], [0, 0]])
    np.testing.assert_allclose(*found, rtol=1e-13)
    inner = gradops.gradient_loss(*patch, border="valid", normalizer=normalizer)
    # Under normalizer batch, the mean over both examples is that of the patch.
    expected = [2 * inner[0] if normalizer == "batch" else inner[0], 0]
    np.testing.assert_allclose(found[0], expected, rtol=1e-13)


@both_backends
def test_a_divisor_of_0_where_residuals_have_weights():
    """The pixels that count have weight 0, a pixel that does not count, between them, has not."""
    t, p = np.full((2, 1, 3, 3, 1), np.nan)
    mask, weights = np.ones((1, 3, 3, 1), bool), np.zeros((1, 3, 3, 1))
    mask[0, 1, 1], weights[0, 1, 1] = False, 1
    options = {"stencil": "central", "normalizer": "pixels", "mask": mask, "weights": weights}
    loss, gradient = gradops.value_and_gradient(t, p, **options)
    assert loss == 0 and not np.any(gradient)
