"""Steps of 16-bit images, and of sums by axis, whose upstream gradients are predicted.

Whether or not a prediction was right, a step's gradient has the same bits as without one.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
from op_tools import ops_of, pairs_of
from upstream_tools import SHAPE, halves, new_site, predicted

import gradops
from gradops import _library
from gradops._fused import ops

pytestmark = pytest.mark.cpu_only  # nothing is remembered on a GPU
_kernels = _library.kernels()


@pytest.fixture
def site():
    """One that nothing else has used."""
    return new_site()


SCALES = [32768.0, 32768.0, 32768.0, 65536.0, 65536.0, 65536.0, 0.1, 0.2, 0.3, 0.3, 0.3, np.inf]


def step_of(mode, **options):
    """(t, p, factors [B]) -> the gradient of the sum of factors * losses / B by p."""

    def step(t, p, factors):
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss = tf.reduce_mean(factors * gradops.gradient_loss(t, p, **options))
        return tape.gradient(loss, p)

    if mode == "eager":
        return step
    return tf.function(step, jit_compile=mode == "jit")


def recomputed(t, p, upstream, **options):
    """The gradient by p without a memo."""
    nothing, maps = tf.zeros([0], p.dtype), (tf.zeros([0], upstream.dtype), tf.zeros([0], tf.bool))
    return _library.ops().gradops_loss_grad(t, p, *maps, nothing, upstream, upstream, **options)


def bits(tensor):
    return tensor.numpy().view(f"uint{8 * tensor.dtype.size}")


@pairs_of(
    mode=["eager", "graph", "jit"],
    dtype=["float16", "bfloat16"],
    response=["component", "magnitude"],
    border=["reflect", "valid"],
)
def test_no_step_shows_what_was_predicted(rng, mode, dtype, response, border):
    options = {"response": response, "border": border, "penalty": "l2"}
    step = step_of(mode, **options)
    for scale in SCALES:
        for factors in ([scale, scale], [scale, 1.0]):
            t, p = (tf.cast(x, dtype) for x in halves(rng))
            found = step(t, p, tf.constant(factors))
            wanted = recomputed(t, p, tf.constant(factors) / 2, **options)
            np.testing.assert_array_equal(bits(found), bits(wanted))


@pairs_of(
    mode=["eager", "graph", "jit"],
    dtype=["float16", "float32", "float64"],
    response=["component", "absolute", "magnitude"],
    border=["reflect", "valid"],
)
def test_no_gradient_of_sums_shows_what_was_predicted(rng, mode, dtype, response, border):
    options = {"response": response, "border": border, "penalty": "l2"}
    axes = 1 if response == "magnitude" else 2

    def step(t, p, factors):
        with tf.GradientTape() as tape:
            tape.watch(p)
            total = tf.reduce_sum(factors * gradops.gradient_sums(t, p, **options)[0])
        return tape.gradient(total, p)

    call = step if mode == "eager" else tf.function(step, jit_compile=mode == "jit")
    for scale in SCALES:
        t, p = (tf.cast(x, dtype) for x in halves(rng))
        factors = np.array([[scale, 0.3], [0.7, scale]])[:, :axes]
        factors = tf.constant(factors, tf.float64 if dtype == "float64" else tf.float32)
        wanted = recomputed(t, p, factors, normalizer="none", **options)
        np.testing.assert_array_equal(bits(call(t, p, factors)), bits(wanted))


@pytest.mark.parametrize("mode", ["eager", "graph", "jit"])
def test_a_steady_scale_is_found_out(rng, mode, site, monkeypatch):
    """After one step its upstream gradient is expected; also after it has changed, two later."""
    name = "_eager_site" if mode == "eager" else "_new_site"
    monkeypatch.setattr(ops, name, lambda *call: site)
    step = step_of(mode)
    t, p = (tf.constant(x) for x in halves(rng))

    def expected_after(scale):
        step(t, p, tf.fill([2], scale))
        return predicted(site).tolist()

    assert expected_after(0.5) == [0.25, 0.25]
    assert expected_after(0.5) == [0.25, 0.25]
    assert expected_after(32768.0) == [7, 7]
    assert expected_after(32768.0) == [16384, 16384]
    assert expected_after(32768.0) == [16384, 16384]


@pytest.mark.parametrize(("dtype", "expected"), [("bfloat16", 7), ("float16", 0.5)])
def test_an_unscaled_mean_is_expected_at_once(rng, site, monkeypatch, dtype, expected):
    """But not of float16 images, whose losses are usually scaled."""
    monkeypatch.setattr(ops, "_new_site", lambda *call: site)
    t, p = (tf.cast(x, dtype) for x in halves(rng))
    step_of("graph")(t, p, tf.ones([2]))
    np.testing.assert_array_equal(predicted(site), [expected] * 2)  # 7: nothing was missed


def test_without_a_prediction_no_gradient_is_found(rng, site):
    """No memo is written, and LossGrad takes none for the gradient, not even that of losses * 0."""
    call = functools.partial(dict, penalty="l2", site=site)
    t, p = halves(rng)
    p[0, 0, 0, 0] = np.inf
    zeros, ones = np.zeros(2, "float32"), np.ones(2, "float32")
    memo = np.full(SHAPE, 7, "float16")
    losses, _ = _kernels.loss_memo(t, p, zeros, **call(memo=memo))
    np.testing.assert_array_equal(losses, _kernels.loss(t, p, penalty="l2"))
    assert np.all(memo == 7)
    for upstream in (zeros, ones):
        found = _kernels.loss_grad(t, p, **call(memo=memo, expected=zeros, upstream=upstream))
        wanted = _kernels.loss_grad(t, p, **call(expected=upstream, upstream=upstream))
        np.testing.assert_array_equal(found.view("uint16"), wanted.view("uint16"))
        assert np.isnan(found[0]).any()
    for expected, others in ([0, 1], call()), (zeros, {"penalty": "l2"}):
        memo = np.full(SHAPE, 7, "float16")
        _kernels.loss_memo(t, p, np.array(expected, "float32"), memo=memo, **others)
        assert np.isnan(memo[0]).any()
    maps = tf.zeros([0]), tf.zeros([0], tf.bool)
    _, memo = _library.ops().gradops_loss_memo(t, p, *maps, zeros, site=site)
    np.testing.assert_array_equal(memo, p)


@pytest.mark.parametrize("jit", [False, True])
def test_steps_whose_losses_count_nothing(rng, jit):
    """Their gradient is the product with 0 in every step: NaN where an image is infinite."""
    t, p = (tf.constant(x) for x in halves(rng))
    p = tf.where(tf.range(3) == 1, tf.constant(np.inf, p.dtype), p)
    step = tf.function(step_of("eager", penalty="l2"), jit_compile=jit)
    for factor in (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0):
        factors = tf.fill([2], factor)
        wanted = recomputed(t, p, factors / 2, penalty="l2")
        np.testing.assert_array_equal(bits(step(t, p, factors)), bits(wanted))


def types(dtype, watched, function=gradops.gradient_loss, **options):
    def step(t, p, weights):
        tensors = {"t": t, "p": p, "w": weights}
        sources = [tensors[name] for name in watched]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            loss = tf.reduce_mean(function(t, p, weights=weights, **options))
        return tape.gradient(loss, sources)

    images = tf.TensorSpec(SHAPE, dtype)
    found = ops_of(tf.function(step), images, images, tf.TensorSpec(SHAPE, tf.float32))
    return [name.removeprefix("Gradops>") for name in found]


def test_ops_of_a_step(monkeypatch):
    with_history = ["ExpectedUpstream", "LossMemo", "LossGrad"]
    for dtype in ("float16", "bfloat16"):
        for watched in ("p", "t", "tp"):
            assert types(dtype, watched) == with_history
    # A memo of the derivative by the weights may be scaled, which has other last bits.
    assert types("float16", "pw") == ["Loss", "LossGrad", "LossWeightsGrad"]
    assert types("bfloat16", "pw") == ["LossWeightsMemo", "LossGrad", "LossWeightsGrad"]
    assert types("float32", "p") == types("float64", "p") == ["LossMemo", "LossGrad"]
    sums = functools.partial(types, function=lambda *x, **y: gradops.gradient_sums(*x, **y)[0])
    assert sums("float32", "p") == sums("float64", "t") == ["LossCounts", *with_history]
    assert sums("float32", "p", response="sum") == ["LossCounts", "Loss", "LossGrad"]
    assert sums("float16", "p", response="sum") == ["LossCounts", *with_history]
    monkeypatch.setattr(ops._library, "has_device", lambda kind: kind == "GPU")
    assert types("float16", "p") == ["Loss", "LossGrad"]
    assert sums("float32", "p") == ["LossCounts", "Loss", "LossGrad"]
    assert types("bfloat16", "p") == ["LossMemo", "LossGrad"]


def test_eager_calls_with_the_same_arguments_share_a_site():
    calls = [
        (tf.TensorShape(shape), factor, ("penalty", penalty))
        for shape in (SHAPE, (2, 5, 5, 1))
        for factor in (1.0, 0.5)
        for penalty in ("l1", "l2")
    ]
    sites = [ops._eager_site(*call) for call in calls]
    assert len(set(sites)) == len(calls)
    assert sites == [ops._eager_site(*call) for call in calls]


def test_every_call_in_a_graph_has_a_site_of_its_own():
    @tf.function
    def two(t, p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss = gradops.gradient_loss(t, p) + gradops.gradient_loss(t, p, penalty="l2")
        return tape.gradient(loss, p)

    spec, found = tf.TensorSpec(SHAPE, tf.float16), {}
    for op in two.get_concrete_function(spec, spec).graph.get_operations():
        if op.type.startswith("Gradops>"):
            found.setdefault(op.get_attr("site"), []).append(op.type)
    assert len(found) == 2 and b"" not in found
    for names in found.values():
        assert set(names) == {"Gradops>ExpectedUpstream", "Gradops>LossMemo", "Gradops>LossGrad"}


def test_a_graph_that_is_called_in_many_ways(rng):
    """Batches of several sizes, a loop around steps, a function within a function, both images."""
    spec = tf.TensorSpec([None, None, None, 3], tf.float16)

    @tf.function(input_signature=[spec, spec, tf.TensorSpec([], tf.float32)])
    def step(t, p, scale):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([t, p])
            loss = scale * tf.reduce_mean(gradops.gradient_loss(t, p, response="absolute"))
            double = 2 * loss
        return [tape.gradient(value, x) for value in (loss, double) for x in (t, p)]

    @tf.function
    def steps(t, p, scales):
        sums = [tf.zeros_like(t, tf.float32)] * 4
        for scale in scales:
            found = step(t, p, scale)
            sums = [tf.cast(x, tf.float32) + y for x, y in zip(found, sums, strict=True)]
        return sums

    def direct(t, p, scale):
        mean = tf.fill([t.shape[0]], scale / t.shape[0])
        return [
            recomputed(*pair, factor * mean, response="absolute")
            for factor in (1, 2)
            for pair in ((p, t), (t, p))
        ]

    for scale in (1.0, 64.0, 64.0, 64.0, 8.0):
        for shape in (SHAPE, (4, 9, 8, 3), (2, 20, 5, 3)):
            t, p = (tf.constant(x) for x in halves(rng, shape))
            for found, wanted in zip(step(t, p, scale), direct(t, p, scale), strict=True):
                np.testing.assert_array_equal(found, wanted)  # equal where signs of 0 differ
            once = [tf.cast(x, tf.float32) for x in direct(t, p, scale)]
            for found, wanted in zip(steps(t, p, tf.fill([4], scale)), once, strict=True):
                np.testing.assert_array_equal(found, 4 * wanted)


def test_loops_jacobians_and_forward_mode(rng):
    """Those that go around the memo, or fold a loop into the batch."""
    t, p = (tf.constant(x) for x in halves(rng))

    def gradient(pair):
        with tf.GradientTape() as tape:
            tape.watch(pair[1])
            losses = gradops.gradient_loss(*pair, penalty="l2")
        return tape.gradient(losses, pair[1])

    stacked = tf.stack([t, p, t]), tf.stack([p, t, t])
    found = tf.vectorized_map(gradient, stacked, fallback_to_while_loop=False)
    for i in range(3):
        np.testing.assert_array_equal(found[i], gradient([x[i] for x in stacked]))
    with tf.GradientTape() as tape:
        tape.watch(p)
        losses = gradops.gradient_loss(t, p, penalty="l2")
    jacobian = tape.jacobian(losses, p)
    for b in range(2):
        np.testing.assert_array_equal(jacobian[b, b], gradient((t, p))[b])
    with tf.autodiff.ForwardAccumulator(p, p) as forward:
        with tf.GradientTape() as tape:
            tape.watch(p)
            losses = gradops.gradient_loss(t, p, penalty="l2")
        slopes = tape.gradient(losses, p)
    products = tf.cast(gradient((t, p)), tf.float64) * tf.cast(p, tf.float64)
    direct = tf.reduce_sum(products, (1, 2, 3))
    np.testing.assert_allclose(forward.jvp(losses), direct, rtol=2e-3)
    assert forward.jvp(slopes).dtype == tf.float16
