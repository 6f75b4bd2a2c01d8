"""Keras masks of predictions, and sample weights of the shapes that Keras' own losses take."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import gradops
from gradops import presets, reference

IMAGES = (4, 8, 6, 3)
VIDEOS = (4, 3, 8, 6, 3)
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none")
# Both sides have the same losses and add up a dozen of them in float32, in several orders.
RTOL = 64 * np.finfo("float32").eps


def perceptual_loss(**options):
    return gradops.PerceptualGradientLoss(tf.identity, gradient_weight=0.5, **options)


def squares_and_gradients(y_true, y_pred):
    """The same as a function."""
    squares = tf.reduce_mean(tf.square(y_pred - y_true), axis=[1, 2, 3])
    return squares + 0.5 * gradops.gradient_loss(y_true, y_pred)


LOSSES = {
    gradops.GradientLoss: gradops.gradient_loss,
    gradops.SobelLoss: gradops.gradient_loss,
    presets.PixelGradientLoss: presets.pixel_and_gradient,
    presets.GradientDifferenceLoss: presets.gradient_difference,
    presets.GMSDLoss: presets.gmsd,
    perceptual_loss: squares_and_gradients,
}
METRICS = {
    gradops.GradientMetric: gradops.gradient_loss,
    gradops.SobelMetric: gradops.gradient_loss,
    presets.GMSDMetric: presets.gmsd,
}
TAKE_WEIGHTS = (gradops.GradientLoss, gradops.SobelLoss)
CASES = [(cls, shape) for cls in LOSSES for shape in (IMAGES, VIDEOS)]
each_loss = pytest.mark.parametrize(("cls", "shape"), CASES[:-1])  # no videos for perceptual_loss
each_shape = pytest.mark.parametrize("shape", [IMAGES, VIDEOS])


class Plain(keras.losses.Loss):
    """A function that Keras itself weighs, masks and reduces."""

    def __init__(self, function, reduction="sum_over_batch_size"):
        super().__init__(reduction=reduction)
        self.call = function


def random(rng, *shape):
    return rng.random(shape, "float32")


def most_of(rng, *shape):
    """A mask that leaves a few out."""
    mask = rng.random(shape) < 0.85
    mask.flat[1] = False
    return mask


def masked(y_pred, mask):
    """A prediction as layers that know a mask return it."""
    y_pred = tf.identity(y_pred)
    y_pred._keras_mask = tf.convert_to_tensor(mask)
    return y_pred


def value_and_slopes(loss, y_true, y_pred, mask=None, weights=None):
    y_pred = tf.convert_to_tensor(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred if mask is None else masked(y_pred, mask), weights)
    return value, tape.gradient(value, y_pred)


def assert_near(found, wanted):
    """Differences are at most some roundings of the largest number."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == theirs.shape and np.isfinite(theirs).all()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=RTOL * np.abs(theirs).max())


@each_loss
def test_masks_of_examples_count_as_in_a_loss_of_keras(rng, cls, shape):
    """Masks of frames, and of videos with all their frames; also one that leaves nothing."""
    images = random(rng, 2, *shape)
    frames, videos = shape[:-3], shape[:1]
    for mask, weights in (
        (most_of(rng, *frames), None),
        (most_of(rng, *frames), random(rng, *frames)),
        (most_of(rng, *videos), random(rng, *frames)),
        (most_of(rng, *frames), random(rng, *videos)),
        (np.zeros(frames, bool), random(rng, *frames)),
    ):
        # Keras itself would take the axis of videos for that of frames.
        full = [x if x is None else np.broadcast_to(x.T, frames[::-1]).T for x in (mask, weights)]
        for reduction in REDUCTIONS:
            wanted = value_and_slopes(Plain(LOSSES[cls], reduction), *images, *full)
            assert np.any(wanted[0]) == np.any(wanted[1]) == np.any(mask)
            found = value_and_slopes(cls(reduction=reduction), *images, mask, weights)
            assert_near(found, wanted)


