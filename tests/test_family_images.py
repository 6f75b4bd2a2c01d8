"""The kernels: gradients, their transpose and magnitudes, for every stencil, border and dtype."""

import itertools

import numpy as np
import pytest
from family_checks import assert_image_near
from family_tools import (
    BORDERS,
    DATA_FORMATS,
    DTYPES,
    SCALES,
    STENCILS,
    call,
    decode,
    draw,
    example,
    first,
    smallest,
)
from kernel_tools import assert_same_bits, generator, normal

from gradops import reference

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_border = pytest.mark.parametrize("border", BORDERS)

SHAPES = [
    *[(1, 1, 1, 1), (2, 1, 9, 2), (1, 8, 1, 3), (2, 2, 2, 1), (1, 3, 3, 2), (2, 5, 7, 3)],
    *[(1, 65, 3, 2), (1, 3, 1040, 1), (1, 4, 350, 3), (0, 4, 5, 2), (2, 4, 5, 0)],
]
EXTENDED = [
    *[(1, height, 5, 2) for height in (63, 64, 66, 127, 128, 129, 193)],
    *[(1, 4, width, 1) for width in (15, 16, 17, 31, 33, 1023, 1024, 1025, 2049)],
    *[(2, 3, 4, channels) for channels in (4, 5, 16, 31, 67, 400)],
]
WAYS = list(itertools.product(SCALES, DATA_FORMATS, DTYPES))


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
        "gradient_magnitude_gradient": [images, upstream],
    }


def sweep(stencil, border, cases):
    for shape, (scale, data_format, dtype) in cases:
        if min(shape[1:3]) < smallest(stencil, border):
            continue
        options = {"stencil": stencil, "border": border, "scale": scale}
        options["data_format"] = data_format
        for name, given in functions(*arrays(shape, dtype, data_format)).items():
            epsilons = [0, 0.25] if "magnitude" in name and dtype == "float32" else [None]
            for epsilon in epsilons:
                more = {} if epsilon is None else {"response_epsilon": epsilon}
                actual = decode(call(name, *given, dtype=dtype, **options, **more), dtype)
                expected = getattr(reference, name)(*given, **options, **more)
                context = (name, shape, dtype, options, more)
                assert_image_near(actual, expected, dtype, "gradient", context)


@each_stencil
@each_border
def test_images_and_magnitudes_equal_the_oracle(stencil, border):
    some = WAYS[BORDERS.index(border) % 2 :: 3]  # other ones for the next border
    sweep(stencil, border, itertools.product(SHAPES[:6], some))
    sweep(stencil, border, zip(SHAPES[6:], some, strict=False))


@pytest.mark.extended
@each_stencil
@each_border
def test_images_and_magnitudes_equal_the_oracle_at_more_shapes(stencil, border):
    sweep(stencil, border, itertools.product(SHAPES + EXTENDED, WAYS[::5]))


@each_stencil
@each_border
def test_gradients_of_integers_are_exact_and_so_is_the_adjoint_identity(stencil, border):
    """<S x, u> = <x, S^T u>."""
    for shape, data_format in itertools.product(SHAPES[:-2], DATA_FORMATS):
        if min(shape[1:3]) < smallest(stencil, border):
            continue
        options = {"stencil": stencil, "border": border, "data_format": data_format}
        rng = generator(171, *shape)
        x = rng.integers(-9, 10, shape).astype("float64")
        u = rng.integers(-9, 10, (*shape, 2)).astype("float64")
        if data_format == "channels_first":
            x, u = first(x), np.ascontiguousarray(np.moveaxis(u, 3, 1))
        forward = call("image_gradients", x, dtype="float32", **options)
        backward = call("image_gradients_adjoint", u, dtype="float32", **options)
        np.testing.assert_array_equal(forward, reference.image_gradients(x, **options))
        np.testing.assert_array_equal(backward, reference.image_gradients_adjoint(u, **options))
        assert np.sum(forward * u) == np.sum(x * backward)


@each_stencil
@each_border
@pytest.mark.parametrize("scale", SCALES)
def test_the_adjoint_identity_holds_on_real_numbers(scale, stencil, border):
    for shape in [(2, 11, 13, 5), (1, 67, 7, 3), (1, 3, 1031, 1)]:
        options = {"stencil": stencil, "border": border, "scale": scale, "dtype": "float64"}
        x, u, _ = arrays(shape, "float64", "channels_last", normal)
        forward = call("image_gradients", x, **options) * u
        backward = call("image_gradients_adjoint", u, **options) * x
        assert abs(forward.sum() - backward.sum()) <= 2e-15 * np.abs(forward).sum()


@each_stencil
@each_border
def test_the_gradient_of_the_loss_is_the_adjoint_of_the_slope(stencil, border):
    for scale, data_format in itertools.product(SCALES, DATA_FORMATS):
        options = {"stencil": stencil, "border": border, "scale": scale, "dtype": "float64"}
        options["data_format"] = data_format
        loss_options = {"penalty": "l2", "normalizer": "none"}
        data = example(generator(172), (2, 7, 9, 2), "float64", {**options, **loss_options}, normal)
        difference = data.y_pred - data.y_true
        slopes = 2 * call("image_gradients", difference, **options)
        slopes *= data.upstream[:, None, None, None, :]
        _, gradient = call(
            "loss_and_gradient", *data[:2], upstream=data.upstream, **options, **loss_options
        )
        expected = call("image_gradients_adjoint", slopes, **options)
        assert_image_near(gradient, expected, "float64")


@each_stencil
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_ramp_of_slope_one_has_a_unit_gradient_inside(dtype, stencil):
    rows, columns = np.mgrid[:9, :11]
    for border, data_format in itertools.product(BORDERS, DATA_FORMATS):
        options = {"stencil": stencil, "border": border, "scale": "unit", "dtype": dtype}
        for down, right in [(1, 0), (0, 1), (2, -3)]:
            images = (down * rows + right * columns)[None, :, :, None].astype("float64")
            given = images if data_format == "channels_last" else first(images)
            edges = decode(
                call("image_gradients", given, data_format=data_format, **options), dtype
            )
            edges = edges.reshape(9, 11, 2)[1:-1, 1:-1]
            tolerance = 0 if stencil != "prewitt" else 1e-6 if dtype != "float64" else 1e-15
            if stencil == "prewitt" and dtype in ("float16", "bfloat16"):
                tolerance = 0  # the rounding hides that 1/6 is no number of theirs
            wanted = np.broadcast_to([down, right], edges.shape)
            np.testing.assert_allclose(edges, wanted, rtol=tolerance, atol=tolerance)


@each_stencil
def test_scale_unit_of_a_power_of_two_has_the_bits_of_raw_but_for_the_exponent(stencil):
    if stencil == "prewitt":
        pytest.skip("6 is no power of two")
    divisor = {"sobel": 8, "scharr": 32, "central": 2, "forward": 1}[stencil]
    for border, dtype in itertools.product(BORDERS, ("float32", "float64")):
        images = normal(generator(173), (2, 9, 11, 3))
        raw, unit = (
            call("image_gradients", images, dtype=dtype, stencil=stencil, border=border, scale=s)
            for s in SCALES
        )
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
