"""PerceptualGradientLoss: its values and gradients, bind, dtypes."""

import doctest

import keras
import numpy as np
import pytest
import tensorflow as tf
from perceptual_tools import batch, by_example, long, small_extractor, tutorial, with_gradient

import gradops
from gradops import presets


def of_vgg():
    keras.utils.set_random_seed(5)
    network = keras.applications.VGG16(weights=None, include_top=False)
    names = ["block1_conv2", "block2_conv2", "block3_conv3"]
    return keras.Model(network.input, [network.get_layer(name).output for name in names])


@pytest.mark.parametrize("build", [small_extractor, long(of_vgg)])
def test_as_the_tutorial_computes_it(rng, build):
    extractor = build()
    y_true, y_pred = batch(rng)
    loss = gradops.PerceptualGradientLoss(extractor)
    value, slopes = with_gradient(lambda image: loss(y_true, image), y_pred)
    expected, wanted = with_gradient(lambda image: tutorial(extractor, y_true, image), y_pred)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


def test_by_example_with_weights_of_layers_and_parts(rng):
    """layers, layer_weights, feature_penalty and preprocess, each example on its own."""
    extractor = small_extractor()
    y_true, y_pred = batch(rng)
    loss = gradops.PerceptualGradientLoss(
        extractor,
        perceptual_weight=0.5,
        gradient_weight=0,
        layers=["second", "first"],
        layer_weights=np.array([2, 0.25]),
        feature_penalty="l1",
        preprocess=lambda images: 2 * images - 1,
        reduction="none",
    )
    first, second = (
        by_example(tf.abs(p - t))
        for t, p in zip(extractor(2 * y_true - 1), extractor(2 * y_pred - 1), strict=True)
    )
    np.testing.assert_allclose(loss(y_true, y_pred), second + 0.125 * first, rtol=1e-5)


def magnitude(images):
    return by_example(tf.abs(images[:, 1:] - images[:, :-1])) + by_example(
        tf.abs(images[:, :, 1:] - images[:, :, :-1])
    )


def sobel(images):
    return tf.image.sobel_edges(images)


TERMS = {
    "default": (None, lambda t, p: by_example(tf.abs(sobel(p) - sobel(t)))),
    "by name": ("mean_magnitude", lambda t, p: (magnitude(p) - magnitude(t)) ** 2),
    "gradops": (gradops.SobelLoss("l2"), lambda t, p: by_example((sobel(p) - sobel(t)) ** 2)),
    "Keras": (keras.losses.MeanSquaredError(), lambda t, p: by_example((p - t) ** 2)),
    "function": (lambda t, p: by_example(p * t), lambda t, p: by_example(p * t)),
}


KINDS = [*TERMS, "preset"]
TERMS_AND_MODES = [(kind, "eager") for kind in KINDS] + [("by name", "graph"), ("gradops", "xla")]
OTHERS = [(kind, mode) for kind in KINDS for mode in ("graph", "xla")]


