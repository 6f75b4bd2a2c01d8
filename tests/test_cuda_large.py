"""The CUDA kernels on a device: large images against the oracle, and beyond 2^31 numbers.

Run by `make gpu-tests`, with CuPy. What is too large for the oracle is compared with parts of
itself, computed as small images.
"""

import functools

import numpy as np
import pytest
from cuda_tools import CUDA, ON_DEVICE
from family_checks import assert_image_near, errors
from family_tools import COMPUTE, DTYPES, decode, draw, encode, generator, kernel_options

from gradops import _kernels, reference

if ON_DEVICE:
    import cupy

    kernels = _kernels.cuda

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not ON_DEVICE, reason="needs a CUDA device"),
]

# Many examples, rows, columns, channels; all but the last two have odd rows.
SHAPES = [
    *[(1, 1031, 517, 1), (1, 3, 4099, 1), (1, 4099, 3, 1), (64, 33, 31, 7)],
    *[(1, 67, 65, 513), (4096, 5, 5, 1), (1, 257, 255, 64), (2, 512, 512, 3)],
]
# Too large for the oracle, whose matrices are of whole axes: against the CPU's kernels in float64.
LARGER = [(2, 1024, 1024, 3), (1, 3, 100003, 1), (1, 100003, 3, 1), (16, 300, 700, 4)]
OPTIONS = [
    {},
    {"response": "magnitude", "penalty": "charbonnier", "epsilon": 0.375, "border": "circular"},
]
TALL = (1, 46400, 15488, 3)  # 2^31 is in its row 46218
MANY = (9, 8192, 9728, 3)  # and in the last of these examples
PAIRS = (1, 33000, 11000, 3)  # of which the derivatives are more than 2^31
EDGE = 2**31


@functools.lru_cache(maxsize=2)
def oracle(shape, which):
    """(images of every dtype, upstream, loss, gradients by both images)."""
    rng, options = generator(410, *shape), dict(OPTIONS[which])
    images = [draw(rng, shape, "bfloat16") for _ in range(2)]
    if which:
        options["weights"] = rng.integers(0, 9, (*shape[:3], 1)) / 8
        options["mask"] = rng.random(shape) > 0.05
    upstream = rng.choice([-2.5, 0.5, 3], shape[0])
    if shape in LARGER:
        how = kernel_options(options, "float64")
        loss, by_pred = _kernels.loss_memo(*images, upstream, **how)
        by_both = _kernels.loss_memo(*images[::-1], upstream, **how)[1], by_pred
    else:
        loss = reference.gradient_loss(*images, **options)
        by_both = reference.loss_gradients(*images, upstream, **options)
    return images, upstream, options, loss, by_both


@pytest.mark.parametrize("dtype", DTYPES)  # first, so that one oracle serves all in turn
@pytest.mark.parametrize("which", range(2), ids=["plain", "general"])
@pytest.mark.parametrize("shape", SHAPES + LARGER, ids=str)
def test_large_images_equal_the_oracle(shape, which, dtype):
    images, upstream, options, loss, by_both = oracle(shape, which)
    coded = [encode(x, dtype) for x in images]
    options = kernel_options(options, dtype)
    upstream = upstream.astype(COMPUTE[dtype])
    for pair, wanted in ((coded, by_both[1]), (coded[::-1], by_both[0])):
        found, gradient = CUDA[dtype].loss_memo(*pair, upstream, **options)
        # In small images of magnitudes, whose differences cancel.
        assert errors(found.astype("float64"), loss).max() < 1e-5
        assert_image_near(decode(gradient, dtype), wanted, dtype, factor=8)


@pytest.fixture
def memory():
    """Whatever a test took is given back to the device."""
    yield
    cupy.get_default_memory_pool().free_all_blocks()


def bits_of(seed, shape):
    """bfloat16 images of multiples of 1/16, which repeat after a prime number of numbers."""
    numbers = generator(411, seed).integers(-127, 128, 1000003) / 16
    block = cupy.asarray(encode(numbers, "bfloat16"))
    images = cupy.empty(shape, "uint16")
    flat = images.reshape(-1)
    done = min(block.size, flat.size)
    flat[:done] = block[:done]
    while done < flat.size:
        more = min(done, flat.size - done)
        flat[done : done + more] = flat[:more]
        done += more
    return images


def step(images, options, axes=2):
    """(sums by axis, gradient of the first and twice the second)."""
    y_true, y_pred = images
    weighed = cupy.asarray(np.tile(np.float32([1, 2][:axes]), (len(y_pred), 1)))
    sums, gradient = cupy.empty_like(weighed), cupy.empty_like(y_pred)
    gradient.fill(0xFFFF)
    how = {"dtype": "bfloat16", "normalizer": "none", **options}
    kernels.loss_memo(y_true, y_pred, weighed, sums, gradient, **how)
    return sums, gradient


def windows(height, row_size):
    """Rows at the top, around 2^31 and at the bottom."""
    middle = EDGE // row_size
    yield from ((0, 12), (middle - 6, middle + 6), (height - 12, height))


