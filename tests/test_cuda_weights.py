"""The derivatives by the weights of the CUDA kernels, against the oracle and the CPU's kernels.

Where the kernels run: cuda_tools.py.
"""

import family_tools
import numpy as np
import pytest
from cuda_tools import CUDA
from family_cases import MAPS, fits, images_of, mask_of, weights_of
from family_options import BORDERS, DATA_FORMATS, NORMALIZERS, PENALTIES, RESPONSES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    EPSILON,
    TUNED,
    assert_same_bits,
    draw,
    encode,
    first,
    generator,
    kernel_options,
    noisy,
)
from pair_tools import covering

from gradops import reference
from gradops.reference.problem import Problem, divide_or_zero, divisors

pytestmark = pytest.mark.gpu

CPU = family_tools.MODULES
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
FAMILY = {
    # Of one pixel, of odd sizes, of more elements in a row than a block has threads; many channels.
    "shape": [
        (3, 5, 6, 2),
        (1, 3, 3, 1),
        (1, 1, 1, 1),
        (2, 4, 1, 2),
        (2, 3, 90, 3),
        (1, 4, 3, 130),
    ],
    "stencil": STENCILS,
    "border": BORDERS,
    "response": RESPONSES,
    "penalty": PENALTIES,
    "normalizer": NORMALIZERS,
    "data_format": DATA_FORMATS,
    "weights": MAPS[1:],
    "mask": MAPS,
    "target": ["given", "none"],
}
SMOOTH = ["l2", "charbonnier"]


def drawn(shape, dtype, weights, mask, target, **options):
    """Images, upstream and options with maps; in the data format."""
    rng = generator(530, *shape)
    options |= TUNED.get(options["penalty"], {})
    is_first = options["data_format"] == "channels_first"
    for name, kind, make in (("weights", weights, weights_of), ("mask", mask, mask_of)):
        if kind != "none":
            values = make(rng, shape if kind == "per channel" else (*shape[:3], 1))
            options[name] = first(values) if is_first else values
    data = images_of(rng, shape, dtype, options)
    return data._replace(y_true=data.y_true if target == "given" else None), options


def axes_first(values):
    return values.reshape(len(values), -1)


def sizes_of(data, normalizer, **options):
    """The largest u v / D of each example, [B]; for normalizer batch, that of all."""
    problem = Problem(data.y_true, data.y_pred, **options)
    divisor = np.ones(len(data.y_pred))
    if normalizer != "none":
        divisor = divisors(problem, normalizer)
    values, _ = problem.values_at_weights(np.ones((len(divisor), 1)))
    largest = axes_first(np.abs(values)).max(axis=1) * axes_first(np.abs(data.upstream)).max(axis=1)
    sizes = divide_or_zero(largest, divisor)
    return np.full_like(sizes, sizes.max()) if normalizer == "batch" else sizes


def expected_by_weights(data, normalizer, **options):
    images = data[:2]
    if normalizer == "none":
        return reference.sums_weights_gradients(*images, data.upstream, **options)[0]
    return reference.weights_gradient(*images, data.upstream, normalizer=normalizer, **options)


def assert_near(found, expected, sizes, epsilons, context):
    assert found.shape == expected.shape
    errors = axes_first(np.abs(found - expected)).max(axis=1)
    assert np.all(errors <= epsilons * np.maximum(sizes, 1e-30)), (context, errors / sizes)


def arrays_of(data, dtype):
    images = [None if x is None else encode(x, dtype) for x in data[:3]]
    return images, data.upstream.astype(COMPUTE[dtype])


