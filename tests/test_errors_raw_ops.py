"""The raw ops check for themselves, in eager mode and in graphs."""

import numpy as np
import pytest
import tensorflow as tf

from gradops import _library

IMAGES = tf.zeros([2, 4, 5, 3])
VECTOR = tf.ones([2])
WEIGHTS = tf.ones([2, 4, 5, 1])
NO_WEIGHTS, NO_MASK = tf.zeros([0]), tf.zeros([0], tf.bool)
MAPS = NO_WEIGHTS, NO_MASK


def loss(y_true=IMAGES, y_pred=IMAGES, weights=NO_WEIGHTS, mask=NO_MASK, **attributes):
    return _library.ops().gradops_loss(y_true, y_pred, weights, mask, **attributes)


def memo(expected, **attributes):
    return _library.ops().gradops_loss_memo(IMAGES, IMAGES, *MAPS, expected, **attributes)


def grad(memo=IMAGES, expected=VECTOR, upstream=VECTOR, **attributes):
    return _library.ops().gradops_loss_grad(
        IMAGES, IMAGES, *MAPS, memo, expected, upstream, **attributes
    )


def second(vector=IMAGES, upstream=VECTOR, **attributes):
    return _library.ops().gradops_loss_grad_grad(
        IMAGES, IMAGES, *MAPS, vector, upstream, wants_true=False, **attributes
    )


def weights_grad(weights=WEIGHTS, memo=NO_WEIGHTS, expected=VECTOR, upstream=VECTOR, **attributes):
    return _library.ops().gradops_loss_weights_grad(
        IMAGES, IMAGES, weights, NO_MASK, memo, expected, upstream, **attributes
    )


def counts_grad(upstream, weights=WEIGHTS, **attributes):
    return _library.ops().gradops_loss_counts_grad(
        IMAGES, IMAGES, weights, NO_MASK, upstream, **attributes
    )


def of_images(name, *args, **attributes):
    return getattr(_library.ops(), f"gradops_{name}")(*args, **attributes)


