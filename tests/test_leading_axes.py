"""Videos and other leading axes: each image is an example of its own."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, assert_same, images, pairs_of

import gradops
from gradops import presets, reference

LEADING = [(2, 3), (2, 1, 2), (0, 3), (3, 0)]
IMAGE = {"channels_last": (5, 6, 2), "channels_first": (2, 5, 6)}
OPTIONS = {"stencil": "scharr", "penalty": "huber", "border": "replicate", "normalizer": "pixels"}
BACKENDS = ["fused", "composite"]
both_backends = pytest.mark.usefixtures("backend")


def folded(x, leading):
    return tf.reshape(x, [int(np.prod(leading)), *x.shape[len(leading) :]])


def maps(rng, shape, data_format):
    """Weights and a mask, of one channel."""
    axis = -1 if data_format == "channels_last" else -3
    one = list(shape)
    one[axis] = 1
    return {
        "weights": tf.constant(rng.uniform(0.5, 2, one)),
        "mask": tf.constant(rng.uniform(size=one) > 0.1),
    }


@pairs_of(leading=LEADING, data_format=list(IMAGE), graph=[False, True], backend=BACKENDS)
def test_losses_gradients_and_sums(rng, backend, leading, data_format, graph):
    """As of the batch [N, ...]; a graph knows no size but the rank."""
    shape = (*leading, *IMAGE[data_format])
    y_true, y_pred = images(rng, shape)
    given = maps(rng, shape, data_format)

    def everything(y_true, y_pred, weights, mask):
        options = {**OPTIONS, "weights": weights, "mask": mask, "data_format": data_format}
        with tf.GradientTape() as tape:
            tape.watch([y_pred, weights])
            losses = gradops.gradient_loss(y_true, y_pred, **options)
        slopes = tape.gradient(losses, [y_pred, weights], unconnected_gradients="zero")
        values = gradops.value_and_gradient(y_true, y_pred, reduction="none", **options)
        del options["normalizer"]
        return losses, *slopes, *values, *gradops.gradient_sums(y_true, y_pred, **options)

    def of_scales_and_pixels(*images, **maps):
        options = {**OPTIONS, **maps, "data_format": data_format}
        yield presets.pixel_and_gradient(*images, **options)
        yield gradops.gradient_loss(*images, scales=2, **{**options, "normalizer": "batch"})

    call = everything
    if graph:
        specs = [tf.TensorSpec([None] * len(x.shape), x.dtype) for x in (y_true, *given.values())]
        call = tf.function(everything).get_concrete_function(specs[0], *specs)
    found = [*call(y_true, y_pred, *given.values()), *of_scales_and_pixels(y_true, y_pred, **given)]
    *pair, weights, mask = (folded(x, leading) for x in (y_true, y_pred, *given.values()))
    wanted = [*everything(*pair, weights, mask)]
    wanted += of_scales_and_pixels(*pair, weights=weights, mask=mask)
    assert [x.shape[: len(leading)] for x in found] == [leading] * 9
    for ours, theirs in zip(found, wanted, strict=True):
        assert_same(folded(ours, leading), theirs)


@pairs_of(
    function=["image_gradients", "gradient_magnitude"],
    leading=LEADING,
    data_format=list(IMAGE),
    backend=BACKENDS,
)
def test_gradients_of_images(rng, backend, function, leading, data_format):
    (x,) = images(rng, (*leading, *IMAGE[data_format]))[:1]
    call = getattr(gradops, function)
    found = call(x, stencil="forward", data_format=data_format)
    wanted = call(folded(x, leading), stencil="forward", data_format=data_format)
    assert found.shape == (x.shape if function == "gradient_magnitude" else (*x.shape, 2))
    assert_same(folded(found, leading), wanted)


@both_backends
def test_frames_against_the_oracle(rng):
    y_true, y_pred = images(rng, (2, 3, 5, 6, 1))
    losses, gradient = gradops.value_and_gradient(y_true, y_pred, reduction="none")
    for i, j in np.ndindex(2, 3):
        one = y_true[i, j].numpy()[None], y_pred[i, j].numpy()[None]
        assert_close(losses[i, j], reference.gradient_loss(*one)[0])
        assert_close(gradient[i, j], reference.loss_gradients(*one)[1][0])
    mean, gradient = gradops.value_and_gradient(y_true, y_pred)
    assert_close(mean, losses.numpy().mean())
    assert_close(tf.reduce_sum(gradient, axis=[2, 3, 4]), np.zeros((2, 3)), floor=1)


@both_backends
def test_second_derivatives_without_a_target(rng):
    (x,) = images(rng, (2, 3, 4, 5, 3))[:1]

    def product(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = gradops.gradient_loss(None, x, penalty="l2", response="magnitude")
            slope = inner.gradient(loss, x)
        return outer.gradient(slope, x, output_gradients=x)

    assert_same(folded(product(x), (2, 3)), product(folded(x, (2, 3))))
    assert tf.reduce_sum(x * product(x)) > 0


def in_a_graph(call, *arrays, known):
    specs = [tf.TensorSpec(x.shape if known else [None] * x.ndim, x.dtype) for x in arrays]
    return tf.function(call).get_concrete_function(*specs)


VIDEO = np.zeros((2, 3, 4, 5, 3), "float32")
LEADING_OF = {
    "y_true": (lambda x, v: gradops.gradient_loss(v, x), (2, 3, 4, 5, 3)),
    "weights": (lambda x, v: gradops.gradient_loss(x, x, weights=v), (2, 3, 4, 5, 1)),
    "mask": (lambda x, v: gradops.gradient_loss(x, x, mask=v > 0), (2, 3, 4, 5, 1)),
}


@both_backends
@pytest.mark.parametrize("argument", LEADING_OF)
def test_other_leading_axes_are_refused(argument):
    """Also those of as many images."""
    call, shape = LEADING_OF[argument]
    for other in ((3, 2, *shape[2:]), (2, 2, *shape[2:])):
        values = np.zeros(other, "float32")
        start = f"{argument} must have the leading axes of y_pred"
        message = rf"{start}, \[2,3\], got shape \[{other[0]},"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            call(VIDEO, values)
        with pytest.raises(ValueError, match=message):
            in_a_graph(call, VIDEO, values, known=True)
        unknown = in_a_graph(call, VIDEO, values, known=False)
        with pytest.raises(tf.errors.InvalidArgumentError, match=start):
            unknown(tf.constant(VIDEO), tf.constant(values))


@pytest.mark.parametrize("argument", LEADING_OF)
def test_other_leading_axes_are_refused_by_a_compiled_program(argument):
    """XLA drops assertions; of sizes that it alone knows, it speaks in its own words."""
    call, shape = LEADING_OF[argument]
    values = np.zeros((3, 2, *shape[2:]), "float32")
    specs = [tf.TensorSpec([None] * 5), tf.TensorSpec([None] * 5)]
    compiled = tf.function(call, jit_compile=True, input_signature=specs)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"[Ss]hapes of all inputs must match"):
        compiled(tf.constant(VIDEO), tf.constant(values))
    compiled(tf.constant(VIDEO), tf.zeros(shape))


@both_backends
@pytest.mark.parametrize("argument", LEADING_OF)
def test_other_ranks_are_refused(argument):
    call, shape = LEADING_OF[argument]
    values = np.zeros(shape[1:], "float32")
    message = rf"{argument} must have rank 5 as y_pred, got shape \[3,4,5,"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(VIDEO, values)
    specs = tf.TensorSpec([None] * 5), tf.TensorSpec(None)
    unknown = tf.function(call).get_concrete_function(*specs)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{argument} must have rank"):
        unknown(tf.constant(VIDEO), tf.constant(values))


@both_backends
def test_sizes_and_pixel_maps_are_checked_as_of_a_batch():
    small = r"y_pred is too small: .* got height 1 and width 5"
    with pytest.raises(tf.errors.InvalidArgumentError, match=small):
        gradops.gradient_loss(None, VIDEO[:, :, :1])
    wrong = r"mask must have shape \[6,4,5,1\] or \[6,4,5,3\], got \[6,4,4,1\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=wrong):
        gradops.gradient_loss(None, VIDEO, mask=VIDEO[..., :4, :1] == 0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same shape"):
        gradops.gradient_loss(VIDEO[:, :, :3], VIDEO)


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 5)])
def test_keras_images_have_a_batch_axis(shape):
    """[B, H, W] would pass for one image."""
    zeros = np.zeros(shape, "float32")
    message = r"y_pred must have rank 4 \[B, H, W, C\] or \[B, C, H, W\], or more, got shape \[4,5"
    for call in (gradops.SobelLoss(), gradops.SobelMetric()):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            call(zeros, zeros)


def test_sample_weights_of_other_ranks():
    message = r"rank 1 to 2 \[B, ...\] .*, or 4 \[B, ..., H, W\] or 5 .* got shape \[2,3,4\]"
    with pytest.raises(ValueError, match=message):
        gradops.SobelLoss()(VIDEO, VIDEO, sample_weight=VIDEO[..., 0, 0])
