"""The kernels: masks and weights."""

import itertools

import numpy as np
import pytest
from family_checks import assert_outcome_near, assert_same_outcome
from family_options import BORDERS, DATA_FORMATS, NORMALIZERS, PENALTIES, RESPONSES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    MODULES,
    TUNED,
    TWO_AXES,
    assert_same_bits,
    call,
    draw,
    encode,
    example,
    expect,
    first,
    generator,
    members,
    run,
)
from pair_tools import covering

from gradops import reference

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_border = pytest.mark.parametrize("border", BORDERS)
each_response = pytest.mark.parametrize("response", RESPONSES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

HIDDEN = {
    "shape": [(2, 5, 7, 2), (2, 130, 5, 3), (2, 3, 1040, 1), (1, 66, 350, 3), (1, 5, 4, 400)],
    "stencil": STENCILS,
    "border": BORDERS,
    "response": RESPONSES,
    "penalty": PENALTIES,
    "data_format": DATA_FORMATS,
    "per_channel": [False, True],
    "values": [(np.nan, np.inf), (-np.inf, np.nan), (3e4, -3e4)],
}


def check_hidden(shape, per_channel, values, dtype, **options):
    """What a mask hides changes no bit and has no gradient."""
    options |= TUNED.get(options["penalty"], {})
    rng = generator(122, *shape)
    mask = rng.random(shape if per_channel else (*shape[:3], 1)) > 0.05
    mask = mask if options["data_format"] == "channels_last" else first(mask)
    options["mask"] = mask
    data = example(rng, shape, dtype, options)
    clean = run(data, dtype, **options)
    assert np.all(np.isfinite(clean.loss)) and np.all(clean.loss > 0)
    for images in (clean.gradient, clean.by_true, clean.by_pred):
        assert np.all(images[~np.broadcast_to(mask, images.shape)] == 0)
    y_true, y_pred = (np.where(mask, x, value) for x, value in zip(data[:2], values, strict=True))
    other = run(data._replace(y_true=y_true, y_pred=y_pred), dtype, **options)
    assert_same_outcome(other, clean, options)


@each_dtype
def test_what_a_mask_hides_changes_no_bit_and_has_no_gradient(dtype):
    for case in covering(HIDDEN):
        check_hidden(dtype=dtype, **case)


@each_dtype
def test_what_a_mask_of_many_channels_hides(dtype):
    """Of more than 24 channels each tile has some, and their part of the mask."""
    for channels, response in itertools.product((25, 100), RESPONSES):
        options = {"response": response, "penalty": "l2", "data_format": "channels_last"}
        check_hidden((2, 5, 6, channels), True, (np.nan, np.inf), dtype, **options)


def one_invalid(height, width, channels):
    """A mask for every pixel, one example each; the channels in turn."""
    mask = np.ones((height * width, height, width, channels), bool)
    for b, (row, column) in enumerate(np.ndindex(height, width)):
        mask[b, row, column, b % channels] = False
    return mask


@each_stencil
@each_border
def test_one_invalid_pixel_anywhere_drops_what_it_drops_in_the_oracle(stencil, border):
    """Centre, neighbours of an edge, border and corner: every pixel of a small image in turn."""
    rng = generator(124)
    sizes = itertools.cycle([(3, 3), (4, 5), (5, 3)])
    for response, data_format in itertools.product(RESPONSES, DATA_FORMATS):
        mask = one_invalid(*next(sizes), 2)
        options = {"stencil": stencil, "border": border, "response": response, "penalty": "l2"}
        options["data_format"] = data_format
        options["mask"] = mask if data_format == "channels_last" else first(mask)
        data = example(rng, mask.shape, options=options)
        counts = call("loss_counts", None, data.y_pred, dtype="float64", **options)
        _, expected = reference.gradient_sums(None, data.y_pred, **options)
        np.testing.assert_array_equal(counts, expected)
        outcome = run(data, "float64", **options)  # some of one residual, maybe a small difference
        expected = expect(data, **options)
        assert_outcome_near(outcome, expected, data, "float64", options, factor=1000)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_counts_are_those_of_any_normalizer(normalizer):
    images = draw(generator(132), (2, 66, 5, 3))
    maps = {"weights": generator(133).integers(0, 9, (2, 66, 5, 1)) / 8}
    maps["mask"] = generator(134).random(images.shape) > 0.1
    found = call("loss_counts", None, images, dtype="float64", normalizer=normalizer, **maps)
    np.testing.assert_array_equal(found, reference.gradient_sums(None, images, **maps)[1])


@each_stencil
def test_one_valid_pixel_anywhere_counts_as_in_the_oracle(stencil):
    mask = ~one_invalid(4, 4, 1)
    images = draw(generator(125), mask.shape)
    for border, response in itertools.product(BORDERS, RESPONSES):
        options = {"stencil": stencil, "border": border, "response": response, "mask": mask}
        counts = call("loss_counts", None, images, dtype="float32", **options)
        np.testing.assert_array_equal(counts, reference.gradient_sums(None, images, **options)[1])


@each_dtype
def test_an_example_without_valid_pixels_has_no_loss_and_no_gradient(dtype):
    shape = (3, 70, 5, 2)
    mask = np.ones((*shape[:3], 1), bool)
    mask[1] = False
    for response, normalizer, border in itertools.product(
        RESPONSES, NORMALIZERS, ("valid", "zero", "replicate")
    ):
        options = {"response": response, "normalizer": normalizer, "border": border}
        options |= {"penalty": "charbonnier", "epsilon": 0.5}
        data = example(generator(126), shape, dtype, options)
        with_mask = run(data, dtype, mask=mask, **options)
        hidden = data._replace(y_pred=np.where(mask, data.y_pred, np.nan))
        assert_same_outcome(run(hidden, dtype, mask=mask, **options), with_mask, options)
        for values in with_mask:
            assert np.all(values[1] == 0)
            assert np.any(values[0] != 0) and np.any(values[2] != 0)
        nothing = run(hidden, dtype, mask=np.zeros_like(mask), **options)
        assert all(np.all(values == 0) for values in nothing)


@each_response
def test_what_cancels_stands_on_its_own_pixel(response):
    """Under reflect the derivative at the border does: it is 0, charbonnier's rho not."""
    mask = np.zeros((2, 4, 6, 1), bool)
    mask[:, 0] = True
    options = {"response": response, "penalty": "charbonnier", "mask": mask}
    data = example(generator(131), (2, 4, 6, 3), "float64", options)
    counts = call("loss_counts", None, data.y_pred, dtype="float64", **options)
    _, expected = reference.gradient_sums(None, data.y_pred, **options)
    np.testing.assert_array_equal(counts, expected)
    assert counts[0].tolist() == ([18, 6] if response in TWO_AXES else [6])
    outcome = run(data, "float64", **options)
    np.testing.assert_allclose(outcome.loss, 1e-3, rtol=1e-14)
    assert all(np.all(values == 0) for values in outcome[1:])


@each_dtype
def test_weights_of_zero_hide_nan(dtype):
    """In example 0 all that it reaches, in 3 all but one residual; 1 has no weights at all."""
    shape = (4, 6, 5, 1)
    weights = np.ones(shape)
    weights[0, :, :3] = 0
    weights[1] = 0
    weights[3, :, :3] = 0
    weights[3, 1, 1] = 1
    for member, normalizer in itertools.product(members(), NORMALIZERS[:-1]):
        options = {**member, "weights": weights, "normalizer": normalizer}
        data = example(generator(127), shape, dtype, options)
        data.y_pred[[0, 1, 3], 2, 1] = np.nan
        outcome, expected = run(data, dtype, **options), expect(data, **options)
        assert_outcome_near(outcome, expected, data, dtype, options)
        assert np.isfinite(outcome.loss[[0, 2]]).all() and np.isfinite(outcome.gradient[0]).all()
        if normalizer != "batch":
            assert outcome.loss[1] == 0 and np.all(outcome.gradient[1] == 0)


@each_dtype
def test_a_negative_or_nan_weight_anywhere_is_an_error(dtype):
    shape = (2, 130, 9, 3)
    images = draw(generator(128), shape, dtype)
    upstream = np.ones(2)
    places = [(0, 0, 0, 0), (0, 64, 8, -1), (1, 129, 8, -1), (1, 70, 4, 0)]
    for value, channels in itertools.product((-1.0, -1e-30, -np.inf, np.nan), (1, 3)):
        for place in places:
            weights = np.ones((*shape[:3], channels))
            weights[place] = value
            options = {"dtype": dtype, "weights": weights}
            for attempt in [
                lambda o=options: call("loss", images, images, **o),
                lambda o=options: call("loss", None, images, normalizer="none", **o),
                lambda o=options: call("loss_memo", images, images, upstream=upstream, **o),
                lambda o=options: call(
                    "loss_grad_grad", images, images, images, upstream=upstream, **o
                ),
                lambda o=options: call("loss_counts", None, images, **o),
            ]:
                with pytest.raises(ValueError, match="weights must be non-negative, got"):
                    attempt()


def test_a_weight_of_minus_zero_is_zero():
    images = draw(generator(129), (2, 5, 6, 1))
    weights = np.ones(images.shape)
    weights[0, 2] = 0
    plus = call("loss", None, images, dtype="float32", weights=weights)
    weights[0, 2] = -0.0
    assert_same_bits(call("loss", None, images, dtype="float32", weights=weights), plus)


@each_dtype
def test_maps_of_another_dtype_or_shape_are_errors(dtype):
    shape = (2, 4, 5, 3)
    images = draw(generator(130), shape, dtype)
    for wrong in [(2, 4, 5, 2), (1, 4, 5, 3), (2, 4, 5), (2, 3, 4, 5), (2, 5, 4, 1)]:
        for maps in ({"weights": np.ones(wrong)}, {"mask": np.ones(wrong, bool)}):
            with pytest.raises(ValueError, match=next(iter(maps))):
                call("loss", images, images, dtype=dtype, **maps)
    with pytest.raises(ValueError, match="mask must be of dtype bool, got uint8"):
        call("loss", images, images, dtype=dtype, mask=np.ones(shape, "uint8"))
    other = "float64" if COMPUTE[dtype] == "float32" else "float32"
    with pytest.raises(ValueError, match=f"weights must be of dtype {COMPUTE[dtype]}, got {other}"):
        MODULES[dtype].loss_counts(None, encode(images, dtype), weights=np.ones(shape, other))
