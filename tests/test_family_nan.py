"""The kernels: NaN outside a mask is where the oracle has it, and nowhere else."""

import itertools

import numpy as np
import pytest
from family_tools import (
    BORDERS,
    DATA_FORMATS,
    DTYPES,
    PENALTIES,
    RESPONSES,
    STENCILS,
    call,
    decode,
    example,
    expect,
    first,
    members,
    penalties,
    run,
)
from kernel_tools import generator, kinds

from gradops import reference

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_border = pytest.mark.parametrize("border", BORDERS)


def nan_everywhere_in_turn(rng, size, which, dtype, options):
    """An example of the batch for every pixel."""
    shape = (size[0] * size[1], *size, 2)
    data = example(rng, shape, dtype, options)
    for b, (row, column) in enumerate(np.ndindex(size)):
        data[which][b, row, column, b % 2] = np.nan
    return data


def same_nan(actual, expected, context):
    for name, found, wanted in zip(expected._fields, actual, expected, strict=True):
        if wanted is not None:
            np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted), f"{name} {context}")


@each_stencil
@each_border
@pytest.mark.parametrize("size", [(3, 3), (4, 5)])
def test_nan_anywhere_reaches_exactly_the_pixels_it_reaches_in_the_oracle(size, stencil, border):
    """Centre, neighbours of an edge, border and corner: every pixel of a small image in turn."""
    turns = itertools.cycle(itertools.product((0, 1, 1), DTYPES))
    for member, (which, dtype) in zip(members(), turns, strict=False):
        options = {"stencil": stencil, "border": border, **member}
        data = nan_everywhere_in_turn(generator(140, *size), size, which, dtype, options)
        context = (size, which, dtype, options)
        same_nan(run(data, dtype, **options), expect(data, **options), context)


@each_border
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_reaches_no_other_example(border, dtype):
    shape = (3, 5, 6, 2)
    for stencil, member, data_format in itertools.product(STENCILS, members(), DATA_FORMATS):
        options = {"stencil": stencil, "border": border, "data_format": data_format, **member}
        data = example(generator(141), shape, dtype, options)
        clean = run(data, dtype, **options)
        data.y_pred[1] = np.nan
        outcome = run(data, dtype, **options)
        assert np.isnan(outcome.loss[1]) and np.isnan(outcome.gradient[1]).any()
        for name, found, wanted in zip(clean._fields, outcome, clean, strict=True):
            context = f"{name} {options}"
            np.testing.assert_array_equal(found[[0, 2]], wanted[[0, 2]], context)


@pytest.mark.parametrize(
    "shape, pixel",
    [
        *[((3, 130, 5, 2), (row, 2, 0)) for row in (0, 1, 62, 63, 64, 65, 127, 128, 129)],
        *[((3, 3, 1040, 1), (1, column, 0)) for column in (1, 511, 512, 1023, 1024, 1039)],
        *[((3, 5, 4, 400), (2, 1, channel)) for channel in (0, 255, 256, 399)],
    ],
)
def test_nan_crosses_strips_and_tiles_as_in_the_oracle(shape, pixel):
    turns = zip(RESPONSES, BORDERS, penalties(), itertools.cycle(DTYPES), strict=False)
    for response, border, penalty, dtype in turns:
        options = {"border": border, "response": response, **penalty}
        data = example(generator(142), shape, dtype, options)
        clean = run(data, dtype, **options)
        data.y_pred[(1, *pixel)] = np.nan
        outcome = run(data, dtype, **options)
        reached = np.zeros(shape, bool)
        _, gradient = reference.loss_gradients(data.y_true[1:2], data.y_pred[1:2], **options)
        reached[1] = np.isnan(gradient[0])
        np.testing.assert_array_equal(np.isnan(outcome.gradient), reached)
        np.testing.assert_array_equal(outcome.gradient[~reached], clean.gradient[~reached])
        np.testing.assert_array_equal(np.isnan(outcome.loss), [False, True, False])


@each_stencil
@each_border
def test_nan_beside_a_mask_reaches_what_it_reaches_in_the_oracle(stencil, border):
    """An invalid pixel drops the residuals that have NaN in another one."""
    size, channels = (4, 5), 2
    rng = generator(143)
    for response in RESPONSES:
        options = {"stencil": stencil, "border": border, "response": response, "penalty": "log"}
        data = nan_everywhere_in_turn(rng, size, 1, "float32", options)
        options["mask"] = rng.random((size[0] * size[1], *size, channels)) > 0.2
        same_nan(run(data, "float32", **options), expect(data, **options), options)


@pytest.mark.parametrize("penalty", list(penalties()), ids=PENALTIES)
def test_inf_makes_the_loss_and_the_gradient_what_they_are_in_the_oracle(penalty):
    """Plain arithmetic: inf, -inf and, where they meet, NaN."""
    turns = itertools.cycle(
        [(0, np.inf, "float32"), (1, np.inf, "float64"), (1, -np.inf, "float32")]
    )
    for stencil, border, response in itertools.product(STENCILS, BORDERS, RESPONSES):
        options = {"stencil": stencil, "border": border, "response": response, **penalty}
        which, value, dtype = next(turns)
        data = example(generator(144), (20, 4, 5, 1), dtype, options)
        for b, (row, column) in enumerate(np.ndindex(4, 5)):
            data[which][b, row, column] = value
        loss, gradient, *_ = run(data, dtype, **options)
        expected, expected_gradient, *_ = expect(data, **options)
        np.testing.assert_array_equal(kinds(loss), kinds(expected), str(options))
        np.testing.assert_array_equal(kinds(gradient), kinds(expected_gradient), str(options))


@each_stencil
@each_border
def test_nan_and_inf_pass_through_the_image_functions_as_in_the_oracle(stencil, border):
    shape = (20, 4, 5, 1)
    for value, data_format, dtype in itertools.product(
        (np.nan, np.inf, -np.inf), DATA_FORMATS, ("float16", "float32")
    ):
        options = {"stencil": stencil, "border": border, "data_format": data_format}
        images, _, upstream, _ = example(generator(145), shape, dtype)
        for b, (row, column) in enumerate(np.ndindex(4, 5)):
            images[b, row, column] = value
        pairs = np.stack([images, upstream], -1)
        images, upstream = (
            (x if data_format == "channels_last" else first(x)) for x in (images, upstream)
        )
        if data_format == "channels_first":
            pairs = np.ascontiguousarray(np.moveaxis(pairs, 3, 1))
        for name, arrays in {
            "image_gradients": [images],
            "image_gradients_adjoint": [pairs],
            "gradient_magnitude": [images],
            "gradient_magnitude_gradient": [images, upstream],
        }.items():
            actual = decode(call(name, *arrays, dtype=dtype, **options), dtype)
            expected = getattr(reference, name)(*arrays, **options)
            np.testing.assert_array_equal(kinds(actual), kinds(expected), f"{name} {options}")
