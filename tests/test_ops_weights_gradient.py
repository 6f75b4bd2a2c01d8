"""The losses' derivatives by weights through the ops, against the oracle, in every mode.

test_composite_weights.py has those of the composition, test_ops_weights_second.py has second ones.
"""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, images, is_fused, pairs_of
from reference_tools import NORMALIZERS, RESPONSES, TUNED, TWO_RESIDUALS
from test_reference_weights import CASES, UPSTREAM, problem

import gradops
from gradops import presets, reference

both_backends = pytest.mark.usefixtures("backend")
graphs = pytest.mark.parametrize("graph", [False, True])
MODES = ["eager", "graph", "tape outside", "xla"]
MAPS = ("weights", "mask")
# Two of the predicted upstream gradient, 1/2; scaled; where scaling would lose digits; 0.
UPSTREAMS = [[0.5, 0.5], [1.0, -2.0], [0.5, 3.0], [1e-30, 5.0], [0.0, 0.5], [0.5, 0.5]]


def constants(*arrays, dtype=tf.float64):
    return [tf.constant(x, dtype) for x in arrays]


def gradients(y_true, y_pred, weights, mode="eager", call=None, upstream=UPSTREAM, **options):
    """The losses' derivatives by y_true, y_pred and weights, times upstream."""

    def losses(y_true, y_pred, weights):
        return (call or gradops.gradient_loss)(y_true, y_pred, weights=weights, **options)

    inner = tf.function(losses) if mode == "tape outside" else losses

    def step(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            found = inner(*tensors)
        return tape.gradient(found, tensors, tf.cast(upstream, found.dtype))

    compiled = {"graph": {}, "xla": {"jit_compile": True}}
    run = tf.function(step, **compiled[mode]) if mode in compiled else step
    return run(*map(tf.convert_to_tensor, (y_true, y_pred, weights)))


def wanted(y_true, y_pred, weights, upstream=UPSTREAM, **options):
    """The same of the oracle."""
    options |= {"weights": weights}
    images = y_true, y_pred, upstream
    slopes = reference.multi_scale_gradients(*images, **options)
    return *slopes, reference.multi_scale_weights_gradient(*images, **options)


def check(y_true, y_pred, weights, mode="eager", upstream=UPSTREAM, **options):
    found = gradients(y_true, y_pred, weights, mode, upstream=upstream, **options)
    expected = wanted(y_true, y_pred, weights, upstream, **options)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)
    return found


@pytest.mark.parametrize("part", range(4))
def test_every_pair_of_options(part):
    for case in CASES[part::4]:
        options = {**case, **TUNED[case["penalty"]]}
        data_format = options.pop("data_format")
        sizes = options.pop("channels"), options.pop("masked")
        y_true, y_pred, given = problem(*sizes, data_format)
        check(y_true, y_pred, **given, **options)


@pairs_of(mode=MODES[1:], normalizer=NORMALIZERS, response=["component", "magnitude", "normal"])
def test_modes(mode, normalizer, response):
    y_true, y_pred, given = problem(1 if response == "component" else 2, masked=True)
    check(y_true, y_pred, mode=mode, normalizer=normalizer, response=response, **given)


@both_backends
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(rng, dtype):
    """The derivative has the dtype of the weights, whether that is the one of the losses or not."""
    y_true, y_pred = images(rng, (2, 6, 5, 2), dtype)
    weights = rng.integers(1, 17, (2, 6, 5, 1)) / 8  # which every dtype has
    wide = [np.asarray(x, np.float64) for x in (y_true, y_pred)]
    for normalizer in ("residuals", "residual_count"):
        expected = wanted(*wide, weights, normalizer=normalizer)[2]
        for given in {"float64" if dtype == "float64" else "float32", dtype}:
            options = {"normalizer": normalizer}
            found = gradients(y_true, y_pred, tf.constant(weights, given), **options)[2]
            assert found.dtype == given
            assert_close(np.asarray(found, np.float64), expected, given)