@each_loss
def test_sample_weights_of_the_shapes_that_losses_of_keras_take(rng, cls, shape):
    images = random(rng, 2, *shape)
    for of_weights in ((), shape[:-3], (*shape[:-3], 1)):
        weights = random(rng, *of_weights)
        for reduction in REDUCTIONS:
            found = cls(reduction=reduction)(*images, weights)
            assert found.shape == (shape[:-3] if reduction == "none" else ())
            wanted = Plain(LOSSES[cls], reduction)(*images, weights)
            np.testing.assert_allclose(np.ravel(found), np.ravel(wanted), rtol=RTOL)


@each_shape
def test_metrics_weigh_as_metrics_of_keras(rng, shape):
    """With and without a mask, over batches of several sizes."""
    frames = shape[1:-3]
    for cls, function in METRICS.items():
        for of_weights, of_mask in ((None, frames), (frames, frames), ((*frames, 1), None)):
            ours, theirs = cls(), keras.metrics.MeanMetricWrapper(function)
            for size in (4, 2):
                y_true, y_pred = random(rng, 2, size, *shape[1:])
                if of_mask is not None:
                    y_pred = masked(y_pred, most_of(rng, size, *of_mask))
                weights = None if of_weights is None else random(rng, size, *of_weights)
                for metric in (ours, theirs):
                    metric.update_state(y_true, y_pred, weights)
            np.testing.assert_allclose(ours.result(), theirs.result(), rtol=RTOL)


def test_bound_perceptual_losses_know_masks(rng):
    y_true, y_pred = random(rng, 2, *IMAGES)
    weights, y_pred = random(rng, 4), masked(y_pred, most_of(rng, 4))
    found = perceptual_loss().bind(y_true, weights)(y_pred)
    wanted = Plain(squares_and_gradients)(y_true, y_pred, weights)
    np.testing.assert_allclose(found, wanted, rtol=RTOL)


@pytest.mark.parametrize("cls", list(LOSSES)[:4])
@pytest.mark.parametrize(("shape", "axis"), [(IMAGES, -1), (IMAGES, -3), (VIDEOS, -1)])
def test_masks_of_pixels_are_masks_of_the_loss(rng, cls, shape, axis):
    """Also where targets have holes, and with weights; what is masked may be NaN."""
    y_true, y_pred = random(rng, 2, *shape)
    mask = most_of(rng, *np.delete(shape, axis))
    of_loss = np.expand_dims(mask, axis)
    y_pred[~np.broadcast_to(of_loss, shape)] = np.nan
    y_true[rng.random(shape) < 0.03] = np.nan
    y_true[rng.random(shape) < 0.03] = -1
    options = {"data_format": "channels_last" if axis == -1 else "channels_first"}
    for holes in ({}, {"mask": "finite"}, {"mask": "finite", "mask_value": -1}):
        target = y_true if holes else np.nan_to_num(y_true)
        valid = of_loss & np.isfinite(target) & (target != holes.get("mask_value"))
        function = functools.partial(LOSSES[cls], mask=valid, **options)
        for reduction in REDUCTIONS:
            loss = cls(**holes, **options, reduction=reduction)
            for weights in (None, random(rng, *shape[:-3])):
                wanted = value_and_slopes(Plain(function, reduction), target, y_pred, None, weights)
                assert_near(value_and_slopes(loss, target, y_pred, mask, weights), wanted)
            if cls in TAKE_WEIGHTS:
                weights = random(rng, *mask.shape)
                weighted = functools.partial(function, weights=np.expand_dims(weights, axis))
                wanted = value_and_slopes(Plain(weighted, reduction), target, y_pred)
                assert_near(value_and_slopes(loss, target, y_pred, mask, weights), wanted)
        if cls is gradops.SobelLoss:
            for given, same in ((None, function), (weights, weighted)):
                metric = gradops.SobelMetric(**holes, **options)
                found, wanted = metric(target, masked(y_pred, mask), given), same(target, y_pred)
                np.testing.assert_allclose(found, wanted.numpy().mean(), rtol=RTOL)


