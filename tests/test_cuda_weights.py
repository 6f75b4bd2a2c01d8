"""The derivatives by the weights of the CUDA kernels, by the tests of the CPU's and on their own.

Where the kernels run: cuda_tools.py.
"""

import numpy as np
import pytest
from cuda_tools import CUDA, cuda_kernels  # noqa: F401
from family_cases import MAPS, fits
from family_options import BORDERS, DATA_FORMATS, NORMALIZERS, PENALTIES, RESPONSES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    assert_same_bits,
    draw,
    encode,
    noisy,
)
from pair_tools import covering
from test_family_weights_gradient import check, check_counts

pytestmark = pytest.mark.gpu

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
FAMILY = {
    # Of one pixel, of odd sizes, of more elements in a row than a block has threads; many channels.
    "shape": [
        (3, 5, 6, 2),
        (1, 3, 3, 1),
        (1, 1, 1, 1),
        (2, 7, 1, 3),
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


@pytest.mark.usefixtures("cuda_kernels")
@each_dtype
def test_every_pair_of_options(dtype):
    for case in covering(FAMILY, fits):
        check(dtype, **case)


@pytest.mark.usefixtures("cuda_kernels")
@each_dtype
def test_counts(dtype):
    axes = ("shape", "stencil", "border", "response", "weights", "mask")
    for case in covering({name: FAMILY[name] for name in axes}, fits):
        check_counts(dtype, **case)


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