@both_backends
@graphs
def test_a_variable(rng, graph):
    """Which an optimizer moves, so that the loss becomes smaller."""
    y_true, y_pred = images(rng, (2, 6, 5, 2))
    variable = tf.Variable(rng.uniform(0.5, 2, (2, 6, 5, 1)))
    before = variable.numpy()

    def step():
        with tf.GradientTape() as tape:
            losses = gradops.gradient_loss(y_true, y_pred, weights=variable)
            loss = tf.reduce_mean(losses)
        gradient = tape.gradient(loss, variable)
        variable.assign_sub(1e-3 * gradient)
        return loss, gradient

    step = tf.function(step) if graph else step
    loss, gradient = step()
    assert_close(gradient, wanted(y_true, y_pred, before, [0.5, 0.5])[2])
    assert step()[0] < loss


@both_backends
@graphs
def test_weights_that_are_made_of_the_prediction(rng, graph):
    """The derivative by y_pred has both parts; with stopped weights it has one."""
    y_true, y_pred = images(rng, (2, 6, 5, 2))

    def step(y_pred, stops):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            weights = tf.exp(-y_pred / 4)
            weights = tf.stop_gradient(weights) if stops else weights
            losses = gradops.gradient_loss(y_true, y_pred, weights=weights, normalizer="pixels")
        return tape.gradient(losses, y_pred, UPSTREAM)

    run = tf.function(step) if graph else step
    weights = np.exp(-y_pred / 4)
    _, by_pred, by_weights = wanted(y_true, y_pred, weights, normalizer="pixels")
    assert_close(run(y_pred, stops=True), by_pred)
    assert_close(run(y_pred, stops=False), by_pred - by_weights * weights / 4)


@pairs_of(normalizer=NORMALIZERS, channels=[1, 2], graph=[False, True])
def test_upstreams_other_than_the_predicted(normalizer, channels, graph):
    """One persistent tape, called for each of them: memos are copied, scaled and not used."""
    y_true, y_pred, given = problem(channels, masked=True)
    options = {"normalizer": normalizer, "mask": given["mask"]}

    def step(y_pred, weights):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([y_pred, weights])
            losses = gradops.gradient_loss(y_true, y_pred, weights=weights, **options)
        return [
            tape.gradient(losses, [y_pred, weights], tf.constant(upstream, tf.float64))
            for upstream in UPSTREAMS
        ]

    run = tf.function(step) if graph else step
    tensors = constants(y_pred, given["weights"])
    for upstream, found in zip(UPSTREAMS, run(*tensors), strict=True):
        expected = wanted(y_true, y_pred, given["weights"], upstream, **options)[1:]
        for ours, theirs in zip(found, expected, strict=True):
            for one, other in zip(ours.numpy(), theirs, strict=True):
                assert_close(one, other, floor=1e-33)


@both_backends
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_value_and_gradient(reduction):
    y_true, y_pred, given = problem(1, masked=True)
    weights = tf.constant(given["weights"])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        value, gradient = gradops.value_and_gradient(
            y_true, y_pred, reduction=reduction, weights=weights, mask=given["mask"]
        )
    upstream = [0.5, 0.5] if reduction == "mean" else [1, 1]
    _, by_pred, by_weights = wanted(y_true, y_pred, upstream=upstream, **given)
    assert_close(tape.gradient(value, weights), by_weights)
    assert_close(gradient, by_pred)


@pairs_of(response=RESPONSES, mode=MODES, channels=[1, 2])
def test_sums_and_counts(response, mode, channels):
    """The counts do not depend on images, whatever these hold."""
    y_true, y_pred, given = problem(channels, masked=True)
    upstream = np.array([[0.3, -2], [0.7, 1.1]])[:, : 2 if response in TWO_RESIDUALS else 1]
    expected = reference.sums_weights_gradients(
        y_true, y_pred, upstream, response=response, **given
    )
    for which, by_weights in enumerate(expected):

        def call(*images, **options):
            return gradops.gradient_sums(*images, response=response, **options)[which]  # noqa: B023

        arrays = y_true, y_pred if which == 0 else np.full_like(y_pred, np.nan)
        found = gradients(*arrays, mode=mode, call=call, upstream=upstream, **given)
        assert_close(found[2], by_weights)
        assert which == 0 or found[1] is None or not found[1].numpy().any()