LOSS_LIKE = r" must be a scalar or have the shape of the loss, \[2\], got "
SUMS_LIKE = LOSS_LIKE.replace("2", "2,2")
ABOVE_0 = r"penalty_parameter must be a finite number above 0, got "
AT_LEAST_0 = r"response_epsilon must be a finite number of at least 0, got "
CASES = {
    "mismatched dtypes": (
        lambda: loss(IMAGES, tf.cast(IMAGES, tf.float64)),
        "float tensor but is a double tensor|type float64 that does not match type float32",
    ),
    "wrong loss type": (
        lambda: loss(weights=tf.zeros([0], tf.float64), y_pred=IMAGES),
        "Tloss must be float32 for images of float32, got float64",
    ),
    "mask of numbers": (
        lambda: loss(mask=tf.zeros([0])),
        "bool tensor but is a float tensor|float32 that does not match expected type of bool",
    ),
    "unknown penalty": (lambda: loss(penalty="l3"), "penalty.*l3.* not in"),
    "unknown normalizer": (lambda: loss(normalizer="median"), "normalizer.*median.* not in"),
    "parameter: no number": (lambda: loss(penalty_parameter="wide"), ABOVE_0 + "'wide'"),
    "parameter: rest": (lambda: loss(penalty_parameter="1.5x"), ABOVE_0 + "'1.5x'"),
    "parameter: two": (lambda: loss(penalty_parameter="1 2"), ABOVE_0 + "'1 2'"),
    "parameter: comma": (lambda: loss(penalty_parameter="1,5"), ABOVE_0 + "'1,5'"),
    "parameter: zero": (lambda: loss(penalty_parameter="0"), ABOVE_0 + "'0'"),
    "parameter: negative": (lambda: grad(penalty_parameter="-1"), ABOVE_0 + "'-1'"),
    "parameter: nan": (lambda: second(penalty_parameter="nan"), ABOVE_0 + "'nan'"),
    "parameter: inf": (lambda: memo(VECTOR, penalty_parameter="inf"), ABOVE_0 + "'inf'"),
    "parameter: too large": (lambda: loss(penalty_parameter="1e999"), ABOVE_0 + "'1e999'"),
    "epsilon: negative": (lambda: loss(response_epsilon="-1e-9"), AT_LEAST_0 + "'-1e-9'"),
    "epsilon: no number": (
        lambda: of_images("gradient_magnitude", IMAGES, response_epsilon="?"),
        AT_LEAST_0 + r"'\?'",
    ),
    "expected": (lambda: memo(tf.ones([3])), "expected" + LOSS_LIKE + r"\[3\]"),
    "expected of rank 2": (lambda: memo(tf.ones([2, 1])), "expected" + LOSS_LIKE + r"\[2,1\]"),
    "expected of sums": (
        lambda: memo(VECTOR, normalizer="none"),
        "expected" + SUMS_LIKE + r"\[2\]",
    ),
    "upstream": (lambda: grad(upstream=tf.ones([5])), "upstream" + LOSS_LIKE + r"\[5\]"),
    "upstream of sums": (
        lambda: grad(upstream=tf.ones([2, 1]), expected=tf.ones([]), normalizer="none"),
        "upstream" + SUMS_LIKE + r"\[2,1\]",
    ),
    "upstream of the second": (
        lambda: second(upstream=tf.ones([5])),
        "upstream" + LOSS_LIKE + r"\[5\]",
    ),
    "memo": (
        lambda: grad(memo=IMAGES[:1]),
        r"memo and y_pred must have the same shape, got \[1,4,5,3\] and \[2,4,5,3\]",
    ),
    "weights_memo": (
        lambda: weights_grad(memo=WEIGHTS[:1]),
        r"weights_memo must have the shape of weights, \[2,4,5,1\], got \[1,4,5,1\]",
    ),
    "weights_memo of every channel": (
        lambda: weights_grad(memo=IMAGES),
        r"weights_memo must have the shape of weights, \[2,4,5,1\], got \[2,4,5,3\]",
    ),
    "no weights to differentiate by": (
        lambda: weights_grad(weights=NO_WEIGHTS),
        "weights must be given, got none",
    ),
    "no weights that are counted": (
        lambda: counts_grad(tf.ones([2, 2]), weights=NO_WEIGHTS),
        "weights must be given, got none",
    ),
    "negative weights": (lambda: weights_grad(-WEIGHTS), "weights must be non-negative, got a neg"),
    "expected of weights": (
        lambda: weights_grad(expected=tf.ones([3])),
        "expected" + LOSS_LIKE + r"\[3\]",
    ),
    "upstream of weights": (
        lambda: weights_grad(upstream=tf.ones([5])),
        "upstream" + LOSS_LIKE + r"\[5\]",
    ),
    "upstream of counts": (
        lambda: counts_grad(VECTOR),
        r"upstream must have the shape of the counts, \[2,2\], got \[2\]",
    ),
    "upstream of joint counts": (
        lambda: counts_grad(tf.ones([2, 2]), response="normal"),
        r"upstream must have the shape of the counts, \[2,1\], got \[2,2\]",
    ),
    "vector": (
        lambda: second(vector=IMAGES[:1]),
        r"vector and y_pred must have the same shape, got \[1,4,5,3\] and \[2,4,5,3\]",
    ),
    "no target at all": (
        lambda: loss(y_true=IMAGES[:0]),
        r"y_true and y_pred must have the same shape, got \[0,4,5,3\] and \[2,4,5,3\]",
    ),
    "y_pred": (lambda: loss(y_pred=NO_WEIGHTS), r"y_pred must have rank 4 \[B, H, W, C\]"),
    "rank of the adjoint's upstream": (
        lambda: of_images("image_gradients_adjoint", IMAGES),
        r"upstream must have rank 5 \[B, H, W, C\] and 2",
    ),
    "components of the adjoint's upstream": (
        lambda: of_images("image_gradients_adjoint", tf.zeros([1, 4, 4, 1, 3])),
        r"upstream must have 2 components in its last axis",
    ),
    "upstream of a magnitude": (
        lambda: of_images("gradient_magnitude_grad", IMAGES, IMAGES[:1]),
        r"upstream and images must have the same shape, got \[1,4,5,3\] and \[2,4,5,3\]",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_raw_ops(case):
    call, message = CASES[case]
    expected = (tf.errors.OpError, ValueError, TypeError)
    with pytest.raises(expected, match=message):
        call()
    message = message.replace(",", ",? ?").replace(r"\[2\]", r"\[(2|B)\]")
    with pytest.raises(expected, match=message):
        tf.function(call)()


@pytest.mark.parametrize("text", ["", "0.3", "3e-1", ".3", "+0.3"])
def test_a_number_may_be_written_in_any_decimal_form(text, rng):
    images = tf.constant(rng.standard_normal((2, 4, 5, 3)), tf.float32)
    actual = loss(images * 0, images, penalty="huber", penalty_parameter=text)
    expected = loss(images * 0, images, penalty="huber", penalty_parameter="0.3" if text else "1")
    np.testing.assert_array_equal(actual, expected)


def test_a_graph_that_knows_the_size_of_the_target_alone_says_what_is_wrong_with_it():
    function = tf.function(loss)
    unknown = tf.TensorSpec([None] * 4)
    for shape, message in {
        (2, 1, 5, 3): "y_pred is too small.* got height 1 and width 5",
        (2, 5, 3): r"y_true must have rank 4 \[B, H, W, C\], got shape \[2,5,3\]",
    }.items():
        with pytest.raises(ValueError, match=message):
            function.get_concrete_function(tf.TensorSpec(shape), unknown)
    images = function.get_concrete_function(tf.TensorSpec([2, 4, 5, 3]), unknown)
    assert images.output_shapes == [2]  # known from the target


def test_an_output_that_is_not_wanted_is_empty_and_known_to_be():
    shapes = [[0], IMAGES.shape, [2]]
    function = tf.function(second).get_concrete_function(IMAGES, VECTOR)
    assert [x.as_list() for x in function.output_shapes] == shapes
    assert [x.shape.as_list() for x in second(IMAGES, VECTOR)] == shapes
