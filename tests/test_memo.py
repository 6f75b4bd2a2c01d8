"""Memo safety: every case is compared with recomputation; no gradient where nobody watches."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import assert_close, images, ops_of, pairs_of

import gradops
from gradops import _library, reference
from gradops._fused import ops
from gradops._inputs import checks, convert

SHAPE = (3, 6, 5, 2)


def maps(rng):
    return {
        "weights": rng.uniform(0.5, 2.0, (*SHAPE[:3], 1)),
        "mask": rng.random((*SHAPE[:3], 1)) > 0.1,
    }


MEMBERS = {
    "default": lambda rng: {},
    "mask and weights": lambda rng: maps(rng),
    "magnitude": lambda rng: {"response": "magnitude", "penalty": "l2"},
    "magnitude, mask and weights": lambda rng: {"response": "magnitude", **maps(rng)},
    "direction, circular": lambda rng: {"response": "direction", "border": "circular"},
    "batch": lambda rng: {"normalizer": "batch", "border": "valid", **maps(rng)},
    "pixels": lambda rng: {"normalizer": "pixels", "stencil": "forward", "penalty": "log"},
    "residual_count": lambda rng: {"normalizer": "residual_count", **maps(rng)},
    "pixel_count": lambda rng: {"normalizer": "pixel_count", "response": "sum", **maps(rng)},
}
members = pytest.mark.parametrize("member", MEMBERS)


@pairs_of(member=list(MEMBERS), watched=[(1,), (0,), (0, 1)], graph=[False, True])
def test_persistent_tape_called_twice_with_other_upstreams(rng, member, watched, graph):
    tensors, options = images(rng, SHAPE), MEMBERS[member](rng)
    upstreams = [
        [1 / 3] * 3,
        [1.0, -2.0, 0.0],
        [1 / 3, 1 / 3, 0.5],
        [1e-30, 5.0, 1 / 3],
        [1 / 3] * 3,
    ]

    def gradients(*tensors):
        sources = [tensors[i] for i in watched]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(sources)
            losses = gradops.gradient_loss(*tensors, **options)
        return [
            tape.gradient(losses, sources, output_gradients=tf.constant(upstream, tf.float64))
            for upstream in upstreams
        ]

    results = (tf.function(gradients) if graph else gradients)(*tensors)
    for upstream, actual in zip(upstreams, results, strict=True):
        expected = reference.loss_gradients(*tensors, upstream, **options)
        for i, gradient in zip(watched, actual, strict=True):
            for ours, theirs in zip(gradient.numpy(), expected[i], strict=True):
                assert_close(ours, theirs, floor=1e-35)


@members
def test_a_returned_gradient_is_not_overwritten_by_a_later_call(rng, member):
    (y_true, y_pred), options = images(rng, SHAPE), MEMBERS[member](rng)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([y_true, y_pred])
        losses = gradops.gradient_loss(y_true, y_pred, **options)
    third = tf.constant([1 / 3] * 3, tf.float64)
    held = tape.gradient(losses, [y_true, y_pred], output_gradients=third)
    before = [x.numpy().copy() for x in held]
    tape.gradient(losses, [y_true, y_pred], output_gradients=7 * third)
    del tape, losses
    for now, then in zip(held, before, strict=True):
        np.testing.assert_array_equal(now.numpy(), then)


def check_two_losses(rng, one, other):
    """Two losses of the same images in one function, which the optimiser must not mix up."""
    tensors = images(rng, SHAPE)

    @tf.function
    def step(y_true, y_pred):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y_pred)
            first = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred, **one))
            second = 10.0 * tf.reduce_sum(gradops.gradient_loss(y_true, y_pred, **other))
            both = first + second
        return [tape.gradient(x, y_pred) for x in (first, second, both)]

    expected = [
        reference.loss_gradients(*tensors, [1 / 3] * 3, **one)[1],
        reference.loss_gradients(*tensors, [10.0] * 3, **other)[1],
    ]
    for actual, wanted in zip(step(*tensors), [*expected, sum(expected)], strict=True):
        assert_close(actual, wanted)


@members
def test_two_equal_losses(rng, member):
    options = MEMBERS[member](rng)
    check_two_losses(rng, options, options)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"penalty": "huber", "delta": 1.0}, {"penalty": "huber", "delta": 2.0}),
        ({"border": "reflect"}, {"border": "replicate"}),
        ({"response": "magnitude"}, {"response": "magnitude", "response_epsilon": 1.0}),
        ({"normalizer": "residuals"}, {"normalizer": "pixels"}),
    ],
)
def test_two_losses_that_differ_in_one_option(rng, one, other):
    check_two_losses(rng, one, other)


def test_two_losses_that_differ_in_weights_or_mask(rng):
    one, other = maps(rng), maps(rng)
    check_two_losses(rng, one, other)
    check_two_losses(rng, one, {**one, "weights": other["weights"]})
    check_two_losses(rng, one, {**one, "mask": other["mask"]})
    check_two_losses(rng, {}, one)


# What runs


@pytest.mark.cpu_only  # a GPU copies the memo
def test_the_expected_upstream_gives_back_the_memo_itself(rng):
    """No copy: the returned gradient is the buffer that the forward pass wrote."""
    inputs, _ = convert.inputs(*images(rng, (4, 5, 6, 3), "float32"))
    options = checks.options(**{k: v[0] for k, v in checks.allowed_names().items()})
    expected = tf.constant(0.25)
    loss, memo = ops.loss_memo(inputs, expected, options)
    for upstream in (expected, tf.fill([4], 0.25)):
        gradient = ops.loss_grad(inputs, memo, expected, upstream, options)
        assert gradient._numpy().ctypes.data == memo._numpy().ctypes.data
    assert loss.shape == [4]
    weights_memo = tf.ones([4, 5, 6, 1])  # which is no derivative
    inputs = inputs._replace(weights=tf.ones([4, 5, 6, 1]))
    by_weights = ops.loss_weights_grad(inputs, weights_memo, expected, expected, options)
    assert by_weights._numpy().ctypes.data == weights_memo._numpy().ctypes.data


def step(watched, **options):
    """A graph of gradients by the images watched."""

    @tf.function
    def gradients(y_true, y_pred, weights):
        given = {"true": y_true, "pred": y_pred, "weights": weights}
        tensors = [given[name] for name in watched.split()]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            losses = gradops.gradient_loss(y_true, y_pred, weights=weights, **options)
            loss = tf.reduce_mean(losses)
        return tape.gradient(loss, tensors)

    spec = tf.TensorSpec(SHAPE, tf.float32)
    return ops_of(gradients, spec, spec, spec)


@pytest.mark.parametrize("response", ["component", "magnitude"])
def test_ops_of_a_step(response):
    """One pass forward and one shortcut back; both images of a response of two sides take two."""
    spec = tf.TensorSpec(SHAPE, tf.float32)
    loss = tf.function(lambda t, p: gradops.gradient_loss(t, p, response=response))
    assert ops_of(loss, spec, spec) == ["Gradops>Loss"]
    for watched in ("true", "pred"):
        assert step(watched, response=response) == ["Gradops>LossMemo", "Gradops>LossGrad"]
    back = ["Gradops>LossGrad"] * (1 if response == "component" else 2)
    assert step("true pred", response=response) == ["Gradops>LossMemo", *back]
    by_weights = ["Gradops>LossWeightsMemo", "Gradops>LossGrad", "Gradops>LossWeightsGrad"]
    assert step("pred weights", response=response) == by_weights
    assert step("weights", response=response) == ["Gradops>Loss", "Gradops>LossWeightsGrad"]
    sums = tf.function(lambda t, p: gradops.gradient_sums(t, p, response=response))
    assert sorted(ops_of(sums, spec, spec)) == ["Gradops>Loss", "Gradops>LossCounts"]


class Spy:
    """Stands for the generated Python functions of the ops and takes down which were called."""

    def __init__(self, library):
        self.library, self.called = library, []

    def __getattr__(self, name):
        self.called.append(name.removeprefix("gradops_"))
        return getattr(self.library, name)


@pytest.fixture
def spy(monkeypatch):
    result = Spy(_library.ops())
    monkeypatch.setattr(_library, "ops", lambda: result)
    return result


@pytest.mark.parametrize("response", ["component", "normal"])
def test_eager_ops(rng, response, spy):
    y_true, y_pred = images(rng, SHAPE)
    weights = tf.ones(SHAPE, tf.float64)
    options = {"response": response, "weights": weights}
    tensors = {"y_true": y_true, "y_pred": y_pred, "weights": weights}
    with tf.GradientTape() as tape:  # which watches none
        gradops.gradient_loss(y_true, y_pred, **options)
    assert spy.called == ["loss"]
    both = ["loss_memo", *["loss_grad"] * (1 if response == "component" else 2)]
    cases = {
        "y_pred": ["loss_memo", "loss_grad"],
        "y_true": ["loss_memo", "loss_grad"],
        "y_true y_pred": both,
        "weights": ["loss", "loss_weights_grad"],
        "y_pred weights": ["loss_weights_memo", "loss_grad", "loss_weights_grad"],
        "y_true y_pred weights": ["loss_weights_memo", *both[1:], "loss_weights_grad"],
    }
    for watched, expected in cases.items():
        spy.called.clear()
        sources = [tensors[name] for name in watched.split()]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            losses = gradops.gradient_loss(y_true, y_pred, **options)
            with tape.stop_recording():
                gradops.gradient_loss(y_true, y_pred, **options)
        tape.gradient(losses, sources)
        assert sorted(spy.called) == sorted([*expected, "loss"])


def test_eager_second_derivatives_compute_what_is_wanted(rng, spy, monkeypatch):
    """One second sweep, with the derivative by y_true only where a tape watches it."""
    y_true, y_pred = images(rng, SHAPE)
    wanted = []
    loss_second = ops.loss_grad_grad

    def second(inputs, vector, upstream, wants_true, options):
        wanted.append(wants_true)
        return loss_second(inputs, vector, upstream, wants_true, options)

    monkeypatch.setattr(ops, "loss_grad_grad", second)
    for sources in ([y_pred], [y_true, y_pred]):
        spy.called.clear()
        with tf.GradientTape() as tape:
            tape.watch(sources)
            gradient = gradops.value_and_gradient(y_true, y_pred, response="magnitude")[1]
        tape.gradient(gradient, sources)
        assert spy.called.count("loss_grad_grad") == 1
    assert wanted == [False, True]
    assert "loss_weights_grad_grad" not in spy.called
