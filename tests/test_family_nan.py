"""The kernels: NaN and Inf are where the oracle has them, and nowhere else."""

import itertools

import numpy as np
import pytest
from family_checks import assert_image_near, assert_same_outcome, kinds
from family_options import BORDERS, DATA_FORMATS, PENALTIES, RESPONSES, STENCILS
from family_tools import (
    DTYPES,
    TUNED,
    call,
    decode,
    example,
    expect,
    first,
    generator,
    members,
    oracle,
    penalties,
    run,
)
from pair_tools import covering

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
def test_nan_anywhere_reaches_exactly_the_pixels_it_reaches_in_the_oracle(stencil, border):
    """Centre, neighbours of an edge, border and corner: every pixel of a small image in turn."""
    turns = itertools.cycle(itertools.product(((3, 3), (4, 5), (7, 6)), (0, 1, 1), DTYPES))
    skipped = itertools.islice(turns, BORDERS.index(border), None)
    for member, (size, which, dtype) in zip(members(), skipped, strict=False):
        options = {"stencil": stencil, "border": border, **member}
        data = nan_everywhere_in_turn(generator(140, *size), size, which, dtype, options)
        context = (size, which, dtype, options)
        same_nan(run(data, dtype, **options), expect(data, **options), context)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_reaches_no_other_example(dtype):
    """Neither that of an image nor that of an upstream, which moreover leaves its loss alone."""
    options = {"stencil": STENCILS, "border": BORDERS, "data_format": DATA_FORMATS}
    options |= {"response": RESPONSES, "penalty": PENALTIES, "shape": [(3, 5, 6, 2), (3, 70, 8, 3)]}
    for case in covering(options):
        shape = case.pop("shape")
        case |= TUNED.get(case["penalty"], {})
        data = example(generator(141), shape, dtype, case)
        clean = run(data, dtype, **case)
        for value in (np.nan, np.inf, 0.0):
            data.upstream[1] = value
            outcome = run(data, dtype, **case)
            np.testing.assert_array_equal(outcome.loss, clean.loss)
            np.testing.assert_array_equal(outcome.gradient[[0, 2]], clean.gradient[[0, 2]])
        data.upstream[1], data.y_pred[1] = 1, np.nan
        outcome = run(data, dtype, **case)
        assert np.isnan(outcome.loss[1]) and np.isnan(outcome.gradient[1]).any()
        others = (type(clean)(*(values[[0, 2]] for values in x)) for x in (outcome, clean))
        assert_same_outcome(*others, case)


@pytest.mark.parametrize("column", [0, 1, 4, 5])
def test_nan_and_inf_beside_the_border_are_as_in_the_oracle(column):
    """In an image tall enough for groups of rows: those with such a ghost go one by one."""
    shape = (1, 19, 6, 1)
    for row, response, (value, penalty), dtype in itertools.product(
        range(shape[1]),
        ("component", "absolute"),
        ((np.nan, "l2"), (np.inf, "l1")),  # inf - inf, of taps that cancel, would be NaN
        ("float32", "float64"),
    ):
        options = {"response": response, "penalty": penalty}
        data = example(generator(23), shape, dtype, options)
        data.y_pred[0, row, column, 0] = value
        outcome, expected = run(data, dtype, **options), expect(data, **options)
        assert not np.isfinite(expected.loss)
        np.testing.assert_array_equal(outcome.loss, expected.loss)
        assert_image_near(outcome.gradient, expected.gradient, dtype, context=(row, options))


PLACES = {
    (3, 130, 5, 2): [(row, 2, 0) for row in (0, 1, 61, 62, 63, 64, 65, 66, 127, 128, 129)],
    (3, 3, 1040, 1): [(1, c, 0) for c in (0, 1, 2, 511, 512, 1023, 1024, 1038, 1039)],
    (3, 3, 350, 3): [(1, c, 2) for c in (0, 340, 341, 342, 349)],
    (3, 5, 4, 400): [(2, 1, c) for c in (0, 1, 255, 256, 399)],
}


@pytest.mark.parametrize("shape", PLACES, ids=str)
def test_nan_crosses_strips_and_tiles_as_in_the_oracle(shape):
    options = {"pixel": PLACES[shape], "border": BORDERS, "response": RESPONSES}
    for case in covering({**options, "penalty": PENALTIES, "dtype": DTYPES}):
        pixel, dtype = case.pop("pixel"), case.pop("dtype")
        case |= TUNED.get(case["penalty"], {})
        data = example(generator(142), shape, dtype, case)
        clean = run(data, dtype, **case)
        data.y_pred[(1, *pixel)] = np.nan
        outcome = run(data, dtype, **case)
        reached = np.zeros(shape, bool)
        _, gradient = reference.loss_gradients(data.y_true[1:2], data.y_pred[1:2], **case)
        reached[1] = np.isnan(gradient[0])
        np.testing.assert_array_equal(np.isnan(outcome.gradient), reached)
        np.testing.assert_array_equal(outcome.gradient[~reached], clean.gradient[~reached])
        np.testing.assert_array_equal(np.isnan(outcome.loss), [False, True, False])


@each_stencil
def test_nan_beside_a_mask_reaches_what_it_reaches_in_the_oracle(stencil):
    """An invalid pixel drops the residuals that have NaN in another one."""
    size, channels = (4, 5), 2
    rng = generator(143)
    for border, response in itertools.product(BORDERS, RESPONSES):
        options = {"stencil": stencil, "border": border, "response": response, "penalty": "log"}
        data = nan_everywhere_in_turn(rng, size, 1, "float32", options)
        options["mask"] = rng.random((size[0] * size[1], *size, channels)) > 0.2
        same_nan(run(data, "float32", **options), expect(data, **options), options)


@pytest.mark.parametrize("penalty", list(penalties()), ids=PENALTIES)
def test_inf_makes_the_loss_and_the_gradient_what_they_are_in_the_oracle(penalty):
    """Plain arithmetic: inf, -inf and, where they meet, NaN."""
    values = [(0, np.inf, "float32"), (1, np.inf, "float64"), (1, -np.inf, "float32")]
    turns = itertools.cycle(values)
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
def test_nan_and_inf_pass_through_the_image_functions_as_in_the_oracle(stencil):
    shape = (20, 4, 5, 1)
    ways = itertools.cycle(itertools.product(DATA_FORMATS, ("float16", "float32")))
    for value, border in itertools.product((np.nan, np.inf, -np.inf), BORDERS):
        data_format, dtype = next(ways)
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
            "gradient_magnitude_grad": [images, upstream],
        }.items():
            actual = decode(call(name, *arrays, dtype=dtype, **options), dtype)
            expected = oracle(name)(*arrays, **options)
            np.testing.assert_array_equal(kinds(actual), kinds(expected), f"{name} {options}")
