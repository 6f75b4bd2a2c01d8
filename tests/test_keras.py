"""The losses inside Keras: sample weights by pixel, holes in targets, mixed precision, fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import gradops
from gradops import _backend, reference
from gradops._keras import sample_weights

SHAPE = (6, 8, 6, 3)  # B == W: what Keras would multiply wrongly
BATCH, HEIGHT, WIDTH, CHANNELS = SHAPE
PIXEL_WEIGHTS = {
    "[B, H, W]": (BATCH, HEIGHT, WIDTH),
    "[B, H, W, 1]": (BATCH, HEIGHT, WIDTH, 1),
    "[B, H, W, C]": SHAPE,
}
each_weights = pytest.mark.parametrize("layout", PIXEL_WEIGHTS)
both_backends = pytest.mark.usefixtures("backend")
EXTENDED = pytest.mark.extended


def batch(rng, dtype="float32"):
    """Multiples of 1/256: residuals that cancel are exactly 0, whoever adds up."""
    return [(rng.integers(0, 256, SHAPE) / 256).astype(dtype) for _ in range(2)]


def small_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input(SHAPE[1:]), keras.layers.Conv2D(CHANNELS, 3, padding="same")]
    )


def as_map(weights):
    """[B, H, W] as [B, H, W, 1]."""
    return weights[..., None] if weights.ndim == 3 else weights


@both_backends
@each_weights
def test_weights_of_pixels_are_weights_of_the_loss(rng, layout):
    y_true, y_pred = batch(rng)
    weights = rng.random(PIXEL_WEIGHTS[layout])
    variable = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        value = gradops.SobelLoss()(y_true, variable, sample_weight=weights)
    losses = reference.gradient_loss(y_true, y_pred, weights=as_map(weights))
    np.testing.assert_allclose(value, losses.mean(), rtol=1e-6)
    mean = np.full(BATCH, 1 / BATCH)
    slopes = reference.loss_gradients(y_true, y_pred, mean, weights=as_map(weights))[1]
    np.testing.assert_allclose(tape.gradient(value, variable), slopes, rtol=1e-4, atol=1e-8)


@both_backends
def test_weights_of_pixels_channels_first(rng):
    y_true, y_pred = (np.moveaxis(x, 3, 1) for x in batch(rng))
    weights = rng.random((BATCH, HEIGHT, WIDTH))
    loss = gradops.SobelLoss(data_format="channels_first")
    expected = reference.gradient_loss(
        y_true, y_pred, weights=weights[:, None], data_format="channels_first"
    )
    np.testing.assert_allclose(loss(y_true, y_pred, weights), expected.mean(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(BATCH, 2), (BATCH, WIDTH), (BATCH, 1, 1, 1, 1)])
def test_other_ranks_of_sample_weights_are_refused(rng, shape):
    with pytest.raises(ValueError, match=r"sample_weight must have rank 1 \[B\] .*, or 3 .* got"):
        gradops.SobelLoss()(*batch(rng), sample_weight=np.ones(shape))


def test_weights_of_another_number_of_examples_are_refused():
    """As the reductions of gradops' own see them: one weight is not for all."""
    for count in (1, BATCH - 1):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"sample_weight must be \[B\], or"
        ):
            sample_weights.weights_of(tf.zeros([BATCH]), np.ones(count))


@both_backends
def test_weights_of_pixels_that_do_not_fit_are_refused(rng):
    with pytest.raises(tf.errors.InvalidArgumentError, match="weights must have"):
        gradops.SobelLoss()(*batch(rng), sample_weight=np.ones((BATCH, HEIGHT, WIDTH + 1)))


def with_holes(rng, y_true, value):
    mask = rng.random(SHAPE) > 0.1
    return np.where(mask, y_true, value).astype(y_true.dtype), mask


@pytest.mark.cudnn
@pytest.mark.parametrize(
    ("hole", "jit_compile"),
    [
        pytest.param(hole, jit, marks=[] if jit == (hole == np.inf) else EXTENDED)
        for hole in (np.nan, np.inf, -1.0)
        for jit in (False, True)
    ],
)
def test_fit_on_targets_with_holes(rng, hole, jit_compile):
    x, y = batch(rng)
    y, mask = with_holes(rng, y, hole)
    options = {"mask_value": hole} if hole == -1 else {"mask": "finite"}
    model = small_model()
    expected = reference.gradient_loss(y, model.predict(x, verbose=0), mask=mask)
    model.compile("sgd", loss=gradops.SobelLoss(**options), jit_compile=jit_compile)
    history = model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_allclose(history.history["loss"][0], expected.mean(), rtol=1e-5)
    assert np.all(np.isfinite(history.history["loss"]))
    assert history.history["loss"][1] < history.history["loss"][0]