@both_backends
def test_videos():
    y_true, y_pred, given = problem(1, masked=True, shape=(6, 5, 4, 2))
    upstream = np.linspace(-1, 2, 6)
    expected = wanted(y_true, y_pred, upstream=upstream, normalizer="batch", **given)
    shaped = [np.reshape(x, (2, 3, *x.shape[1:])) for x in (y_true, y_pred)]
    maps = {name: np.reshape(given[name], (2, 3, *given[name].shape[1:])) for name in MAPS}
    found = gradients(*shaped, upstream=upstream.reshape(2, 3), normalizer="batch", **maps)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(tf.reshape(ours, theirs.shape), theirs)


@pairs_of(
    downsample=["stride", "average"],
    normalizer=NORMALIZERS,
    data_format=["channels_last", "channels_first"],
    channels=[1, 2],
    mode=["eager", "graph"],
)
def test_several_scales(downsample, normalizer, data_format, channels, mode):
    y_true, y_pred, given = problem(channels, True, data_format, shape=(2, 17, 14, 2))
    options = {"scales": 3, "downsample": downsample, "scale_weights": [1, 0.5, 2]}
    check(y_true, y_pred, mode=mode, normalizer=normalizer, **options, **given)


# Zeros and numbers that are none


@both_backends
@pairs_of(response=RESPONSES, normalizer=NORMALIZERS, bad=[np.nan, np.inf], channels=[1, 2])
def test_what_a_weight_of_0_hides(response, normalizer, bad, channels):
    y_true, y_pred, given = problem(channels, shape=(2, 8, 7, 2))
    given["weights"][0, 1:6, 1:6] = 0
    y_pred[0, 3, 3, 1] = bad
    for penalty in ("l2", "truncated"):
        options = {"response": response, "normalizer": normalizer, "penalty": penalty}
        found = check(y_true, y_pred, **options, **given)
        assert all(np.isfinite(gradient).all() for gradient in found)
        assert found[2].numpy()[given["weights"] == 0].any()


@both_backends
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_where_nothing_counts(normalizer):
    y_true, y_pred, given = problem(2, masked=True, shape=(2, 4, 5, 2))
    given["mask"][0], y_pred[0] = False, np.nan
    found = check(y_true, y_pred, normalizer=normalizer, **given)
    assert not found[2][0].numpy().any() and found[2][1].numpy().any()
    given["weights"] *= 0
    found = check(y_true, y_pred, normalizer=normalizer, **given)
    assert found[2].numpy().any() == ("count" in normalizer)
    assert not found[1].numpy().any()


def check_empty(shape, channels):
    weights = np.ones((*shape[:3], channels))
    for normalizer in NORMALIZERS:
        options = {"upstream": np.ones(shape[0]), "normalizer": normalizer}
        found = gradients(np.ones(shape), np.ones(shape), weights, **options)[2]
        if found is not None or is_fused():
            np.testing.assert_array_equal(found, np.zeros_like(weights))


@both_backends
@pytest.mark.parametrize(
    ("shape", "channels"), [((0, 4, 5, 2), 1), ((0, 4, 5, 2), 2), ((2, 4, 5, 0), 1)]
)
def test_empty_images(shape, channels):
    check_empty(shape, channels)


@pytest.mark.xfail(strict=True, reason="the op takes weights of no elements for none")
def test_weights_of_no_channels():
    check_empty((2, 4, 5, 0), 0)


# The term of the pixels


@pairs_of(
    normalizer=NORMALIZERS, channels=[1, 2], scales=[1, 2], mode=["eager", "graph"],
    response=["component", "normal"],
)  # fmt: skip
def test_the_term_of_the_pixels(normalizer, channels, scales, mode, response):
    """dL/dw = (v - L n) / D with v = |p - t|, and that of the residuals."""
    y_true, y_pred, given = problem(channels, masked=True, shape=(2, 17, 14, 2))
    weights, mask = given["weights"], given["mask"]
    options = {"normalizer": normalizer, "scales": scales, "response": response}
    scaled = {"pixel_weight": 1.7, "gradient_weight": 0.3}
    found = gradients(
        y_true, y_pred, weights, mode, presets.pixel_and_gradient, mask=mask, **options, **scaled
    )[2]
    expected = 0.3 * wanted(y_true, y_pred, **given, **options)[2]
    assert_close(found, expected + 1.7 * by_pixels(y_true, y_pred, weights, mask, normalizer))


