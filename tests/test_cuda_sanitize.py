"""One small launch of each kind of CUDA kernel, for compute-sanitizer (`make gpu-sanitize`).

Blocks of several strips, tiles and chunks, with maps and without, and the order of the work that a
sweep has: so few and small that a tool which slows kernels down a hundred times is done in a
minute. Elsewhere they are tests like others.
"""

import family_tools
import numpy as np
import pytest
from cuda_tools import CUDA, cuda_kernels  # noqa: F401
from family_checks import assert_outcome_near
from family_tools import (
    COMPUTE,
    HALF_ULP,
    assert_same_bits,
    decode,
    draw,
    encode,
    example,
    expect,
    run,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.sanitize,
    pytest.mark.usefixtures("cuda_kernels"),
]

CPU = family_tools.MODULES
PROGRAMS = [
    ("float32", "component", "l1"),
    ("bfloat16", "component", "huber"),
    ("float32", "magnitude", "charbonnier"),
    ("float16", "absolute", "l2"),
    ("float64", "normal", "l1"),
    ("float32", "direction", "log"),
]
# Two strips of two tiles, unaligned; aligned rows; chunks of channels.
SHAPES = [(1, 9, 350, 3), (2, 17, 8, 4), (1, 9, 4, 130)]
BORDERS = ["reflect", "circular", "valid"]


@pytest.mark.parametrize("has_maps", [False, True])
@pytest.mark.parametrize("shape, border", list(zip(SHAPES, BORDERS, strict=True)))
@pytest.mark.parametrize("dtype, response, penalty", PROGRAMS)
def test_sweeps(rng, dtype, response, penalty, shape, border, has_maps):
    options = {"response": response, "penalty": penalty, "border": border}
    if has_maps:
        options["weights"] = rng.integers(0, 9, (*shape[:3], 1)) / 8
        options["mask"] = rng.random(shape) > 0.05
    data = example(rng, shape, dtype, options)
    outcome, expected = run(data, dtype, **options), expect(data, **options)
    assert_outcome_near(outcome, expected, data, dtype, options, factor=8)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_memo_that_is_copied_scaled_or_left_aside(rng, dtype):
    kernels, shape = CUDA[dtype], (3, 9, 350, 1)
    images = [encode(draw(rng, shape, dtype), dtype) for _ in range(2)]
    expected, upstream = (np.array(x, COMPUTE[dtype]) for x in ([1, 2, 1e-20], [1, 4, 3]))
    _, memo = kernels.loss_memo(*images, expected)
    _, wanted = kernels.loss_memo(*images, upstream)
    found = kernels.loss_grad(*images, memo, expected, upstream)
    np.testing.assert_array_equal(decode(found, dtype), decode(wanted, dtype))


@pytest.mark.parametrize("response", ["component", "normal"])
def test_counts(rng, response):
    images = np.zeros((2, 9, 40, 3), "float32")
    options = {"mask": rng.random(images.shape) > 0.2, "response": response}
    found = CUDA["float32"].loss_counts(None, images, **options)
    assert_same_bits(found, CPU["float32"].loss_counts(None, images, **options))


@pytest.mark.parametrize("width", [40, 350])  # in packs away from the border, and not
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("border", BORDERS)
def test_image_functions(rng, border, dtype, width):
    shape, how = (1, 9, width, 3), {"border": border}
    x, pixels = (encode(draw(rng, shape, dtype), dtype) for _ in range(2))
    pairs = encode(draw(rng, (*shape, 2), dtype), dtype)
    for name, images in (
        ("image_gradients", (x,)),
        ("image_gradients_adjoint", (pairs,)),
        ("gradient_magnitude", (x,)),
        ("gradient_magnitude_grad", (x, pixels)),
    ):
        found = decode(getattr(CUDA[dtype], name)(*images, **how), dtype)
        wanted = decode(getattr(CPU[dtype], name)(*images, **how), dtype)
        atol = 16 * HALF_ULP[dtype] * np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=atol, err_msg=name)
