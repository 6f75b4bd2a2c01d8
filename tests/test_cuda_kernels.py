"""The CUDA kernels against the oracle, and against those of the CPU.

Their programs run thread by thread on the host (cuda_tools.py says how they run on a device). What
that shows: index and border arithmetic, tiles and strips, maps and sums. What it does not: that the
barriers are where they must be, and speed.
"""

import itertools

import family_tools
import numpy as np
import pytest
from cuda_tools import CUDA, ON_DEVICE
from family_tools import (
    BORDERS,
    COMPUTE,
    DATA_FORMATS,
    DTYPES,
    HALF_ULP,
    NORMALIZERS,
    RESPONSES,
    SCALES,
    STENCILS,
    decode,
    draw,
    encode,
    example,
    expect,
    first,
    penalties,
    run,
    smallest,
)
from kernel_tools import assert_same_bits

from gradops import _kernels

CPU = family_tools.MODULES
# Relative to the largest entry: a few roundings in the dtype of the images.
TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-11}
# Smaller than the stencil's reach; of several tiles and strips, of odd sizes.
SHAPES = [(2, 5, 6, 2), (1, 3, 3, 1), (1, 1, 1, 1), (1, 2, 2, 3), (1, 4, 1, 2), (1, 70, 3, 1)]
LARGE = [(1, 3, 400, 3), (1, 130, 3, 1), (2, 66, 4, 3), (1, 6, 513, 1), (1, 3, 9, 64)]
CHUNKED = [(1, 5, 4, 129), (2, 4, 3, 200), (1, 3, 21, 130)]  # channels in chunks


@pytest.fixture(autouse=True)
def cuda_kernels(monkeypatch):
    """Whatever calls kernels by family_tools calls these."""
    monkeypatch.setattr(family_tools, "MODULES", CUDA)


def check(rng, shape, dtype="float64", **options):
    if min(shape[1:3]) < smallest(options["stencil"], options["border"]):
        return
    data = example(rng, shape, dtype, options)
    found, expected = run(data, dtype, **options), expect(data, **options)
    for name, actual, wanted in zip(found._fields, found, expected, strict=True):
        if wanted is not None and wanted.size:
            atol = TOLERANCE[dtype] * max(np.abs(wanted).max(), 1e-2)
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


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("shape", SHAPES[:1] + LARGE + CHUNKED)
def test_maps_and_layouts_of_vectors_of_four(shape, seed):
    """The same for float32, with what 24 bits hold well."""
    rng = np.random.default_rng([*shape, seed])
    options = drawn(rng, shape)
    options["response"] = str(rng.choice(["component", "absolute"]))
    options = {k: v for k, v in options.items() if k not in ("epsilon", "delta", "alpha")}
    options["penalty"] = "l2"
    if "weights" in options:
        options["weights"] = np.round(options["weights"] * 8) / 8
    check(rng, shape, "float32", **options)


@pytest.mark.parametrize(
    "shape", [(2, 9, width, c) for c in (1, 2, 3, 4, 5, 8) for width in (4, 64)]
)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_neighbours_at_every_distance(rng, dtype, border, shape):
    """Rows of whole vectors, so that threads read and write them at once."""
    check(rng, shape, dtype, stencil="sobel", border=border, response="component", penalty="l1")


def test_counts(rng):
    images = np.zeros((2, 9, 8, 3))
    options = {"mask": rng.random((2, 9, 8, 1)) > 0.2, "weights": rng.random(images.shape)}
    for border in BORDERS:
        found = CUDA["float64"].loss_counts(images, border=border, **options)
        wanted = _kernels.loss_counts(images, border=border, **options)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_bad_weights_make_the_loss_nan(rng, bad):
    """A device tells nobody of an error; the other example keeps its numbers."""
    x, weights = rng.random((2, 6, 5, 1)), np.ones((2, 6, 5, 1))
    weights[1, 2, 3] = bad
    upstream = np.ones(2)
    good = CUDA["float64"].loss_and_gradient(None, x, upstream)
    loss, gradient = CUDA["float64"].loss_and_gradient(None, x, upstream, weights=weights)
    assert loss[0] == good[0][0] and np.isnan(loss[1])
    np.testing.assert_array_equal(gradient[0], good[1][0])
    assert np.isnan(gradient[1]).all()


