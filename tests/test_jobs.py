"""optimize_image and residual_map."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from family_options import RESPONSES
from op_tools import images

import gradops
from gradops import reference
from gradops.optimize import WINDOW


@pytest.mark.parametrize("graph", [False, True])
def test_optimizing_descends_and_keeps_the_range(rng, graph):
    target = tf.constant(rng.random((1, 12, 12, 3)), tf.float32)
    start = tf.constant(rng.random((1, 12, 12, 3)), tf.float32)
    seen = []

    def loss(image):
        return tf.reduce_mean(tf.square(image - 2 * target)) + gradops.SobelLoss()(target, image)

    image, history = gradops.optimize_image(
        start,
        loss,
        optimizer=keras.optimizers.SGD(0.1),
        steps=7,
        value_range=(0, 1),
        graph=graph,
        callback=lambda number, value: seen.append((number, value)),
    )
    assert seen == list(enumerate(history, start=1)) and len(history) == 7
    assert history[-1] < history[0]
    assert np.min(image) >= 0 and np.max(image) <= 1 and image.dtype == tf.float32


def square(image):
    return tf.reduce_mean(tf.square(image - 1))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_images_of_16_bits_are_optimised_in_32(dtype):
    target = tf.cast(tf.random.stateless_uniform([1, 8, 8, 3], [1, 2]), dtype)
    seen = []

    def loss(image):
        seen.append(image.dtype)
        return gradops.gradient_loss(target, image)[0]

    image, history = gradops.optimize_image(tf.fill([1, 8, 8, 3], tf.cast(0.5, dtype)), loss)
    assert image.dtype == dtype and set(seen) == {dtype}
    assert history[-1] < 0.9 * history[0]


@pytest.mark.parametrize("kind", ["factor", "wrapper"])
def test_scaled_losses_take_the_same_steps(kind):
    def history(scaled):
        optimizer = keras.optimizers.SGD(
            50.0, loss_scale_factor=8.0 if scaled == "factor" else None
        )
        if scaled == "wrapper":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        return gradops.optimize_image(tf.zeros([1, 8, 8, 1]), square, optimizer=optimizer).history

    np.testing.assert_allclose(history(kind), history(None), rtol=1e-5)


def test_moving_averages_are_the_result():
    optimizer = keras.optimizers.SGD(20.0, use_ema=True, ema_momentum=0.5)
    image, _ = gradops.optimize_image(tf.zeros([1, 4, 4, 1]), square, optimizer=optimizer, steps=2)
    found = average = np.zeros([1, 4, 4, 1])
    for number in range(2):
        found = found - 20 * 2 * (found - 1) / 16
        average = found if number == 0 else 0.5 * (average + found)
    np.testing.assert_allclose(image, average, rtol=1e-5)


def test_a_last_step_to_nan_is_told():
    with pytest.raises(FloatingPointError, match="image is NaN or infinite after step 1"):
        gradops.optimize_image(
            tf.ones([1, 4, 4, 1]), lambda x: tf.reduce_mean(tf.sqrt(x - 1)), steps=1
        )


def test_pixels_that_are_nan_already_may_stay_so():
    start = tf.constant([np.nan, 0.0, 3.0, 2.0])[None, :, None, None]
    image, history = gradops.optimize_image(
        start, lambda x: tf.reduce_mean(tf.where(tf.math.is_nan(x), 0.0, x) ** 2), steps=3
    )
    assert history[-1] < history[0] and np.isnan(image[0, 0, 0, 0])


def built():
    optimizer = keras.optimizers.Adam()
    optimizer.build([tf.Variable(1.0)])
    return optimizer


@pytest.mark.parametrize(
    "argument, value, message",
    [
        ("optimizer", None, "must be a Keras optimizer or its name, got None"),
        ("optimizer", "foo", "must be a Keras optimizer or its name, got 'foo'"),
        ("optimizer", keras.optimizers.Adam, "must be a Keras optimizer or its name, got <class"),
        ("optimizer", built, "must not have been built"),
        ("callback", 3, "must be callable, got 3"),
        ("loss", None, "must be callable, got None"),
        ("loss", "mse", "must be callable, got 'mse'"),
        ("loss", lambda x: None, "must return a scalar, got None"),
        ("value_range", 5, "must be two finite numbers .* got 5"),
        ("value_range", (0, 1, 2), "must be two finite numbers .* low < high"),
        ("value_range", (0, float("nan")), "must be two finite numbers .* low < high"),
        ("value_range", ("0", "1"), "must be two finite numbers .* low < high"),
        ("value_range", (1, 0), "must be two finite numbers .* low < high"),
        ("initial", tf.zeros([1, 4, 4, 1], tf.int32), "must .* got int32"),
        ("steps", 0, "must be an integer of at least 1, got 0"),
        ("tolerance", 1.0, "must be at least 0 and below 1, got 1.0"),
        ("loss", lambda x: x, "must return a scalar, got shape"),
        ("loss", lambda x: tf.constant(1.0), "must depend on the image"),
        ("loss", lambda x: tf.reduce_sum(x + 1) / 0.0, "must be finite"),
    ],
)
def test_bad_arguments(argument, value, message):
    given = {"initial": tf.zeros([1, 4, 4, 1]), "loss": square}
    given[argument] = value() if value is built else value
    error = FloatingPointError if message == "must be finite" else ValueError
    with pytest.raises(error, match=f"{argument} {message}"):
        gradops.optimize_image(**given)


def shrink(steps, **options):
    """Each step multiplies the image by 0.9 and the loss by 0.81."""
    initial = np.full((1, 2, 2, 1), 2.0, np.float32)
    # The factor undoes the mean's 1/4 in the slope.
    optimizer = keras.optimizers.SGD(0.05 * initial.size)
    loss = lambda image: tf.reduce_mean(tf.square(image))  # noqa: E731
    found = gradops.optimize_image(initial, loss, optimizer=optimizer, steps=steps, **options)
    assert (initial == 2.0).all()
    return found


@pytest.mark.parametrize("graph", [False, True])
def test_steps_of_gradient_descent(graph):
    image, losses = shrink(8, graph=graph)
    np.testing.assert_allclose(losses, [4.0 * 0.9 ** (2 * step) for step in range(8)], rtol=1e-5)
    np.testing.assert_allclose(image, np.full((1, 2, 2, 1), 2 * 0.9**8), rtol=1e-5)


def test_optimizing_stops_at_the_tolerance():
    over_window = 1 - 0.81**WINDOW
    assert len(shrink(30, tolerance=over_window + 0.01).history) == WINDOW + 1
    assert len(shrink(30, tolerance=over_window - 0.01).history) == 30


def test_the_tolerance_where_nothing_is_to_gain():
    target = tf.ones([1, 8, 8, 1])
    loss = gradops.presets.TotalVariationLoss()
    for tolerance, steps in [(0.1, WINDOW + 1), (0.0, 2 * WINDOW)]:
        image, history = gradops.optimize_image(
            target, lambda x: loss(x, x), steps=2 * WINDOW, tolerance=tolerance
        )
        assert len(history) == steps
        np.testing.assert_array_equal(image, target)


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize(
    "border, data_format",
    [("reflect", "channels_first"), ("zero", "channels_last"), ("circular", "channels_first")],
)
def test_the_mean_of_the_map_is_the_loss(rng, response, border, data_format):
    y_true, y_pred = images(rng, (2, 7, 9, 8), "float64")
    options = dict(response=response, border=border, penalty="huber", data_format=data_format)
    found = gradops.residual_map(y_true, y_pred, **options)
    assert found.shape == ([2, 7, 9] if data_format == "channels_last" else [2, 9, 8])
    residuals = 2 if response in ("component", "absolute") else 1
    wanted = residuals * reference.gradient_loss(y_true.numpy(), y_pred.numpy(), **options)
    np.testing.assert_allclose(tf.reduce_mean(found, axis=[1, 2]), wanted, rtol=1e-12)


def test_the_map_of_masked_pixels_is_zero(rng):
    y_true, y_pred = images(rng, (1, 9, 9, 2), "float64")
    mask = np.ones((1, 9, 9, 1), bool)
    mask[0, 4, 4] = False
    holes = tf.where(mask, y_true, np.nan)
    found = gradops.residual_map(holes, y_pred, mask=mask, channels="each").numpy()
    sums, _ = reference.gradient_sums(holes.numpy(), y_pred.numpy(), mask=mask)
    np.testing.assert_allclose(found.sum(), sums.sum(), rtol=1e-12)
    assert found.shape == (1, 9, 9, 2) and np.all(found[0, 3:6:2, 3:6:2] == 0)
    assert found[0, 2, 2].min() > 0


def test_maps_of_videos_and_bad_options(rng):
    video = images(rng, (2, 3, 6, 6, 1), "float64")
    assert gradops.residual_map(*video).shape == [2, 3, 6, 6]
    with pytest.raises(ValueError, match="channels must be one of 'mean', 'each', got 'sum'"):
        gradops.residual_map(*video, channels="sum")


@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.extended), True])
@pytest.mark.parametrize("first", [[1, 8, 8, 1], [2, 8, 1, 1], [2, 1, 8, 1]])
@pytest.mark.parametrize("which", ["y_true", "mask"])
def test_maps_of_sizes_that_only_broadcast_are_refused(which, first, jit_compile):
    """Also by XLA, which drops assertions."""
    dtype = tf.float32 if which == "y_true" else tf.bool
    signature = [tf.TensorSpec([None] * 4, dtype), tf.TensorSpec([None] * 4, tf.float32)]

    @tf.function(input_signature=signature, jit_compile=jit_compile)
    def mapped(other, y_pred):
        if which == "mask":
            return gradops.residual_map(y_pred, y_pred, mask=other)
        return gradops.residual_map(other, y_pred)

    image = tf.ones([2, 8, 8, 1])
    assert mapped(tf.cast(image, dtype), image).shape == (2, 8, 8)
    with pytest.raises(tf.errors.InvalidArgumentError):
        mapped(tf.ones(first, dtype), image)


def test_messages_on_masks_name_each_shape_once():
    images = tf.zeros([2, 8, 8, 1])
    for function in (gradops.residual_map, gradops.gradient_loss):
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            function(images, images, mask=[[[[True]]]])
        assert str(error.value).count("[2,8,8,1]") == 1
