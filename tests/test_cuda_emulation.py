"""The CUDA kernels' programs, thread by thread on the host, against the oracle.

What is shown: index and border arithmetic, tiles and strips, maps and sums. What is not: that the
barriers are where they must be, and speed.
"""

import itertools

import family_tools
import numpy as np
import pytest
from family_tools import (
    BORDERS,
    DATA_FORMATS,
    DTYPES,
    NORMALIZERS,
    RESPONSES,
    SCALES,
    STENCILS,
    example,
    expect,
    first,
    penalties,
    run,
    smallest,
)

from gradops import _kernels

EMULATED = {
    "float16": _kernels.cuda_emulation.float16,
    "bfloat16": _kernels.cuda_emulation.bfloat16,
    "float32": _kernels.cuda_emulation,
    "float64": _kernels.cuda_emulation,
}
# Relative to the largest entry: a few roundings in the dtype of the images.
TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-11}
# Smaller than the stencil's reach; of several tiles and strips, of odd sizes.
SHAPES = [(2, 5, 6, 2), (1, 3, 3, 1), (1, 1, 1, 1), (1, 2, 2, 3), (1, 4, 1, 2), (1, 70, 3, 1)]
LARGE = [(1, 3, 400, 3), (1, 130, 3, 1), (2, 66, 4, 3), (1, 6, 513, 1), (1, 3, 9, 64)]
CHUNKED = [(1, 5, 4, 129), (2, 4, 3, 200), (1, 3, 21, 130)]  # channels in chunks


@pytest.fixture(autouse=True)
def emulated(monkeypatch):
    monkeypatch.setattr(family_tools, "MODULES", EMULATED)


def check(rng, shape, dtype="float64", **options):
    if min(shape[1:3]) < smallest(options["stencil"], options["border"]):
        return
    data = example(rng, shape, dtype, options)
    found, expected = run(data, dtype, **options), expect(data, **options)
    for name, actual, wanted in zip(found._fields, found, expected, strict=True):
        if wanted is not None and wanted.size:
            atol = TOLERANCE[dtype] * max(np.abs(wanted).max(), 1e-3)
            np.testing.assert_allclose(actual, wanted, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", STENCILS)
def test_family(rng, stencil, border, response):
    """Each with all shapes, and the penalties in turn."""
    turn = itertools.cycle(penalties())
    for shape in (*SHAPES, LARGE[0]):
        check(rng, shape, stencil=stencil, border=border, response=response, **next(turn))


@pytest.mark.parametrize("penalty", list(penalties()), ids=lambda options: options["penalty"])
@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_penalties(rng, dtype, response, penalty):
    check(rng, (2, 7, 9, 3), dtype, stencil="sobel", border="reflect", response=response, **penalty)


def drawn(rng, shape):
    """Options at random, with weights and a mask or without."""
    options = {
        "stencil": str(rng.choice(STENCILS)),
        "border": str(rng.choice(BORDERS)),
        "response": str(rng.choice(RESPONSES)),
        "normalizer": str(rng.choice(NORMALIZERS)),
        "data_format": str(rng.choice(DATA_FORMATS)),
        "scale": str(rng.choice(SCALES)),
        **list(penalties())[rng.integers(6)],
    }
    for name in ("weights", "mask"):
        values = rng.uniform(0, 2, (*shape[:3], rng.choice([1, shape[3]])))
        values = first(values) if options["data_format"] == "channels_first" else values
        if rng.random() < 0.5:
            options[name] = values if name == "weights" else values > 0.2
    return options


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shape", SHAPES[:1] + LARGE + CHUNKED)
def test_maps_normalizers_and_layouts(shape, seed):
    rng = np.random.default_rng([*shape, seed])
    check(rng, shape, **drawn(rng, shape))


def test_counts(rng):
    images = np.zeros((2, 9, 8, 3))
    options = {"mask": rng.random((2, 9, 8, 1)) > 0.2, "weights": rng.random(images.shape)}
    for border in BORDERS:
        found = _kernels.cuda_emulation.loss_counts(images, border=border, **options)
        wanted = _kernels.loss_counts(images, border=border, **options)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_bad_weights_make_the_loss_nan(rng, bad):
    """A device tells nobody of an error; the other example keeps its numbers."""
    x, weights = rng.random((2, 6, 5, 1)), np.ones((2, 6, 5, 1))
    weights[1, 2, 3] = bad
    upstream = np.ones(2)
    good = _kernels.cuda_emulation.loss_and_gradient(None, x, upstream)
    loss, gradient = _kernels.cuda_emulation.loss_and_gradient(None, x, upstream, weights=weights)
    assert loss[0] == good[0][0] and np.isnan(loss[1])
    np.testing.assert_array_equal(gradient[0], good[1][0])
    assert np.isnan(gradient[1]).all()


def test_nan_reaches_what_its_residuals_reach_and_nothing_else(rng):
    x, y = rng.random((2, 2, 12, 11, 2))
    y[0, 6, 5, 0] = np.nan
    for border in BORDERS:
        found = _kernels.cuda_emulation.loss_and_gradient(x, y, np.ones(2), border=border)
        wanted = _kernels.loss_and_gradient(x, y, np.ones(2), border=border)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