def test_masks_that_do_not_fit_are_refused(rng):
    y_true, y_pred = random(rng, 2, *IMAGES)
    by_example = [presets.GMSDLoss(), presets.GMSDMetric(), perceptual_loss()]
    by_pixel = [gradops.SobelLoss(), gradops.SobelMetric(), presets.PixelGradientLoss()]
    bound = [lambda _, y_pred: perceptual_loss().bind(y_true)(y_pred)]
    start, of_examples = "Keras mask of y_pred must", r"Keras mask must be \[B\], or"
    for items, shapes, error, message in (
        (by_example + bound, (IMAGES[:3], IMAGES), ValueError, f"{start} be one of examples"),
        (by_pixel, (IMAGES[:2], (4, 1, 1, 1, 1)), ValueError, f"{start} have rank 1 "),
        (by_pixel + by_example, [(1,), (3,)], tf.errors.InvalidArgumentError, of_examples),
    ):
        for item in items:
            for shape in shapes:
                with pytest.raises(error, match=message):
                    item(y_true, masked(y_pred, np.ones(shape, bool)))
    for item in (*by_pixel, perceptual_loss()):
        graph = tf.function(lambda mask, item=item: item(y_true, masked(y_pred, mask)))
        with pytest.raises(ValueError, match=f"{start} .* an unknown rank"):
            graph.get_concrete_function(tf.TensorSpec(None, tf.bool))


def test_a_mask_may_end_with_an_axis_of_1(rng):
    for shape in (IMAGES, VIDEOS):
        y_true, y_pred = random(rng, 2, *shape)
        mask = rng.random(shape[:-3]) > 0.3
        for item in (gradops.SobelLoss(), gradops.SobelMetric()):
            found, wanted = (item(y_true, masked(y_pred, m)) for m in (mask[..., None], mask))
            np.testing.assert_array_equal(found, wanted)


def model_of(inputs, outputs, **options):
    """A model that is evaluated in batches of 2; Keras weighs but one of the metrics."""
    model = keras.Model(inputs, outputs)
    metrics = {name: [gradops.SobelMetric(name=name)] for name in ("metrics", "weighted_metrics")}
    model.compile("sgd", loss=gradops.SobelLoss(), **metrics, **options)
    return model, functools.partial(model.evaluate, batch_size=2, verbose=0, return_dict=True)


def assert_evaluated(found, *wanted):
    names = ("loss", "metrics", "weighted_metrics")
    np.testing.assert_allclose([found[name] for name in names], wanted, rtol=1e-5)


def test_a_model_that_masks_pixels(rng):
    x, y = random(rng, 2, *IMAGES)
    mask, weights = most_of(rng, *IMAGES[:3]), random(rng, 4)
    x[~mask] = -1
    inputs = keras.Input(IMAGES[1:])
    hidden = keras.layers.Masking(-1.0)(inputs)
    model, evaluate = model_of(inputs, keras.layers.Dense(3)(hidden))
    losses = reference.gradient_loss(y, model.predict(x, verbose=0), mask=mask[..., None])
    weighted = losses * weights
    found = evaluate(x, y, sample_weight=weights)
    assert_evaluated(found, weighted.mean(), losses.mean(), weighted.sum() / weights.sum())


def test_a_compiled_model_that_masks_frames(rng):
    """Where batches have several numbers of frames that count."""
    x, y = random(rng, 2, *VIDEOS)
    mask, weights = most_of(rng, *VIDEOS[:2]), random(rng, *VIDEOS[:2])
    mask[3] = False
    x[~mask] = 0
    inputs = keras.Input(VIDEOS[1:])
    frames = keras.ops.any(keras.ops.not_equal(inputs, 0), axis=(2, 3, 4))
    layer = keras.layers.TimeDistributed(keras.layers.Conv2D(3, 3, padding="same"))
    model, evaluate = model_of(inputs, layer(inputs, mask=frames), jit_compile=True)
    folded = (each.reshape(12, *VIDEOS[2:]) for each in (y, model.predict(x, verbose=0)))
    losses = reference.gradient_loss(*folded).reshape(mask.shape)
    weighted = losses * weights
    batches = [weighted[half][mask[half]].mean() for half in (slice(2), slice(2, 4))]
    found = evaluate(x, y, sample_weight=weights)
    mean = weighted[mask].sum() / weights[mask].sum()
    assert_evaluated(found, np.mean(batches), losses[mask].mean(), mean)


