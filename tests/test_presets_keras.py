"""The Keras losses of presets: options, reductions, sample weights, masks, saving, training."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradops import presets

BASES = (presets.PresetLoss, presets.PresetMetric)
CLASSES = [
    item
    for name, item in vars(presets).items()
    if name in presets.__all__ and inspect.isclass(item) and item not in BASES
]
LOSSES = [item for item in CLASSES if issubclass(item, presets.PresetLoss)]
METRICS = [item for item in CLASSES if issubclass(item, presets.PresetMetric)]
# Options other than the defaults, and functions of the same name.
OPTIONS = {
    presets.DenseDepthEdgesLoss: {},
    presets.MiDaSGradientLoss: {"scales": 2, "align": True, "normalizer": "batch"},
    presets.MegaDepthGradientLoss: {"scales": 2, "prediction": "log_depth"},
    presets.HuLoss: {"normal_weight": 0.25, "epsilon": 0.3},
    presets.ZoeDepthGradL1Loss: {"direction": "stable"},
    presets.EdgeAwareSmoothnessLoss: {"normalize": True},
    presets.TotalVariationLoss: {"total": "sum"},
}
TAKE_MASK = list(OPTIONS)[:5]
SHAPE = (4, 20, 20, 1)
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
each_loss = pytest.mark.parametrize("cls", OPTIONS, ids=lambda cls: cls.__name__)
each_masked = pytest.mark.parametrize("cls", TAKE_MASK, ids=lambda cls: cls.__name__)


def batch(rng, shape=SHAPE):
    return [(0.5 + rng.random(shape)).astype("float32") for _ in range(2)]


def losses_of(cls, y_true, y_pred, **options):
    """What the function itself says."""
    if cls is presets.TotalVariationLoss:
        return presets.total_variation(y_pred, **options).numpy()
    return cls.function(y_true, y_pred, **options).numpy()


@each_class
def test_configuration_comes_back(cls):
    options = OPTIONS.get(cls, {})
    item = cls(**options, dtype="float64", data_format="channels_first", name="some")
    config = item.get_config()
    assert config.items() >= {**options, "dtype": "float64", "name": "some"}.items()
    assert config["data_format"] == "channels_first"
    again = cls.from_config(json.loads(json.dumps(config)))
    assert type(again) is cls and again.get_config() == config
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(item))
    assert type(again) is cls and again.get_config() == config


@each_class
def test_names(cls):
    assert "_" not in cls.__name__ and cls().name == cls().name.lower()
    assert callable(getattr(presets, cls().name))


@each_class
def test_options_are_checked_at_construction(cls):
    with pytest.raises(ValueError, match=rf"no_option is not an option of {cls.__name__[:4]}"):
        cls(no_option=1)
    with pytest.raises(ValueError, match=r"data_format must be one of .* got 'NHWC'"):
        cls(data_format="NHWC")
    with pytest.raises(ValueError, match=r"dtype must be one of"):
        cls(dtype="int32")


@each_loss
def test_values_of_options_are_checked_at_construction(cls):
    for option in OPTIONS[cls]:
        with pytest.raises(ValueError, match=rf"{option} must be"):
            cls(**{option: "nonsense"})


def test_the_data_format_is_that_of_the_construction(rng):
    images = [x.transpose(0, 3, 1, 2) for x in batch(rng)]
    keras.config.set_image_data_format("channels_first")
    try:
        loss = presets.HuLoss()
    finally:
        keras.config.set_image_data_format("channels_last")
    assert loss.get_config()["data_format"] == "channels_first"
    expected = losses_of(presets.HuLoss, *images, data_format="channels_first")
    np.testing.assert_allclose(loss(*images), expected.mean(), rtol=1e-6)


@each_loss
@pytest.mark.parametrize("weights", [None, [0.0, 1.0, 2.0, 0.5]])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none", None])
def test_reductions_and_sample_weights(rng, cls, reduction, weights):
    images = batch(rng)
    value = cls(**OPTIONS[cls], reduction=reduction)(*images, sample_weight=weights)
    losses = losses_of(cls, *images, **OPTIONS[cls])
    losses = losses if weights is None else losses * np.array(weights)
    expected = {"sum_over_batch_size": losses.mean(), "sum": losses.sum()}.get(reduction, losses)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_sample_weights_of_pixels_are_refused(rng):
    images = batch(rng)
    for weights in (np.ones(SHAPE), np.ones(SHAPE[:3]), np.ones((4, 1))):
        for item in (presets.HuLoss(), presets.GMSDMetric()):
            with pytest.raises(ValueError, match=r"sample_weight must have shape \[B\], got"):
                item(*images, sample_weight=weights)


@each_masked
@pytest.mark.parametrize("kind", ["finite", "mask_value", "both"])
def test_masks(rng, cls, kind):
    y_true, y_pred = batch(rng)
    holes = rng.random(SHAPE) < 0.2
    hole = {"finite": [np.nan, np.inf], "mask_value": [0.0], "both": [0.0, np.nan]}[kind]
    y_true = np.where(holes, rng.choice(hole, SHAPE), y_true).astype("float32")
    arguments = {} if kind == "finite" else {"mask_value": 0}
    arguments |= {} if kind == "mask_value" else {"mask": "finite"}
    loss = cls(**OPTIONS[cls], **arguments)
    assert loss.get_config().items() >= arguments.items()
    variable = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        value = loss(y_true, variable)
    expected = losses_of(cls, y_true, y_pred, **OPTIONS[cls], mask=tf.constant(~holes))
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-5)
    assert np.isfinite(tape.gradient(value, variable)).all()


def test_masks_where_there_are_none(rng):
    for cls in set(OPTIONS) - set(TAKE_MASK):
        for arguments in ({"mask": "finite"}, {"mask_value": 0.0}):
            with pytest.raises(ValueError, match=f"{cls.__name__} takes no mask, got"):
                cls(**arguments)
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
    np.testing.assert_allclose(value, losses_of(presets.HuLoss, *cast).mean(), rtol=1e-5)


def test_images_of_16_bits_stay_so(rng):
    images = [tf.cast(x, "float16") for x in batch(rng)]
    expected = losses_of(presets.HuLoss, *images).mean()
    np.testing.assert_allclose(presets.HuLoss(dtype="float32")(*images), expected, rtol=1e-6)


def small_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((None, None, 1)),
            keras.layers.Conv2D(1, 3, padding="same", activation="softplus"),
        ]
    )


@each_loss
def test_fit_and_saving(rng, cls, tmp_path):
    """The loss that fit reports is that of the function; a saved model trains on with the loss."""
    x, y = batch(rng)
    model = small_model()
    model.compile("sgd", loss=cls(**OPTIONS[cls]))
    expected = losses_of(cls, y, model.predict(x, verbose=0), **OPTIONS[cls]).mean()
    history = model.fit(x, y, batch_size=len(x), epochs=2, verbose=0).history["loss"]
    np.testing.assert_allclose(history[0], expected, rtol=1e-4)
    assert np.isfinite(history).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()
    np.testing.assert_allclose(
        again.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5
    )
    assert np.isfinite(again.train_on_batch(x, y))


def test_smoothness_of_a_prediction_given_an_image(rng):
    """Targets of 3 channels, predictions of 1."""
    image = rng.random((4, 12, 10, 3)).astype("float32")
    model = keras.Sequential([keras.Input((12, 10, 3)), keras.layers.Conv2D(1, 1)])
    model.compile("sgd", loss=presets.EdgeAwareSmoothnessLoss())
    expected = losses_of(presets.EdgeAwareSmoothnessLoss, image, model.predict(image, verbose=0))
    history = model.fit(image, image, batch_size=4, verbose=0).history["loss"]
    np.testing.assert_allclose(history[0], expected.mean(), rtol=1e-4)


def test_total_variation_looks_at_no_target(rng):
    _, y_pred = batch(rng)
    loss = presets.TotalVariationLoss()
    targets = (y_pred, np.full(SHAPE, np.nan), np.ones([4, 7]), np.ones(2), None, "labels")
    values = {float(loss(y_true, y_pred)) for y_true in targets}
    assert values == {losses_of(type(loss), None, y_pred).mean()}
    assert presets.TotalVariationLoss(name=None).name == "total_variation"


@pytest.mark.parametrize("cls", METRICS, ids=lambda cls: cls.__name__)
def test_metrics_are_means_over_examples(rng, cls):
    metric = cls()
    seen, weights = [], []
    for size in (1, 4, 3):
        images, weight = batch(rng, (size, *SHAPE[1:])), rng.random(size)
        metric.update_state(*images, sample_weight=weight)
        seen.extend(losses_of(cls.loss_class, *images))
        weights.extend(weight)
    np.testing.assert_allclose(metric.result(), np.average(seen, weights=weights), rtol=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_the_base_class_is_of_no_function():
    with pytest.raises(TypeError, match="PresetLoss is the base of the losses of"):
        presets.PresetLoss()