def test_masks_that_are_none_are_refused():
    with pytest.raises(ValueError, match="mask must be one of 'finite', got 'nan'"):
        gradops.SobelLoss(mask="nan")
    with pytest.raises(ValueError, match="mask_value must be a finite number, got nan"):
        gradops.SobelLoss(mask_value=float("nan"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_images_of_16_bits_are_not_cast_and_the_value_has_32(rng, dtype, monkeypatch):
    """The loss has the usual dtype. float16 has no value above 65504."""
    seen = []
    ops = _backend.ops()
    plain_loss = ops.loss
    monkeypatch.setattr(
        ops, "loss", lambda inputs, *rest: seen.append(inputs) or plain_loss(inputs, *rest)
    )
    y_true, y_pred = (tf.constant(1000 * x, dtype) for x in batch(rng))
    value = gradops.SobelLoss(penalty="l2")(y_true, y_pred)
    assert seen[0].y_true.dtype == seen[0].y_pred.dtype == dtype
    expected = reference.gradient_loss(
        *(tf.cast(x, tf.float64).numpy() for x in (y_true, y_pred)), penalty="l2"
    )
    assert value.dtype == tf.float32 and value > 65504
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-5)
    gradops.SobelLoss()(tf.cast(y_true, tf.float32), y_pred)
    assert seen[1].y_true.dtype == seen[1].y_pred.dtype == tf.float32


@pytest.mark.cudnn
@pytest.mark.parametrize(
    ("policy", "jit_compile"),
    [
        ("mixed_float16", False),
        ("mixed_bfloat16", True),
        # XLA cannot convert float16 for processors that have no instruction for it.
        pytest.param("mixed_float16", True, marks=EXTENDED),
        pytest.param("mixed_bfloat16", False, marks=EXTENDED),
    ],
)
def test_mixed_precision(rng, policy, jit_compile):
    """Gradients survive: the weights move as they do in float32, to a few digits."""
    x, y = batch(rng)
    ends = []
    for chosen in ("float32", policy):
        keras.config.set_dtype_policy(chosen)
        try:
            model = small_model()
        finally:
            keras.config.set_dtype_policy("float32")
        model.compile("sgd", loss=gradops.SobelLoss(), jit_compile=jit_compile)
        start = model.get_weights()[0]  # the kernel: no loss of gradients moves a bias
        history = model.fit(x, y, batch_size=BATCH, epochs=3, verbose=0, shuffle=False)
        assert np.all(np.isfinite(history.history["loss"]))
        ends.append(model.get_weights()[0] - start)
    wide, narrow = ends
    assert np.abs(wide).max() > 1e-4
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=0.03 * np.abs(wide).max())


@pytest.mark.cudnn
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=EXTENDED)])
def test_metrics_in_fit_and_in_a_saved_model(rng, jit_compile, tmp_path):
    """With a rate of 0 every epoch's metric is that of the model as it is."""
    x, y = batch(rng)
    y, mask = with_holes(rng, y, np.nan)
    model = small_model()
    metrics = [gradops.SobelMetric(mask="finite"), gradops.GradientMetric(stencil="central")]
    loss = gradops.SobelLoss(mask="finite")
    model.compile(
        keras.optimizers.SGD(0.0), loss=loss, metrics=metrics[:1], jit_compile=jit_compile
    )
    history = model.fit(x, y, batch_size=4, epochs=2, verbose=0).history
    expected = reference.gradient_loss(y, model.predict(x, verbose=0), mask=mask).mean()
    np.testing.assert_allclose(history["sobel_metric"], 2 * [expected], rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.evaluate(x, y, verbose=0, return_dict=True)["sobel_metric"], expected, rtol=1e-5
    )
    for metric in metrics:
        config = keras.metrics.serialize(metric)
        assert keras.metrics.deserialize(config).get_config() == metric.get_config()


def test_metric_of_another_stencil_is_refused():
    with pytest.raises(ValueError, match="stencil of SobelMetric must be 'sobel', got 'scharr'"):
        gradops.SobelMetric(stencil="scharr")


@pytest.mark.cudnn
def test_two_outputs_with_loss_weights(rng):
    x, y = batch(rng)
    inputs = keras.Input(SHAPE[1:])
    outputs = {name: keras.layers.Conv2D(3, 3, padding="same", name=name)(inputs) for name in "ab"}
    model = keras.Model(inputs, outputs)
    losses = {"a": gradops.SobelLoss(), "b": gradops.GradientLoss(stencil="scharr")}
    model.compile("sgd", loss=losses, loss_weights={"a": 0.5, "b": 2.0})
    found = model.predict(x, verbose=0)
    expected = 0.5 * reference.gradient_loss(y, found["a"]).mean()
    expected += 2 * reference.gradient_loss(y, found["b"], stencil="scharr").mean()
    value = model.train_on_batch(x, {"a": y, "b": y})
    np.testing.assert_allclose(value if np.isscalar(value) else value[0], expected, rtol=1e-5)