def sums_of_strips(images, options):
    """The sums of a border "valid" by strips, which share two rows."""
    height, total = images[0].shape[1], np.zeros(2)
    mask = options.get("mask")
    for first in range(1, height - 1, 5000):
        rows = slice(first - 1, min(first + 5000, height - 1) + 1)
        part = {} if mask is None else {"mask": mask[:, rows]}
        strip = [x[:, rows] for x in images]
        out = cupy.empty((1, 2), "float32")
        how = {"dtype": "bfloat16", "normalizer": "none", **options, **part}
        kernels.loss(*strip, out, **how)
        total += cupy.asnumpy(out)[0]
    return total


def check_one_image(shape, options, mask=None):
    """Gradients of windows are those of the same rows as small images; sums, those of strips."""
    images = [bits_of(seed, shape) for seed in range(2)]
    whole = {} if mask is None else {"mask": mask}
    _, gradient = step(images, {**options, **whole})
    for first, last in windows(shape[1], shape[2] * shape[3]):
        top, bottom = max(first - 2, 0), min(last + 2, shape[1])
        part = {} if mask is None else {"mask": mask[:, top:bottom]}
        _, small = step([x[:, top:bottom] for x in images], {**options, **part})
        rows = small[:, first - top : last - top]
        assert bool((gradient[:, first:last] == rows).all()), (first, last)
    valid = {**options, **whole, "border": "valid"}
    sums, _ = step(images, valid)
    np.testing.assert_allclose(cupy.asnumpy(sums)[0], sums_of_strips(images, valid), rtol=1e-6)
    if mask is None:
        loss = cupy.empty(1, "float32")
        kernels.loss(*images, loss, dtype="bfloat16", **valid)
        count = 2.0 * (shape[1] - 2) * (shape[2] - 2) * shape[3]
        mean = float(cupy.asnumpy(sums).astype("float64").sum()) / count
        np.testing.assert_allclose(float(loss[0]), mean, rtol=1e-6)


def mask_of(shape):
    """One pixel in 31 is invalid."""
    flat = cupy.ones(shape[1] * shape[2], "bool")
    flat[::31] = False
    return flat.reshape(1, *shape[1:3], 1)


@pytest.mark.extended
@pytest.mark.parametrize("options", [{}, {"penalty": "huber", "border": "replicate"}], ids=str)
def test_an_image_of_more_than_2_31_numbers(memory, options):
    assert np.prod(TALL, dtype="int64") > EDGE
    check_one_image(TALL, options)


@pytest.mark.extended
def test_an_image_of_more_than_2_31_numbers_with_a_mask(memory):
    check_one_image(TALL, {"response": "absolute"}, mask_of(TALL))


def check_examples(shape, data_format):
    """The last examples, of which one has number 2^31, have the bits they have alone."""
    if data_format == "channels_first":
        shape = (shape[0], shape[3], *shape[1:3])
    images = [bits_of(seed, shape) for seed in range(2)]
    options = {"dtype": "bfloat16", "data_format": data_format}
    upstream = cupy.ones(shape[0], "float32")
    loss, gradient = cupy.empty_like(upstream), cupy.empty_like(images[0])
    kernels.loss_memo(*images, upstream, loss, gradient, **options)
    second = [cupy.empty_like(images[0]) for _ in range(2)]
    along = cupy.empty_like(loss)
    kernels.loss_grad_grad(*images, images[0], upstream, *second, along, penalty="l2", **options)
    for i in (0, shape[0] - 1):
        pair = [x[i : i + 1] for x in images]
        one, own = cupy.empty(1, "float32"), cupy.empty_like(pair[0])
        kernels.loss_memo(*pair, upstream[:1], one, own, **options)
        assert float(one[0]) == float(loss[i])
        assert bool((own == gradient[i : i + 1]).all())
        products = [cupy.empty_like(pair[0]) for _ in range(2)]
        kernels.loss_grad_grad(
            *pair, pair[0], upstream[:1], *products, one, penalty="l2", **options
        )
        assert float(one[0]) == float(along[i])
        for mine, all_of_them in zip(products, second, strict=True):
            assert bool((mine == all_of_them[i : i + 1]).all())


@pytest.mark.extended
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_images_of_more_than_2_31_numbers_together(memory, data_format):
    assert np.prod(MANY, dtype="int64") > EDGE
    check_examples(MANY, data_format)


def check_derivatives(shape):
    """Derivatives, and their adjoint, at windows of rows."""
    images = bits_of(0, shape)
    pairs = cupy.empty((*shape, 2), "uint16")
    kernels.image_gradients(images, pairs, dtype="bfloat16")
    back = cupy.empty_like(images)
    kernels.image_gradients_adjoint(pairs, back, dtype="bfloat16")
    for first, last in windows(shape[1], 2 * shape[2] * shape[3]):
        top, bottom = max(first - 2, 0), min(last + 2, shape[1])
        small = cupy.empty((1, bottom - top, *shape[2:], 2), "uint16")
        kernels.image_gradients(images[:, top:bottom], small, dtype="bfloat16")
        rows = slice(first - top, last - top)
        assert bool((pairs[:, first:last] == small[:, rows]).all()), (first, last)
        own = cupy.empty((1, bottom - top, *shape[2:]), "uint16")
        kernels.image_gradients_adjoint(pairs[:, top:bottom], own, dtype="bfloat16")
        assert bool((back[:, first:last] == own[:, rows]).all()), (first, last)


@pytest.mark.extended
def test_derivatives_of_more_than_2_31_numbers(memory):
    assert 2 * np.prod(PAIRS, dtype="int64") > EDGE
    check_derivatives(PAIRS)
