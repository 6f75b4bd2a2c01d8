"""The CUDA programs whose neighbours and weights are known when they are compiled.

They sweep rows of whole vectors by a smoothing stencil, float32 and 16-bit images, and most of
their steps, those away from the border, are steady: done three by three without guards. So images
are high enough for several strips, with channels of each distance between neighbours.
"""

import family_tools
import numpy as np
import pytest
from cuda_tools import CUDA
from family_tools import (
    BORDERS,
    COMPUTE,
    HALF_ULP,
    NORMALIZERS,
    decode,
    draw,
    encode,
    kernel_options,
    penalties,
)

SMOOTHING = ["sobel", "scharr", "prewitt"]
FIXED = ["float16", "bfloat16", "float32"]
CHANNELS = [1, 2, 3, 4, 12, 32, 64, 96]  # 32 and more: perhaps in chunks
LIGHT = [options for options in penalties() if options["penalty"] not in ("log", "power")]


def images_of(rng, shape, dtype):
    return [encode(draw(rng, shape, dtype), dtype) for _ in range(2)]


def check(y_true, y_pred, dtype, **options):
    """Loss and gradient, and the loss alone, as the CPU's but for the order of sums."""
    options = kernel_options(options, dtype)
    upstream = np.linspace(-1, 2, len(y_pred)).astype(COMPUTE[dtype])
    if options.get("normalizer") == "none":
        upstream = np.stack([upstream, 1 - upstream], -1)
    loss, gradient = CUDA[dtype].loss_and_gradient(y_true, y_pred, upstream, **options)
    alone = CUDA[dtype].loss(y_true, y_pred, **options)
    kernels = family_tools.MODULES[dtype]
    wanted, wanted_gradient = kernels.loss_and_gradient(y_true, y_pred, upstream, **options)
    np.testing.assert_allclose(loss, wanted, rtol=2e-6)
    np.testing.assert_allclose(alone, wanted, rtol=2e-6)
    found, wanted = decode(gradient, dtype), decode(wanted_gradient, dtype)
    atol = 8 * HALF_ULP[dtype] * np.nanmax(np.abs(wanted), initial=1e-6)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=atol)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", SMOOTHING)
@pytest.mark.parametrize("dtype", FIXED)
def test_strips(rng, dtype, stencil, border, channels):
    """Of heights at which the last strip is short, full, and a row more."""
    for index, height in enumerate((24, 31, 33)):
        y_true, y_pred = images_of(rng, (2, height, 8, channels), dtype)
        options = LIGHT[(index + channels) % len(LIGHT)]
        check(y_true, y_pred, dtype, stencil=stencil, border=border, **options)


@pytest.mark.parametrize("penalty", LIGHT, ids=lambda options: options["penalty"])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("dtype", FIXED)
def test_penalties_and_normalizers(rng, dtype, normalizer, penalty):
    for border in ("reflect", "valid"):
        y_true, y_pred = images_of(rng, (3, 27, 12, 3), dtype)
        check(y_true, y_pred, dtype, border=border, normalizer=normalizer, scale="unit", **penalty)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(1, 20, 344, 3), (1, 19, 1028, 1), (1, 18, 200, 64)])
def test_tiles(rng, shape, border):
    y_true, y_pred = images_of(rng, shape, "float32")
    check(y_true, y_pred, "float32", border=border)


@pytest.mark.parametrize("dtype", FIXED)
def test_long_strips(rng, dtype):
    """So many threads that strips are as long as they get."""
    y_true, y_pred = images_of(rng, (2048, 80, 4, 1), dtype)
    check(y_true, y_pred, dtype)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("channels", CHANNELS[:4])
def test_nan_reaches_what_its_residuals_reach_and_nothing_else(rng, channels, border):
    y_true, y_pred = images_of(rng, (2, 40, 16, channels), "float32")
    for row, column in ((20, 7), (0, 0), (39, 15), (9, 1)):
        broken = y_pred.copy()
        broken[0, row, column, 0] = np.nan
        upstream = np.ones(2, np.float32)
        found = CUDA["float32"].loss_and_gradient(y_true, broken, upstream, border=border)
        kernels = family_tools.MODULES["float32"]
        wanted = kernels.loss_and_gradient(y_true, broken, upstream, border=border)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