def by_pixels(y_true, y_pred, weights, mask, normalizer):
    valid = np.broadcast_to(mask, y_pred.shape)
    values, ones = np.where(valid, np.abs(y_pred - y_true), 0), valid.astype(float)
    sums, total, count = (
        x.sum(axis=(1, 2, 3), keepdims=True) for x in (weights * values, weights * ones, ones)
    )
    upstream = UPSTREAM.reshape(-1, 1, 1, 1)
    if "count" in normalizer:
        by_weights = upstream * values / count
    elif normalizer == "batch":
        by_weights = (upstream * values - np.mean(upstream * sums) / total.mean() * ones) / (
            total.mean()
        )
    else:
        by_weights = upstream * (values - sums / total * ones) / total
    return by_weights.sum(axis=3, keepdims=True) if weights.shape[3] == 1 else by_weights


# Loops and forward mode


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_vectorized_map(rng, normalizer):
    y_true, y_pred = images(rng, (3, 2, 6, 5, 2))
    weights = tf.constant(rng.uniform(0.5, 2, (3, 2, 6, 5, 1)))

    def of_one(tensors):
        return gradients(*tensors, normalizer=normalizer)

    found = tf.vectorized_map(of_one, (y_true, y_pred, weights))
    for i in range(3):
        expected = wanted(y_true[i], y_pred[i], weights[i], normalizer=normalizer)
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours[i], theirs)


@both_backends
@pytest.mark.parametrize("normalizer", ["pixels", "batch", "residual_count"])
def test_the_jacobian_of_the_losses(normalizer):
    y_true, y_pred, given = problem(1)
    weights = tf.constant(given["weights"])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        losses = gradops.gradient_loss(y_true, y_pred, weights=weights, normalizer=normalizer)
    found = tape.jacobian(losses, weights)
    for b, of_loss in enumerate(np.eye(2)):
        expected = wanted(y_true, y_pred, given["weights"], of_loss, normalizer=normalizer)[2]
        assert_close(found[b], expected)
        assert found[b, 1 - b].numpy().any() == (normalizer == "batch")


@pairs_of(normalizer=NORMALIZERS, graph=[False, True], channels=[1, 2])
def test_forward_mode(normalizer, graph, channels):
    """Along weights, and along weights and y_pred at once."""
    y_true, y_pred, given = problem(channels, masked=True)
    weights, mask = given["weights"], given["mask"]
    along_w, along_p = np.random.default_rng(98).normal(size=(2, *y_pred.shape))
    along_w = along_w[..., :channels]
    options = {"normalizer": normalizer, "mask": mask}

    def step(y_pred, weights):
        found = []
        for tensors, tangents in [([weights], [along_w]), ([weights, y_pred], [along_w, along_p])]:
            tangents = list(map(tf.constant, tangents))
            with tf.autodiff.ForwardAccumulator(tensors, tangents) as forward:
                losses = gradops.gradient_loss(y_true, y_pred, weights=weights, **options)
            found.append(forward.jvp(losses))
        return found

    run = tf.function(step) if graph else step
    found = run(*constants(y_pred, weights))
    for b, of_loss in enumerate(np.eye(2)):
        _, by_pred, by_weights = wanted(y_true, y_pred, weights, of_loss, **options)
        terms = [by_weights * along_w, by_pred * along_p]
        size = sum(np.abs(term).sum() for term in terms)  # terms cancel
        assert_close(found[0][b], terms[0].sum(), floor=size)
        assert_close(found[1][b], terms[0].sum() + terms[1].sum(), floor=size)


@pytest.mark.parametrize("response", ["component", "sum"])
def test_forward_mode_of_sums_and_counts(response):
    y_true, y_pred, given = problem(1, masked=True)
    weights, mask = tf.constant(given["weights"]), given["mask"]
    along = tf.constant(np.random.default_rng(99).normal(size=weights.shape))
    with tf.autodiff.ForwardAccumulator(weights, along) as forward:
        both = gradops.gradient_sums(y_true, y_pred, weights=weights, mask=mask, response=response)
    for which, values in enumerate(both):
        found = forward.jvp(values)
        for index in np.ndindex(*values.shape):
            one = np.zeros(values.shape)
            one[index] = 1
            by_weights = reference.sums_weights_gradients(
                y_true, y_pred, one, response=response, **given
            )[which]
            assert_close(found[index], np.sum(by_weights * along))