def test_nan_reaches_what_its_residuals_reach_and_nothing_else(rng):
    x, y = rng.random((2, 2, 12, 11, 2))
    y[0, 6, 5, 0] = np.nan
    for border in BORDERS:
        found = CUDA["float64"].loss_and_gradient(x, y, np.ones(2), border=border)
        wanted = _kernels.loss_and_gradient(x, y, np.ones(2), border=border)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))


def noisy(rng, shape, dtype):
    return encode(family_tools.noisy(rng, shape, dtype), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_memo(rng, dtype):
    """Copied, scaled or left aside, by example: exactly the gradient of the upstream."""
    kernels, compute = CUDA[dtype], COMPUTE[dtype]
    for shape in ((4, 9, 40, 3), (4, 66, 7, 1)):
        y_true, y_pred = (encode(draw(rng, shape, dtype), dtype) for _ in range(2))
        expected = np.array([1, 2, 0.5, 1e-20], compute)
        upstream = np.array([1, 4, -0.25, 3], compute)
        _, memo = kernels.loss_and_gradient(y_true, y_pred, expected)
        _, wanted = kernels.loss_and_gradient(y_true, y_pred, upstream)
        found = kernels.loss_gradient(y_true, y_pred, memo, expected, upstream)
        np.testing.assert_array_equal(decode(found, dtype), decode(wanted, dtype))
        other = noisy(rng, shape, dtype)  # taken where it is foreseen, whatever it holds
        found = kernels.loss_gradient(y_true, y_pred, other, upstream, upstream)
        assert_same_bits(found, other)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", STENCILS)
def test_image_functions(rng, stencil, border, dtype):
    """As the CPU's, but for the order of sums at the border."""
    kernels, cpu = CUDA[dtype], CPU[dtype]
    for shape in ((2, 5, 6, 2), (1, 3, 3, 1), (1, 1, 7, 3), (2, 66, 4, 3), (1, 4, 300, 3)):
        if min(shape[1:3]) < smallest(stencil, border):
            continue
        options = {"stencil": stencil, "border": border, "scale": str(rng.choice(SCALES))}
        x, pixels = noisy(rng, shape, dtype), noisy(rng, shape, dtype)
        pairs = noisy(rng, (*shape, 2), dtype)
        magnitude = {**options, "response_epsilon": rng.choice([0, 1e-6, 0.5])}
        for name, images, names in (
            ("image_gradients", (x,), options),
            ("image_gradients_adjoint", (pairs,), options),
            ("gradient_magnitude", (x,), magnitude),
            ("gradient_magnitude_gradient", (x, pixels), magnitude),
        ):
            found = decode(getattr(kernels, name)(*images, **names), dtype)
            wanted = decode(getattr(cpu, name)(*images, **names), dtype)
            atol = 16 * HALF_ULP[dtype] * max(np.abs(wanted).max(), 1e-3)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=atol, err_msg=name)


def shifted(array):
    """The same, one element from where it would be aligned."""
    buffer = np.empty(array.size + 1, array.dtype)
    view = buffer[1:].reshape(array.shape)
    view[...] = array
    return view


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_images(dtype):
    kernels = CUDA[dtype]
    for shape in ((0, 5, 4, 3), (2, 5, 4, 0)):
        images = encode(np.zeros(shape), dtype)
        upstream = np.ones(shape[:1], COMPUTE[dtype])
        loss, gradient = kernels.loss_and_gradient(images, images, upstream)
        assert loss.shape == shape[:1] and not loss.any() and gradient.shape == shape


OWNED = [(h, w, c) for h in (3, 4, 9, 65, 130) for w in (3, 4, 5, 8, 63, 64) for c in (1, 2, 3, 4)]
OWNED += [(3, w, c) for w in (3, 4, 17) for c in (5, 8, 31, 32, 33, 63, 64, 65, 66, 96, 128, 131)]
OWNED += [(3, w, c) for w in (255, 256, 257, 341, 342, 512, 1023, 1025, 2100) for c in (1, 2, 3, 4)]


@pytest.mark.skipif(ON_DEVICE, reason="of the host alone")
@pytest.mark.parametrize("border", ["reflect", "circular"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_has_one_owner(dtype, border):
    """Of all threads of all blocks; and none reads where there is nothing."""
    for height, width, channels in OWNED:
        images = encode(np.zeros((2, height, width, channels)), dtype)
        for array in (images, shifted(images)):  # the second is not aligned
            owners = CUDA[dtype].owners(array, border=border)
            assert (owners == 1).all(), (height, width, channels)