@pytest.mark.parametrize(
    ("kind", "mode"),
    TERMS_AND_MODES + [long(*case) for case in OTHERS if case not in TERMS_AND_MODES],
)
def test_gradient_terms(rng, kind, mode):
    term, expected = TERMS.get(kind, (presets.MeanMagnitudeLoss(), TERMS["by name"][1]))
    y_true, y_pred = batch(rng)
    y_pred *= 3  # so that mean magnitudes differ in their first digits
    loss = gradops.PerceptualGradientLoss(
        small_extractor(),
        perceptual_weight=0,
        gradient_weight=0.5,
        gradient_loss=term,
        reduction="none",
    )
    call = loss if mode == "eager" else tf.function(loss, jit_compile=mode == "xla")
    wanted, by_formula = with_gradient(lambda image: 0.5 * expected(y_true, image), y_pred)
    value, slopes = with_gradient(lambda image: call(y_true, image), y_pred)
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_allclose(slopes, by_formula, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("outputs", [list, tuple, lambda found: {"b": found[1], "a": found[0]}])
def test_callables_and_their_outputs(rng, outputs):
    """Those of a dict are taken in the order of its keys."""
    extractor = small_extractor()
    y_true, y_pred = batch(rng)
    options = dict(layer_weights=[1, 10])
    expected = gradops.PerceptualGradientLoss(extractor, **options)(y_true, y_pred)
    loss = gradops.PerceptualGradientLoss(lambda images: outputs(extractor(images)), **options)
    np.testing.assert_allclose(loss(y_true, y_pred), expected, rtol=1e-6)


def test_bind_examples_run():
    names = {"gradops": gradops, "tf": tf}
    method = gradops.PerceptualGradientLoss.bind
    (test,) = doctest.DocTestFinder(recurse=False).find(method, "bind", globs=names)
    assert doctest.DocTestRunner().run(test) == (0, 5)


@pytest.mark.parametrize("mode", ["eager", "graph", long("xla")])
@pytest.mark.parametrize("reduction", ["none", long("mean")])
def test_bound_to_a_target_it_is_the_same_loss(rng, mode, reduction):
    seen = []
    extractor = small_extractor()

    def counted(images):
        seen.append(images)
        return extractor(images)

    y_true, y_pred = batch(rng)
    loss = gradops.PerceptualGradientLoss(counted, reduction=reduction)
    weights = tf.constant([1.0, 0.0, 2.0])
    bound = loss.bind(y_true, weights)
    assert len(seen) == 1
    call = bound if mode == "eager" else tf.function(bound, jit_compile=mode == "xla")
    value, slopes = with_gradient(call, y_pred)
    assert len(seen) == 2
    expected, wanted = with_gradient(lambda image: loss(y_true, image, weights), y_pred)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("graph", [long(False), True])
def test_an_image_is_optimised_towards_a_target(rng, graph):
    target, start = batch(rng)
    loss = gradops.PerceptualGradientLoss(small_extractor())
    options = dict(optimizer=keras.optimizers.Adam(0.05), steps=40, graph=graph)
    image, history = gradops.optimize_image(start, loss.bind(target), **options)
    np.testing.assert_allclose(history[0], loss(target, start), rtol=1e-5)
    assert loss(target, image) < 0.5 * history[0]
    assert tf.norm(image - target) < tf.norm(start - target)


@pytest.mark.parametrize("dtype", ["float16", "float64", "uint8", long("bfloat16")])
def test_dtypes_of_images(rng, dtype):
    """The value of the same images in float32; features have the precision of the network."""
    y_true, y_pred = (tf.cast(200 * image, dtype) for image in batch(rng))
    loss = gradops.PerceptualGradientLoss(small_extractor())
    value = loss(y_true, y_pred)
    assert value.dtype == tf.float32
    expected = loss(tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    if y_pred.dtype.is_floating:
        assert with_gradient(lambda image: loss(y_true, image), y_pred)[1].dtype == y_pred.dtype


def test_float64(rng):
    y_true, y_pred = batch(rng, "float64")
    extractor = small_extractor(dtype="float64")
    loss = gradops.PerceptualGradientLoss(lambda images: extractor(images), dtype="float64")
    value = loss(y_true, y_pred)
    assert value.dtype == tf.float64
    np.testing.assert_allclose(value, tutorial(extractor, y_true, y_pred), rtol=1e-12)


def test_features_of_16_bits_are_compared_in_32(rng):
    """Their squares would leave float16."""
    extractor = small_extractor(dtype="mixed_float16")
    y_true, y_pred = (2000 * image for image in batch(rng))
    assert extractor(y_pred)[0].dtype == tf.float16
    value = gradops.PerceptualGradientLoss(extractor, gradient_weight=0)(y_true, y_pred)
    expected = tutorial(small_extractor(), y_true, y_pred, gradient_weight=0)
    assert value.dtype == tf.float32 and value > 65504
    np.testing.assert_allclose(value, expected, rtol=1e-2)


def small_vgg():
    return gradops.vgg_features(layers=["block1_conv2", "block2_conv1"], weights=None)


@pytest.mark.parametrize("jit_compile", [long(False), True])
@pytest.mark.parametrize("build", [small_extractor, long(small_vgg)])
def test_graphs_that_know_no_sizes(rng, jit_compile, build):
    loss = gradops.PerceptualGradientLoss(build(), reduction="none")
    spec = tf.TensorSpec([None] * 4, tf.float32)
    call = tf.function(loss, [spec, spec], jit_compile=jit_compile)
    for shape in ([3, 12, 14, 3], [1, 9, 8, 3]):
        y_true, y_pred = batch(rng, shape=shape)
        value, slopes = with_gradient(lambda image, target=y_true: call(target, image), y_pred)
        expected, wanted = with_gradient(lambda image, target=y_true: loss(target, image), y_pred)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        np.testing.assert_allclose(slopes, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())


def shared_layer():
    """A model whose layer another model has called before, and what it computes."""
    shared = keras.layers.ReLU(name="shared")
    images = keras.Input((16, 16, 3))
    shared(images - 0.5)
    return keras.Model(images, shared(keras.layers.Conv2D(4, 3, name="own")(images)))


def nested():
    """A model that calls a model."""
    inner = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3)], name="shared")
    images = keras.Input((16, 16, 3))
    return keras.Model(images, keras.layers.Rescaling(2.0)(inner(images * 255.0)))


@pytest.mark.parametrize("build", [shared_layer, nested])
def test_layers_are_those_of_this_model(rng, build):
    keras.utils.set_random_seed(3)
    model = build()
    y_true, y_pred = batch(rng, shape=(2, 16, 16, 3))
    loss = gradops.PerceptualGradientLoss(model, layers=["shared"], gradient_weight=0)
    true, pred = model(y_true), model(y_pred)
    if build is nested:  # its features are those before the rescaling
        true, pred = true / 2, pred / 2
    expected = tf.reduce_mean(tf.square(pred - true))
    np.testing.assert_allclose(loss(y_true, y_pred), expected, rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    np.testing.assert_allclose(again(y_true, y_pred), expected, rtol=1e-5)


def test_layers_that_are_called_twice_are_refused():
    images = keras.Input((16, 16, 3))
    twice = keras.layers.ReLU(name="twice")
    model = keras.Model(images, twice(twice(images) - 0.5))
    with pytest.raises(ValueError, match=r"layers must be .* calls once, got 'twice', .* 2 times"):
        gradops.PerceptualGradientLoss(model, layers=["twice"])


@pytest.mark.parametrize("dtypes", [("float32", "float16"), ("uint8", "float32")])
def test_gradient_losses_that_are_callables_get_one_dtype(rng, dtypes):
    images = [tf.cast(4 * x, dtype) for x, dtype in zip(batch(rng), dtypes, strict=True)]

    def difference(y_true, y_pred):
        return tf.reduce_mean(tf.abs(y_pred - y_true), axis=[1, 2, 3])

    loss = gradops.PerceptualGradientLoss(tf.nn.relu, perceptual_weight=0, gradient_loss=difference)
    expected = 0.05 * np.mean(difference(*(tf.cast(x, "float32") for x in images)))
    np.testing.assert_allclose(loss(*images), expected, rtol=1e-5)
