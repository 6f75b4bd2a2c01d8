"""The loss of predicted confidences: what it promises beyond its definition, and its errors."""

import numpy as np
import preset_references_confidence as references
import pytest
import tensorflow as tf
from preset_tools import tolerance

from gradops import presets

SMALL = np.full((2, 9, 12, 3), 2.0, "float32")
CONFIDENCE = np.ones(SMALL.shape[:3], "float32")
OF_Y_PRED = "confidence must have the batch, height and width of y_pred, got "
either = (ValueError, tf.errors.InvalidArgumentError)


def example(rng, shape=(2, 19, 22, 2), dtype="float64"):
    """A target, a prediction and a confidence without the axis of channels."""
    target, prediction = rng.standard_normal((2, *shape))
    confidence = 0.2 + rng.gamma(2.0, size=shape[:-1])
    return [tf.constant(x, dtype) for x in (target, prediction, confidence)]


def gradients(function, tensors):
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        losses = function(*tensors)
    return losses, tape.gradient(losses, tensors)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("normalizer", ["image", "batch"])
def test_gradients_by_all_three(rng, normalizer):
    """Beside those of the definition, with holes; those by the confidence are 0 in holes."""
    tensors = example(rng)
    mask = rng.random((2, 19, 22, 1)) < 0.8
    options = {"mask": mask, "normalizer": normalizer, "delta": 0.7, "gamma": 0.6}
    ours = gradients(lambda *x: presets.confidence_weighted(*x, **options), tensors)
    theirs = gradients(lambda *x: references.confidence_weighted(*x, **options), tensors)
    allowed = tolerance(mask.size, "float64")
    for one, other in zip([ours[0], *ours[1]], [theirs[0], *theirs[1]], strict=True):
        np.testing.assert_allclose(one, other, rtol=allowed, atol=allowed)
    np.testing.assert_array_equal(tf.boolean_mask(ours[1][2], ~mask[..., 0]), 0)


def test_forms_of_the_confidence(rng):
    """[B, H, W], [B, H, W, 1] and the last channel of predictions, in both data formats."""
    target, prediction, confidence = example(rng)
    losses = presets.confidence_weighted(target, prediction, confidence)
    stacked = tf.concat([prediction, confidence[..., None]], -1)
    first = [tf.transpose(x, [0, 3, 1, 2]) for x in (target, prediction, stacked)]
    first_options = {"data_format": "channels_first"}
    for found in (
        presets.confidence_weighted(target, prediction, confidence[..., None]),
        presets.confidence_weighted(target, stacked),
        presets.confidence_weighted(*first[:2], confidence, **first_options),
        presets.confidence_weighted(*first[:2], confidence[:, None], **first_options),
        presets.confidence_weighted(first[0], first[2], **first_options),
        presets.confidence_weighted(*(x[None] for x in (target, prediction, confidence)))[0],
    ):
        np.testing.assert_allclose(found, losses, rtol=1e-14)


def test_confidence_where_nothing_is_known():
    """In VGGT's form holes are certain at a profit; by default nothing there counts."""
    depth = tf.zeros([1, 16, 16, 1], tf.float64)
    mask = np.ones((1, 16, 16, 1), bool)
    mask[:, 4:12, 4:12] = False
    sure = tf.where(mask[..., 0], tf.ones([1, 16, 16], tf.float64), 1e6)
    ones, form = tf.ones_like(sure), presets.confidence_weighted
    np.testing.assert_array_equal(form(depth, depth, sure, mask=mask), [0])
    assert form(depth, depth, sure, mask=mask, log_pairs="all") < -1
    np.testing.assert_array_equal(form(depth, depth, ones, mask=mask, log_pairs="all"), [0])


@pytest.mark.parametrize("log_pairs", ["valid", "all"])
def test_levels_without_a_pair(log_pairs):
    """Valid pixels with no valid neighbour have no differences; those of no level are no loss."""
    depth = tf.random.stateless_normal([1, 9, 9, 1], [1, 2], dtype=tf.float64)
    mask = np.zeros((1, 9, 9, 1), bool)
    mask[:, 1::2, 1::2] = True  # none of them is in a further level
    confidence = tf.fill([1, 9, 9], tf.constant(2.0, tf.float64))
    options = {"mask": mask, "pixel_weight": 0, "log_pairs": log_pairs}
    losses, by_all = gradients(
        lambda *x: presets.confidence_weighted(*x, **options), [depth, 2 * depth, confidence]
    )
    pairs = 0 if log_pairs == "valid" else 2 * 8 * 9
    np.testing.assert_allclose(losses, [-0.2 * np.log(2) * pairs / 16 / 4], rtol=1e-12)
    assert all(np.isfinite(gradient).all() for gradient in by_all)