@each_dtype
def test_every_pair_of_options(dtype):
    """By the oracle and by the CPU's kernels; the derivatives of the counts too."""
    epsilon = EPSILON[COMPUTE[dtype]]
    for case in covering(FAMILY, fits):
        data, options = drawn(dtype=dtype, **case)
        (y_true, y_pred, _), upstream = arrays_of(data, dtype)
        given = kernel_options(options, dtype)
        *_, found = CUDA[dtype].loss_weights_memo(y_true, y_pred, upstream, **given)
        again = CUDA[dtype].loss_weights_grad(y_true, y_pred, upstream, upstream, **given)
        assert_same_bits(again, found)
        *_, of_cpu = CPU[dtype].loss_weights_memo(y_true, y_pred, upstream, **given)
        assert found.dtype == of_cpu.dtype
        # Differences of small residuals have few digits, and so have those of directions.
        amplified = 20 if options["response"] == "direction" else 1
        sizes, allowed = sizes_of(data, **options), amplified * 16 * epsilon
        assert_near(found, expected_by_weights(data, **options), sizes, allowed, case)
        assert_near(found, of_cpu.astype("float64"), sizes, allowed, case)
        check_counts(y_pred, dtype, options)


def check_counts(y_pred, dtype, options):
    """Sums of few eighths, which are exact."""
    given = kernel_options(options, dtype)
    options = {name: x for name, x in options.items() if name != "normalizer"}
    counts = CUDA[dtype].loss_counts(None, y_pred, **given)
    images = np.zeros(y_pred.shape)
    np.testing.assert_array_equal(counts, reference.gradient_sums(None, images, **options)[1])
    upstream = np.arange(1, 1 + counts.size).reshape(counts.shape) / 8
    found = CUDA[dtype].loss_counts_grad(None, y_pred, upstream.astype(counts.dtype), **given)
    expected = reference.sums_weights_gradients(None, images, upstream, **options)[1]
    np.testing.assert_array_equal(found, expected)


@each_dtype
def test_second_order(dtype):
    """The derivative of by_weights along the vector, where the loss is smooth."""
    family = {**FAMILY, "penalty": SMOOTH, "stencil": ["sobel", "laplace"], "target": ["given"]}
    family["response"] = [name for name in RESPONSES if name != "direction"]
    step = 1e-5
    for case in covering(family, fits):
        data, options = drawn(dtype=dtype, **case)
        images, upstream = arrays_of(data, dtype)
        given = kernel_options(options, dtype)
        found = CUDA[dtype].loss_weights_grad_grad(*images, upstream, **given)
        forward, backward = (
            expected_by_weights(data._replace(y_pred=data.y_pred + by * data.vector), **options)
            for by in (step, -step)
        )
        expected = (forward - backward) / (2 * step)
        sizes = axes_first(np.abs(expected)).max(axis=1)
        sizes = np.maximum(sizes, sizes_of(data, **options))
        assert_near(found, expected, sizes, 2e-5, case)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_nan_and_infinity_at_weights_of_zero(rng, normalizer):
    """They are 0 there and change nothing elsewhere, unless a residual next to it counts."""
    y_true, y_pred = rng.random((2, 2, 9, 8, 2))
    weights = rng.uniform(0.5, 2, (2, 9, 8, 1))
    weights[0, 2:7, 2:7] = 0
    for bad in (np.nan, np.inf):
        broken = y_pred.copy()
        broken[0, 4, 4, 1] = bad
        upstream = np.array([[1, 2], [3, -1.0]] if normalizer == "none" else [1, -1.0])
        options = {"normalizer": normalizer, "weights": weights}
        found = CUDA["float64"].loss_weights_grad(y_true, broken, upstream, upstream, **options)
        clean = CUDA["float64"].loss_weights_grad(y_true, y_pred, upstream, upstream, **options)
        is_reached = np.zeros(weights.shape, bool)
        is_reached[0, 3:6, 3:6] = True
        is_reached[0, 4, 4] = False  # central differences do not read their own pixel
        assert not found[is_reached].any() and clean[is_reached].all()
        np.testing.assert_array_equal(found[~is_reached], clean[~is_reached])


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_bad_weights(rng, normalizer, bad):
    """Their example is NaN; the other one is not, unless it has the same denominator."""
    images = rng.random((2, 6, 5, 1))
    weights = np.ones(images.shape)
    options = {"normalizer": normalizer, "weights": weights}
    upstream = np.ones((2, 2) if normalizer == "none" else 2)
    good = CUDA["float64"].loss_weights_memo(None, images, upstream, **options)
    weights[1, 2, 3] = bad
    found = CUDA["float64"].loss_weights_memo(None, images, upstream, **options)
    for ours, wanted in zip(found, good, strict=True):
        assert np.isnan(ours[1]).all()
        if normalizer == "batch":
            assert np.isnan(ours[0]).all()
        else:
            np.testing.assert_array_equal(ours[0], wanted[0])


