"""The CUDA programs whose neighbours and weights are known when they are compiled.

They sweep rows of whole vectors by a smoothing stencil, float32 and 16-bit images, and most of
their steps, those away from the border, are steady: done three by three without guards. So images
are high enough for several strips, with channels of each distance between neighbours.
"""

import family_tools
import numpy as np
import pytest
from cuda_tools import CUDA
from family_options import BORDERS, NORMALIZERS, SCALES
from family_tools import (
    COMPUTE,
    EPSILON,
    HALF_ULP,
    TUNED,
    decode,
    draw,
    encode,
    generator,
    kernel_options,
)
from pair_tools import covering

pytestmark = pytest.mark.gpu
FIXED = ["float16", "bfloat16", "float32"]


def extended(value):
    return pytest.param(value, marks=pytest.mark.extended)


each_fixed = pytest.mark.parametrize("dtype", FIXED)
OPTIONS = {
    "channels": [1, 2, 3, 4, 12, 32, 64, 96],  # 32 and more: perhaps in chunks
    "height": [24, 31, 33],  # the last strip is short, full, and a row more
    "stencil": ["sobel", "scharr", "prewitt"],
    "border": BORDERS,
    "penalty": ["l1", "l2", "charbonnier", "huber"],
    "normalizer": NORMALIZERS,
    "scale": SCALES,
}


def images_of(rng, shape, dtype):
    return [encode(draw(rng, shape, dtype), dtype) for _ in range(2)]


def check(shape, dtype, **options):
    """Loss and gradient, and the loss alone, as the CPU's but for the order of sums."""
    y_true, y_pred = images_of(generator(420, *shape), shape, dtype)
    options = kernel_options({**options, **TUNED.get(options.get("penalty"), {})}, dtype)
    upstream = np.linspace(-1, 2, len(y_pred)).astype(COMPUTE[dtype])
    if options.get("normalizer") == "none":
        upstream = np.stack([upstream, 1 - upstream], -1)
    loss, gradient = CUDA[dtype].loss_memo(y_true, y_pred, upstream, **options)
    alone = CUDA[dtype].loss(y_true, y_pred, **options)
    kernels = family_tools.MODULES[dtype]
    wanted, wanted_gradient = kernels.loss_memo(y_true, y_pred, upstream, **options)
    for found in (loss, alone):
        np.testing.assert_allclose(found, wanted, rtol=16 * EPSILON["float32"])
    found, wanted = decode(gradient, dtype), decode(wanted_gradient, dtype)
    atol = 8 * HALF_ULP[dtype] * np.nanmax(np.abs(wanted), initial=1e-6)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=atol, err_msg=str(options))


def check_case(dtype, height, channels, **options):
    check((3, height, 8, channels), dtype, **options)


@each_fixed
def test_strips(dtype):
    for case in covering(OPTIONS):
        check_case(dtype, **case)


@pytest.mark.extended
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", OPTIONS["stencil"])
@each_fixed
def test_strips_of_each_stencil_and_border(dtype, stencil, border):
    fixed = {**OPTIONS, "stencil": [stencil], "border": [border]}
    for channels in OPTIONS["channels"]:
        for case in covering({**fixed, "channels": [channels]}):
            check_case(dtype, **case)


@pytest.mark.parametrize("shape", [(1, 20, 344, 3), (1, 19, 1028, 1), (1, 18, 200, 64)])
def test_tiles(shape):
    for border in BORDERS:
        check(shape, "float32", border=border)


@pytest.mark.parametrize("dtype", [FIXED[0], *map(extended, FIXED[1:])])
def test_long_strips(dtype):
    """So many threads that strips are as long as they get."""
    check((2048, 80, 4, 1), dtype)