CONFIDENCES = {
    "one example": (CONFIDENCE[:1], rf"{OF_Y_PRED}\[1,9,12,1\] and \[2,9,12,3\]"),
    "one row": (CONFIDENCE[:, :1], rf"{OF_Y_PRED}\[2,1,12,1\] and \[2,9,12,3\]"),
    "one number": (np.ones((1, 1, 1, 1)), rf"{OF_Y_PRED}\[1,1,1,1\]"),
    "images": (np.ones(SMALL.shape), r"confidence must have 1 channel, got shape \[2,9,12,3\]"),
    "ranks": (np.ones((9, 12)), r"confidence must have rank 4 .*got shape \[9,12\]"),
    "a scalar": (1.0, r"confidence must have rank 4 .*got shape \[\]"),
    "a vector": (np.ones(2), r"confidence must have rank 4, got shape \[2\]"),
    "dtype": (np.ones(SMALL.shape[:3], "complex64"), "confidence must have a real dtype"),
}


@pytest.mark.parametrize("case", CONFIDENCES)
def test_confidences_of_other_shapes(case):
    """Those that arithmetic would broadcast are refused too, also if the graph knew no sizes."""
    confidence, message = CONFIDENCES[case]
    call = presets.confidence_weighted
    with pytest.raises(either, match=message):
        call(SMALL, SMALL, confidence)
    confidence = tf.constant(confidence)
    specs = [tf.TensorSpec(SMALL.shape)] * 2
    with pytest.raises(ValueError, match=message.replace(",", ",? ?")):
        tf.function(call).get_concrete_function(
            *specs, tf.TensorSpec(confidence.shape, confidence.dtype)
        )
    if case in ("one example", "one row", "one number"):
        unknown = tf.TensorSpec([None] * confidence.shape.rank, confidence.dtype)
        with pytest.raises(either, match=OF_Y_PRED[:-6]):
            tf.function(call, [*specs, unknown])(SMALL, SMALL, confidence)


def test_predictions_without_the_channel_of_their_confidence():
    message = r"y_pred must have one channel more than y_true, the confidence, got \[2,9,12,3\] and"
    for target in (SMALL, SMALL[..., :1]):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            presets.confidence_weighted(target, SMALL)
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            presets.ConfidenceWeightedLoss()(target, SMALL)
    first = [SMALL.transpose(0, 3, 1, 2)] * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="one channel more than y_true"):
        presets.confidence_weighted(*first, data_format="channels_first")
    with pytest.raises(ValueError, match="pixel_weight and gradient_weight must be above 0, got 0"):
        presets.confidence_weighted(SMALL, SMALL, CONFIDENCE, pixel_weight=0, gradient_weight=0)


@pytest.mark.parametrize("value", [0.0, -0.5, np.nan])
@pytest.mark.parametrize("where", ["a valid pixel", "a hole"])
def test_confidences_that_have_no_logarithm(value, where):
    """XLA drops assertions: the loss of the example is NaN. Holes need a confidence for "all"."""
    confidence, mask = np.full((2, 9, 12, 1), 2.0, "float32"), np.ones((2, 9, 12, 1), bool)
    confidence[1, 3, 4] = value
    mask[1, 3, 4] = where == "a valid pixel"

    def call(confidence, log_pairs):
        return presets.confidence_weighted(
            SMALL, SMALL, confidence, mask=mask, scales=2, log_pairs=log_pairs
        )

    for log_pairs, at in (("valid", "valid pixel"), ("all", "pixel")):
        graph = tf.function(lambda c, log_pairs=log_pairs: call(c, log_pairs))
        compiled = tf.function(graph, jit_compile=True)
        if (where, log_pairs) == ("a hole", "valid"):
            for each in (graph, compiled, lambda c: call(c, "valid")):
                assert np.isfinite(each(tf.constant(confidence))).all()
            continue
        for each in (graph, lambda c, log_pairs=log_pairs: call(c, log_pairs)):
            message = f"confidence must be above 0 at every {at}, got"
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                each(tf.constant(confidence))
        losses = compiled(tf.constant(confidence)).numpy()
        assert np.isnan(losses[1]) and np.isfinite(losses[0])
