"""The Keras losses and metrics of presets: options, weights, masks, saving, training."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from preset_tools import LOSSES, OF_PREDICTIONS, OPTIONS, TAKE_MASK, function_of

import gradops
from gradops import presets

METRICS = {
    "gmsd": presets.GMSDMetric,
    "ms_gmsd": presets.MSGMSDMetric,
    "matting_gradient_error": presets.MattingGradientMetric,
}
STACKED = ("confidence_weighted",)  # The last channel of predictions is their confidence.
CLASSES = [*LOSSES.items(), *METRICS.items()]
SHAPE = (4, 20, 20, 1)
each_class = pytest.mark.parametrize(("name", "cls"), CLASSES)


def batch(rng, shape=SHAPE, dtype="float32", name=None):
    """Targets and predictions; those of STACKED losses have one channel more."""
    stacked = (*shape[:-1], shape[-1] + (name in STACKED))
    return [(0.5 + rng.random(shape)).astype(dtype) for shape in (shape, stacked)]


def losses_of(name, y_true, y_pred, **options):
    """What the function itself says."""
    function = getattr(presets, name) if name in STACKED else function_of(name)
    return function(y_true, y_pred, **options).numpy()


def test_every_loss_has_a_function():
    assert LOSSES.keys() == OPTIONS.keys()
    public = {getattr(presets, name) for name in presets.__all__}
    assert {*LOSSES.values(), *METRICS.values()} < public


@each_class
def test_configuration_comes_back(name, cls):
    options = OPTIONS[name][-1]
    item = cls(**options, dtype="float64", data_format="channels_first", name="some")
    config = item.get_config()
    assert config.items() >= {**options, "dtype": "float64", "name": "some"}.items()
    assert config["data_format"] == "channels_first"
    again = cls.from_config(json.loads(json.dumps(config)))
    assert type(again) is cls and again.get_config() == config
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(item))
    assert type(again) is cls and again.get_config() == config
    assert "_" not in cls.__name__ and cls().name == name


@pytest.mark.parametrize("make", [np.array, tuple, list])
def test_scale_weights_of_all_kinds_come_back(make):
    given = make([1.0, 2.0])
    for loss in (
        presets.MSGMSDLoss(scale_weights=given),
        presets.MSGMSDMetric(scale_weights=given),
        presets.PixelGradientLoss(scales=2, scale_weights=given),
    ):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
        assert again.get_config() == loss.get_config()
        assert again.get_config()["scale_weights"] == [1.0, 2.0]


def test_configurations_are_not_changed_from_outside():
    weights = [1.0, 2.0]
    loss = presets.PixelGradientLoss(scales=2, scale_weights=weights)
    weights[1] = 0.0
    assert loss.get_config()["scale_weights"] == [1.0, 2.0]


@each_class
def test_options_are_checked_at_construction(name, cls):
    for option in ("no_option", "weights", "y_true"):
        with pytest.raises(ValueError, match=rf"{option} is not an option of {cls.__name__[:4]}"):
            cls(**{option: 1})
    with pytest.raises(ValueError, match=r"data_format must be one of .* got 'NHWC'"):
        cls(data_format="NHWC")
    for dtype in ("int32", 3):
        with pytest.raises(ValueError, match=rf"dtype must be one of .* got {dtype!r}"):
            cls(dtype=dtype)
    for option in OPTIONS[name][-1]:
        with pytest.raises(ValueError, match=rf"{option} must be"):
            cls(**{option: "nonsense"})


def test_base_classes_and_metrics():
    with pytest.raises(TypeError, match="PresetLoss is the base of the losses of"):
        presets.PresetLoss()
    with pytest.raises(TypeError, match="PresetMetric is the base"):
        presets.PresetMetric()
    for metric in (presets.GMSDMetric, gradops.GradientMetric, gradops.SobelMetric):
        with pytest.raises(ValueError, match=f"reduction must not be .* {metric.__name__}"):
            metric(reduction="sum")


def test_the_data_format_is_that_of_the_construction(rng):
    images = [x.transpose(0, 3, 1, 2) for x in batch(rng)]
    keras.config.set_image_data_format("channels_first")
    try:
        loss = presets.HuLoss()
    finally:
        keras.config.set_image_data_format("channels_last")
    assert loss.get_config()["data_format"] == "channels_first"
    expected = losses_of("hu_loss", *images, data_format="channels_first")
    np.testing.assert_allclose(loss(*images), expected.mean(), rtol=1e-6)


def test_sample_weights_of_pixels_are_refused(rng):
    for weights in (np.ones(SHAPE), np.ones(SHAPE[:3]), np.ones((4, 2))):
        for name, cls in CLASSES:
            images = batch(rng, name=name)
            with pytest.raises(ValueError, match=r"sample_weight must have shape \[B\], got"):
                cls(**OPTIONS[name][-1])(*images, sample_weight=weights)


@pytest.mark.parametrize("kind", ["loss", "metric", "graph"])
def test_sample_weights_of_another_number_are_refused(rng, kind):
    item = presets.GMSDMetric() if kind == "metric" else presets.HuLoss()
    if kind == "graph":
        item = tf.function(item, [tf.TensorSpec([None] * 4)] * 2 + [tf.TensorSpec([None])])
    for examples, weights in ((1, 3), (3, 1), (3, 2)):
        images = batch(rng, (examples, 8, 8, 1))
        with pytest.raises(tf.errors.InvalidArgumentError, match="sample_weight"):
            item(*images, tf.ones([weights]))


@pytest.mark.parametrize("name", TAKE_MASK)
def test_masks(rng, name):
    y_true, y_pred = batch(rng, name=name)
    holes = rng.random(SHAPE) < 0.2
    options = OPTIONS[name][-1]
    expected = losses_of(name, y_true, y_pred, **options, mask=tf.constant(~holes)).mean()
    for values, arguments in (
        ([np.nan, np.inf], {"mask": "finite"}),
        ([0.0], {"mask_value": 0}),
        ([0.0, np.nan], {"mask": "finite", "mask_value": 0}),
    ):
        holed = np.where(holes, rng.choice(values, SHAPE), y_true).astype("float32")
        loss = LOSSES[name](**options, **arguments)
        assert loss.get_config().items() >= arguments.items()
        variable = tf.Variable(y_pred)
        with tf.GradientTape() as tape:
            value = loss(holed, variable)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        assert np.isfinite(tape.gradient(value, variable)).all()


def test_masks_where_there_are_none():
    for name in LOSSES.keys() - set(TAKE_MASK):
        for arguments, got in (({"mask": "finite"}, "'finite'"), ({"mask_value": 0.0}, "0.0")):
            with pytest.raises(
                ValueError, match=f"{LOSSES[name].__name__} takes no mask, got {got}"
            ):
                LOSSES[name](**arguments)
    with pytest.raises(ValueError, match="mask must be one of 'finite', got 'nan'"):
        presets.HuLoss(mask="nan")
    with pytest.raises(ValueError, match="mask_value must be a finite number, got nan"):
        presets.HuLoss(mask_value=float("nan"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(rng, dtype):
    y_true, y_pred = batch(rng)
    value = presets.HuLoss(dtype=dtype)(y_true, y_pred)
    assert value.dtype == ("float64" if dtype == "float64" else "float32")
    cast = [tf.cast(x, dtype) for x in (y_true, y_pred)]
    np.testing.assert_allclose(value, losses_of("hu_loss", *cast).mean(), rtol=1e-5)


def test_images_of_16_bits_stay_so(rng):
    images = [tf.cast(x, "float16") for x in batch(rng)]
    expected = losses_of("hu_loss", *images).mean()
    np.testing.assert_allclose(presets.HuLoss(dtype="float32")(*images), expected, rtol=1e-6)
    mixed = presets.HuLoss(dtype=keras.DTypePolicy("mixed_float16"))
    assert mixed.get_config()["dtype"] == "float16"


FITTED = [
    pytest.param(name, marks=[] if name in ("hu_loss", "ms_gmsd") else pytest.mark.extended)
    for name in LOSSES
]


@pytest.mark.parametrize("name", FITTED)
def test_fit_and_saving(rng, name, tmp_path):
    """The loss that fit reports is that of the function; a saved model trains on with the loss."""
    x, y = batch(rng)
    keras.utils.set_random_seed(1)
    layer = keras.layers.Conv2D(1 + (name in STACKED), 3, padding="same", activation="softplus")
    model = keras.Sequential([keras.Input((None, None, 1)), layer])
    options = OPTIONS[name][-1]
    expected = losses_of(name, y, model.predict(x, verbose=0), **options)
    metric = METRICS.get(name)
    weighted = [metric(name="weighted", **options)] if metric else []
    model.compile("sgd", loss=LOSSES[name](**options), weighted_metrics=weighted)
    weights = np.float32([1, 3, 0, 2])
    found = model.evaluate(x, y, sample_weight=weights, return_dict=True, verbose=0)
    np.testing.assert_allclose(found["loss"], expected @ weights / 4, rtol=1e-4)
    if metric:
        np.testing.assert_allclose(found["weighted"], expected @ weights / 6, rtol=1e-4)
    start = model.get_weights()[0]
    history = model.fit(x, y, batch_size=len(x), epochs=2, verbose=0).history["loss"]
    np.testing.assert_allclose(history[0], expected.mean(), rtol=1e-4)
    assert np.isfinite(history).all() and np.any(model.get_weights()[0] != start)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()
    both = [each.evaluate(x, y, return_dict=True, verbose=0)["loss"] for each in (again, model)]
    np.testing.assert_allclose(*both, rtol=1e-5)
    assert np.isfinite(again.train_on_batch(x, y)).all()


def test_smoothness_of_a_prediction_given_an_image(rng):
    """Targets of 3 channels, predictions of 1."""
    image = rng.random((4, 12, 10, 3)).astype("float32")
    prediction = rng.random((4, 12, 10, 1)).astype("float32")
    loss = presets.EdgeAwareSmoothnessLoss()
    graph = tf.function(loss, [tf.TensorSpec([None] * 4)] * 2)
    expected = losses_of("edge_aware_smoothness", image, prediction).mean()
    for call in (loss, graph):
        np.testing.assert_allclose(call(image, prediction), expected, rtol=1e-5)


@pytest.mark.parametrize("name", OF_PREDICTIONS)
def test_losses_of_predictions_look_at_no_target(rng, name):
    _, y_pred = batch(rng)
    loss = LOSSES[name]()
    targets = (y_pred, np.full(SHAPE, np.nan), np.ones([4, 7]), np.ones(2), None, "labels")
    values = {float(loss(y_true, y_pred)) for y_true in targets}
    assert values == {losses_of(name, None, y_pred).mean()}
    assert LOSSES[name](name=None).name == name


UNKNOWN = [
    pytest.param(name, marks=[] if name in ("gmsd", "spsr_gradient") else pytest.mark.extended)
    for name in LOSSES
    if name not in ("edge_aware_smoothness", *OF_PREDICTIONS)
]


@pytest.mark.parametrize("name", UNKNOWN)
def test_targets_of_unknown_shape_have_that_of_the_prediction(rng, name):
    y_true, y_pred = batch(rng, (2, 24, 24, 3), name=name)
    loss = LOSSES[name](**OPTIONS[name][-1])
    call = tf.function(loss, [tf.TensorSpec(None), tf.TensorSpec([None, *y_pred.shape[1:]])])
    np.testing.assert_allclose(call(y_true, y_pred), loss(y_true, y_pred), rtol=1e-5)