@each_dtype
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_memo(rng, dtype, normalizer):
    """Copied, scaled or left aside by example; under normalizer batch, for all in the same way."""
    compute, shape = COMPUTE[dtype], (4, 9, 7, 2)
    kernels = CUDA[dtype]
    images = [encode(draw(rng, shape, dtype), dtype) for _ in range(2)]
    weights = rng.uniform(0.5, 2, (*shape[:3], 1)).astype(compute)
    options = {"normalizer": normalizer, "weights": weights}
    expected = np.array([1, 2, 0.5, 1e-20], compute)
    upstream = np.array([1, 4, -0.25, 3], compute)
    if normalizer == "none":
        expected, upstream = (np.stack([x, 2 * x], -1) for x in (expected, upstream))
    *_, memo = kernels.loss_weights_memo(*images, expected, **options)
    *_, wanted = kernels.loss_weights_memo(*images, upstream, **options)
    used = memo.copy()
    used[0] = 7  # shows whether it is used
    how = {"weights_memo": used, **options}
    found = kernels.loss_weights_grad(*images, expected, upstream, **how)
    np.testing.assert_array_equal(found[1:], wanted[1:])
    np.testing.assert_array_equal(found[0], wanted[0] if normalizer == "batch" else 7)
    # Taken where it is foreseen, whatever it holds.
    how["weights_memo"] = noisy(rng, weights.shape).astype(compute)
    found = kernels.loss_weights_grad(*images, upstream, upstream, **how)
    assert_same_bits(found, how["weights_memo"])


def test_memo_that_is_scaled(rng):
    """Not found again: what it holds is scaled, unless normalizer batch mixes the examples."""
    images, weights = rng.random((2, 5, 4, 1)), rng.uniform(0.5, 2, (2, 5, 4, 1))
    expected, upstream = np.ones(2), np.array([1.0, 4])
    for normalizer in ("residuals", "batch"):
        options = {"normalizer": normalizer, "weights": weights}
        how = {"weights_memo": np.ones(weights.shape), **options}
        found = CUDA["float64"].loss_weights_grad(None, images, expected, upstream, **how)
        if normalizer == "residuals":
            np.testing.assert_array_equal(found[:, 0, 0, 0], [1, 4])
        else:
            again = CUDA["float64"].loss_weights_grad(None, images, upstream, upstream, **options)
            assert_same_bits(found, again)


@each_dtype
def test_empty_images(dtype):
    kernels = CUDA[dtype]
    for shape in ((0, 5, 4, 3), (2, 5, 4, 0)):
        images = encode(np.zeros(shape), dtype)
        upstream = np.ones(shape[:1], COMPUTE[dtype])
        weights = np.ones((*shape[:3], 1), COMPUTE[dtype])
        options = {"weights": weights}
        *_, memo = kernels.loss_weights_memo(images, images, upstream, **options)
        second = kernels.loss_weights_grad_grad(images, images, images, upstream, **options)
        counts = np.ones((shape[0], 2), COMPUTE[dtype])
        of_counts = kernels.loss_counts_grad(None, images, counts, weights=weights)
        for found in (memo, second, of_counts):
            assert found.shape == weights.shape and not found.any()


def test_weights_must_be_given(rng):
    images, upstream = rng.random((1, 5, 4, 1)), np.ones(1)
    for call in (
        lambda: CUDA["float64"].loss_weights_grad(None, images, upstream, upstream),
        lambda: CUDA["float64"].loss_counts_grad(None, images, np.ones((1, 2))),
    ):
        with pytest.raises(ValueError, match="weights must be given, got none"):
            call()
