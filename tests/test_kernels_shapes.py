"""The kernels at every awkward shape: strips of rows, tiles of columns, chunks of channels.

On images of small integers all sums are exact, also the ties, and only the last factor may round:
every pixel is compared relative to itself, so that nothing large elsewhere hides an error. At each
shape all stencils, borders, responses and penalties occur, in every pair.
"""

import itertools

import numpy as np
import pytest
from family_cases import FAMILY, check_case, fits, pairs
from family_options import BORDERS, STENCILS
from family_tools import DTYPES, EPSILON, TWO_AXES, call, generator

from gradops import reference

SHAPES = {
    "small": [
        *[(1, 2, 2, 1), (3, 2, 9, 2), (2, 9, 2, 5), (1, 3, 3, 1), (1, 3, 2, 4), (2, 5, 7, 3)],
        *[(2, 6, 6, 3), (3, 11, 13, 5), (1, 17, 19, 1), (2, 23, 29, 2), (1, 1, 9, 2), (1, 8, 1, 1)],
    ],
    "channels": [(2, 5, 6, c) for c in (4, 16, 23, 24, 25, 67, 400)] + [(1, 6, 42, 25)],
    # Around multiples of 64 rows. The last is cut into strips, of 66 and 2 rows: one strip has 2^16
    # elements or more.
    "tall": [
        *[(1, h, 6, 2) for h in (61, 62, 63, 64, 65, 66, 67, 126, 127, 128, 129, 130, 191, 193)],
        *[(3, 130, 5, 3), (1, 65, 2, 400), (2, 66, 350, 3), (1, 321, 4, 1), (1, 68, 1024, 1)],
    ],
    # Around the widths of tiles and multiples of a register.
    "wide": [
        *[(1, 4, w, 1) for w in (15, 16, 17, 31, 32, 33, 63, 64, 65)],
        *[(1, 3, 1023, 1), (1, 4, 1025, 1), (1, 3, 512, 2), (1, 5, 341, 3), (2, 3, 11, 100)],
        *[(1, 3, 2047, 1), (1, 2, 2049, 1), (1, 3, 683, 3), (1, 5, 128, 16), (1, 2, 5000, 1)],
    ],
}
WIDTHS = {
    "narrow": [(1, 4, w, 1) for w in range(2, 151)],
    "narrow, 3 channels": [(1, 3, w, 3) for w in range(2, 61)],
    "channels": [(1, 3, 2 + c % 3, c) for c in range(1, 81)],
    "hundreds": [(1, 3, w, 1) for w in (*range(250, 265), *range(505, 521))],
    "thousand": [(1, 3, w, 1) for w in range(1000, 1101)],
    "thousands": [(1, 3, w, 1) for w in (*range(2040, 2061), *range(4090, 4104))],
    "5 channels": [(1, 3, w, 5) for w in range(200, 221)],
    "large": [(1, 700, 333, 3), (2, 200, 701, 4), (4, 300, 200, 3)],
}


def check_integers(shape, dtype, **options):
    """Loss, gradient, stencil and adjoint equal the oracle's, but for the last rounding."""
    rng = generator(8, *shape)
    images = [rng.integers(0, 3, shape).astype("float64") for _ in range(2)]
    upstream = rng.choice([-2.0, 0.5, 1, 4], shape[0])
    how = {"dtype": dtype, "upstream": upstream, **options}
    loss, gradient = call("loss_memo", *images, **how)
    _, expected = reference.loss_gradients(*images, upstream, **options)
    rtol = 2 * EPSILON[dtype]
    np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=0, err_msg=str(options))
    expected = reference.gradient_loss(*images, **options)
    np.testing.assert_allclose(loss, expected, rtol=rtol, atol=0, err_msg=str(options))
    linear = {name: options[name] for name in ("stencil", "border")}
    edges = call("image_gradients", images[0], dtype=dtype, **linear)
    np.testing.assert_array_equal(edges, reference.image_gradients(images[0], **linear))
    back = call("image_gradients_adjoint", edges, dtype=dtype, **linear)
    np.testing.assert_array_equal(back, reference.image_gradients_adjoint(edges, **linear))


EXACT = {
    "dtype": ["float32", "float64"],
    "stencil": STENCILS,
    "border": BORDERS,
    "response": TWO_AXES,
    "penalty": ["l1", "l2"],
}


@pytest.mark.parametrize("shapes", SHAPES)
def test_integer_images_are_exact(shapes):
    """Every pair of options, and the defaults, which have a path of their own, at each shape."""
    for case in pairs(SHAPES[shapes], **EXACT):
        check_integers(**case)
    for shape, dtype, penalty in itertools.product(
        SHAPES[shapes], EXACT["dtype"], EXACT["penalty"]
    ):
        if min(shape[1:3]) >= 2:
            check_integers(shape, dtype, penalty=penalty, stencil="sobel", border="reflect")


@pytest.mark.extended
@pytest.mark.parametrize("penalty", EXACT["penalty"])
@pytest.mark.parametrize("dtype", EXACT["dtype"])
@pytest.mark.parametrize("shapes", [*SHAPES, *WIDTHS])
def test_integer_images_are_exact_at_every_size(shapes, dtype, penalty):
    """The defaults, and another stencil and border in turn."""
    turns = itertools.cycle(itertools.product(STENCILS, BORDERS))
    for shape in {**SHAPES, **WIDTHS}[shapes]:
        for stencil, border in (("sobel", "reflect"), next(turns)):
            case = {"shape": shape, "stencil": stencil, "border": border}
            if fits(case):
                check_integers(dtype=dtype, penalty=penalty, **case)


@pytest.mark.parametrize("shapes", SHAPES)
def test_the_family_equals_the_oracle(shapes):
    for case in pairs(SHAPES[shapes], dtype=DTYPES, **FAMILY):
        check_case(seed=9, **case)
