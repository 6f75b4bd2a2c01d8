"""The kernels: gradients, their transpose and magnitudes, for every stencil, border and dtype."""

import itertools

import numpy as np
import pytest
from family_cases import pairs
from family_checks import assert_image_near
from family_options import BORDERS, DATA_FORMATS, SCALES, STENCILS
from family_tools import (
    DTYPES,
    assert_same_bits,
    call,
    decode,
    draw,
    example,
    first,
    generator,
    noisy,
    oracle,
    smallest,
)

each_stencil = pytest.mark.parametrize("stencil", STENCILS)

SHAPES = [
    *[(1, 1, 1, 1), (2, 1, 9, 2), (1, 8, 1, 3), (2, 2, 2, 1), (1, 3, 3, 2), (2, 5, 7, 3)],
    *[(1, 63, 5, 2), (1, 65, 3, 2), (1, 128, 5, 2), (1, 3, 1040, 1), (1, 4, 350, 3)],
    *[(1, 4, 17, 1), (2, 3, 4, 31), (2, 3, 4, 67), (0, 4, 5, 2), (2, 4, 5, 0)],
]
OPTIONS = {
    "stencil": STENCILS,
    "border": BORDERS,
    "scale": SCALES,
    "data_format": DATA_FORMATS,
    "dtype": DTYPES,
    "response_epsilon": [0, 0.25],
}


def arrays(shape, dtype, data_format, how=draw):
    """(images, a pair of images in a last axis, an upstream)."""
    rng = generator(170, *shape)
    images, upstream = how(rng, shape, dtype), how(rng, shape, dtype)
    pairs = how(rng, (*shape, 2), dtype)
    if data_format == "channels_first":
        moved = np.ascontiguousarray(np.moveaxis(pairs, 3, 1))
        return first(images), moved, first(upstream)
    return images, pairs, upstream


def functions(images, pairs, upstream):
    return {
        "image_gradients": [images],
        "image_gradients_adjoint": [pairs],
        "gradient_magnitude": [images],
        "gradient_magnitude_grad": [images, upstream],
    }


def check(shape, dtype, response_epsilon, **options):
    for name, given in functions(*arrays(shape, dtype, options["data_format"])).items():
        more = {"response_epsilon": response_epsilon} if "magnitude" in name else {}
        actual = decode(call(name, *given, dtype=dtype, **options, **more), dtype)
        expected = oracle(name)(*given, **options, **more)
        context = (name, shape, dtype, options, more)
        assert_image_near(actual, expected, dtype, "gradient", context)


@each_stencil
def test_images_and_magnitudes_equal_the_oracle(stencil):
    """Every pair of options of the stencil."""
    for case in pairs(SHAPES, **{**OPTIONS, "stencil": [stencil]}):
        check(**case)


@each_stencil
def test_the_gradient_of_the_loss_is_the_adjoint_of_the_slope(stencil):
    for border, scale, data_format in itertools.product(BORDERS, SCALES, DATA_FORMATS):
        options = {"stencil": stencil, "border": border, "scale": scale, "dtype": "float64"}
        options["data_format"] = data_format
        how = {**options, "penalty": "l2", "normalizer": "none"}
        data = example(generator(172), (2, 7, 9, 2), "float64", how, noisy)
        slopes = 2 * call("image_gradients", data.y_pred - data.y_true, **options)
        slopes *= data.upstream[:, None, None, None, :]
        _, gradient = call("loss_memo", *data[:2], upstream=data.upstream, **how)
        expected = call("image_gradients_adjoint", slopes, **options)
        assert_image_near(gradient, expected, "float64")


@pytest.mark.parametrize("stencil, divisor", [("sobel", 8), ("scharr", 32), ("central", 2)])
def test_scale_unit_of_a_power_of_two_has_the_bits_of_raw_but_for_the_exponent(stencil, divisor):
    for border, dtype in itertools.product(BORDERS, ("float32", "float64")):
        images = noisy(generator(173), (2, 9, 11, 3), dtype)
        options = {"dtype": dtype, "stencil": stencil, "border": border}
        raw, unit = (call("image_gradients", images, scale=scale, **options) for scale in SCALES)
        assert_same_bits(raw / np.array(divisor, dtype), unit)


@pytest.mark.parametrize("name", ["image_gradients", "gradient_magnitude"])
def test_too_small_a_size_is_an_error_that_says_so(name):
    for stencil, border, size in itertools.product(STENCILS, BORDERS, [(1, 4), (4, 1), (2, 9)]):
        images = np.zeros((1, *size, 1))
        options = {"stencil": stencil, "border": border, "dtype": "float32"}
        if min(size) >= smallest(stencil, border):
            call(name, images, **options)
            continue
        with pytest.raises(ValueError, match=f"at least {smallest(stencil, border)}"):
            call(name, images, **options)
