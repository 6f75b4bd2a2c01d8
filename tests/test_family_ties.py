"""The kernels on integer images, as those of cameras are: residuals that are exactly 0.

The slope there is 0, whatever the stencil is divided by: a tie that rounding breaks is a gradient
of the wrong size, not a small error.
"""

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
    TWO_AXES,
    call,
    decode,
    first,
    smallest,
)
from kernel_tools import generator

from gradops import reference

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_border = pytest.mark.parametrize("border", BORDERS)
each_scale = pytest.mark.parametrize("scale", SCALES)

# Their slopes are not continuous at 0.
KINKED = [{"penalty": "l1"}, {"penalty": "log", "epsilon": 2}, {"penalty": "power", "alpha": 1}]


@each_stencil
@each_border
@each_scale
def test_ties_have_the_slope_of_the_oracle(stencil, border, scale):
    turns = itertools.cycle(itertools.product(DATA_FORMATS, DTYPES))
    for shape, top, response, penalty in itertools.product(
        [(2, 9, 21, 3), (1, 67, 5, 1)], (4, 100), TWO_AXES, KINKED
    ):
        data_format, dtype = next(turns)
        options = {"stencil": stencil, "border": border, "scale": scale, "response": response}
        options |= {"data_format": data_format, **penalty}
        rng = generator(210, *shape)
        y_true, y_pred = (rng.integers(0, top, shape).astype("float64") for _ in range(2))
        edges = reference.image_gradients(y_pred - y_true, stencil=stencil, border=border)
        assert top == 100 or np.mean(edges == 0) > 0.01
        if data_format == "channels_first":
            y_true, y_pred = first(y_true), first(y_pred)
        upstream = np.array([300.0, -70])[: shape[0]]
        how = {"upstream": upstream, "dtype": dtype, **options}
        _, gradient = call("loss_and_gradient", y_true, y_pred, **how)
        _, expected = reference.loss_gradients(y_true, y_pred, upstream, **options)
        context = (shape, top, dtype, options)
        assert_image_near(decode(gradient, dtype), expected, dtype, "gradient", context)


@each_stencil
@each_border
@each_scale
def test_gradients_of_integers_are_rounded_once(stencil, border, scale):
    """0 is exactly 0, and all else within an ulp of the quotient."""
    rng = generator(211)
    for shape in [(2, 9, 21, 3), (1, 3, 1031, 1), (1, 1, 40, 2)]:
        if min(shape[1:3]) < smallest(stencil, border):
            continue
        images = rng.integers(0, 256, shape).astype("float64")
        for dtype in ("float32", "float64"):
            options = {"stencil": stencil, "border": border, "scale": scale}
            edges = call("image_gradients", images, dtype=dtype, **options)
            expected = reference.image_gradients(images, **options)
            rtol = np.finfo(dtype).eps
            np.testing.assert_allclose(edges.astype("float64"), expected, rtol=rtol, atol=0)