def unknown(function, shape, *more):
    """A graph that knows this of the shape of images, and nothing of the weights."""
    specs = [*2 * [tf.TensorSpec(shape)], *more, tf.TensorSpec(None)]
    graph = tf.function(function).get_concrete_function(*specs)
    return lambda *arrays: graph(*map(tf.convert_to_tensor, arrays))


def assert_refused(call, *arrays):
    with pytest.raises(tf.errors.InvalidArgumentError, match="sample_weight must"):
        call(*arrays)


@each_shape
@pytest.mark.parametrize("axis", [-1, -3])
def test_weights_of_unknown_rank(rng, shape, axis):
    """They do what they do when the rank is known, to the value and the gradient."""
    images = np.moveaxis(random(rng, 2, *shape), -1, axis)
    frames, pixels, one = shape[:-3], shape[:-1], list(images[0].shape)
    one[axis] = 1
    data_format = "channels_last" if axis == -1 else "channels_first"
    loss = gradops.SobelLoss(data_format=data_format, reduction="mean_with_sample_weight")
    call = functools.partial(value_and_slopes, loss)
    mask = most_of(rng, *frames)
    graph = unknown(call, [None] * len(shape), tf.TensorSpec([None] * mask.ndim, tf.bool))
    for of_weights in ((), (4,), (4, 1), frames, (*frames, 1), pixels, one, images[0].shape):
        given = (*images, mask, random(rng, *of_weights))
        assert_near(graph(*given), call(*given))
    for of_weights in ((*frames, 2), (*one, 1), (1,), (3, *frames[1:])):
        assert_refused(graph, *images, mask, random(rng, *of_weights))


def test_weights_of_unknown_rank_in_presets_and_metrics(rng):
    images = random(rng, 2, *IMAGES)
    pixels = [IMAGES[:3], (*IMAGES[:3], 1), IMAGES]
    for cls in (
        gradops.SobelMetric,
        presets.GMSDMetric,
        presets.PixelGradientLoss,
        perceptual_loss,
    ):
        item, same = cls(), cls()
        graph = unknown(getattr(item, "update_state", item), [None, None, None, 3])
        good, bad = [(4,), (4, 1)], [(4, 2), (4, 1, 1, 1, 1)]
        (good if cls is gradops.SobelMetric else bad).extend(pixels)
        for of_weights in good:
            given = (*images, random(rng, *of_weights))
            found, wanted = graph(*given), same(*given)
            found = item.result() if found is None else found
            np.testing.assert_allclose(found, wanted, rtol=RTOL)
        for of_weights in bad:
            assert_refused(graph, *images, random(rng, *of_weights))


def pipeline(*arrays):
    """A pipeline of two batches that loses what it knew of targets and weights."""

    def same(x, y, weights):
        return x, *tf.py_function(lambda *given: given, [y, weights], [tf.float32, tf.float32])

    return tf.data.Dataset.from_tensor_slices(arrays).batch(2).map(same)


def test_pipelines_that_lose_shapes(rng):
    x, y = random(rng, 2, *IMAGES)
    inputs = keras.Input(IMAGES[1:])
    model, evaluate = model_of(inputs, keras.layers.Conv2D(3, 3, padding="same")(inputs))
    y_pred = model.predict(x, verbose=0)
    for of_weights in ((4,), (4, 1), IMAGES[:3], IMAGES):
        weights = random(rng, *of_weights)
        maps = {3: weights[..., None], 4: weights}.get(weights.ndim)
        losses = reference.gradient_loss(y, y_pred, weights=maps)
        plain = reference.gradient_loss(y, y_pred).mean()
        factors = np.ones(4) if maps is not None else weights.ravel()
        wanted = (losses * factors).mean(), plain, np.average(losses, weights=factors)
        assert_evaluated(evaluate(pipeline(x, y, weights), batch_size=None), *wanted)
    model.compile(keras.optimizers.SGD(0.0), loss=gradops.SobelLoss())
    fit = functools.partial(model.fit, shuffle=False, verbose=0)
    history = fit(pipeline(x, y, weights)).history
    np.testing.assert_allclose(history["loss"], [losses.mean()], rtol=1e-5)
    for run in (evaluate, fit):
        assert_refused(run, pipeline(x, y, random(rng, 4, 2)))
