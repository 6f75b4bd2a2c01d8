"""The kernels: masks and weights."""

import itertools

import numpy as np
import pytest
from family_checks import assert_outcome_near
from family_tools import (
    BORDERS,
    COMPUTE,
    DATA_FORMATS,
    DTYPES,
    MODULES,
    NORMALIZERS,
    RESPONSES,
    STENCILS,
    TWO_AXES,
    call,
    draw,
    encode,
    example,
    expect,
    first,
    members,
    run,
)
from kernel_tools import assert_same_bits, generator

from gradops import reference

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_border = pytest.mark.parametrize("border", BORDERS)
each_response = pytest.mark.parametrize("response", RESPONSES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def same_outcomes(actual, expected, context):
    for name, found, wanted in zip(expected._fields, actual, expected, strict=True):
        np.testing.assert_array_equal(found, wanted, err_msg=f"{name} {context}")


@each_stencil
@each_border
def test_what_a_mask_hides_changes_no_bit_and_has_no_gradient(stencil, border):
    shape = (2, 5, 7, 2)
    rng = generator(120)
    mask = rng.random(shape) > 0.15
    ways = itertools.cycle([*itertools.product(DTYPES, DATA_FORMATS), ("float32", "channels_last")])
    for member, (dtype, data_format) in zip(members(), ways, strict=False):
        options = {"stencil": stencil, "border": border, "data_format": data_format, **member}
        options["mask"] = mask if data_format == "channels_last" else first(mask)
        data = example(generator(121), shape, dtype, options)
        clean = run(data, dtype, **options)
        assert np.all(np.isfinite(clean.loss))
        for images in (clean.gradient, clean.by_true, clean.by_pred):
            assert np.all(images[~options["mask"]] == 0)
        for hidden in [(np.nan, np.inf), (-np.inf, np.nan), (3e4, -3e4)]:
            images = [
                np.where(options["mask"], x, value)
                for x, value in zip((data.y_true, data.y_pred), hidden, strict=True)
            ]
            other = data._replace(y_true=images[0], y_pred=images[1])
            same_outcomes(run(other, dtype, **options), clean, options)


@each_dtype
@pytest.mark.parametrize(
    "shape", [(2, 130, 5, 3), (2, 3, 1040, 1), (1, 66, 350, 3), (1, 5, 4, 400)]
)
def test_what_a_mask_hides_changes_no_bit_across_strips_and_tiles(shape, dtype):
    rng = generator(122, *shape)
    for response, per_channel in itertools.product(RESPONSES, (False, True)):
        mask = rng.random(shape if per_channel else (*shape[:3], 1)) > 0.03
        options = {"response": response, "penalty": "huber", "mask": mask}
        data = example(generator(123), shape, dtype, options)
        clean = run(data, dtype, **options)
        assert np.all(clean.loss > 0)
        everywhere = np.broadcast_to(mask, shape)
        assert np.all(clean.gradient[~everywhere] == 0)
        hidden = data._replace(
            y_true=np.where(mask, data.y_true, np.inf), y_pred=np.where(mask, data.y_pred, np.nan)
        )
        same_outcomes(run(hidden, dtype, **options), clean, (response, per_channel))


def one_invalid(height, width, channels):
    """A mask for every pixel, one example each; the channels in turn."""
    mask = np.ones((height * width, height, width, channels), bool)
    for b, (row, column) in enumerate(np.ndindex(height, width)):
        mask[b, row, column, b % channels] = False
    return mask


@each_stencil
@each_border
@pytest.mark.parametrize("size", [(3, 3), (4, 5), (5, 3)])
def test_one_invalid_pixel_anywhere_drops_what_it_drops_in_the_oracle(size, stencil, border):
    """Centre, neighbours of an edge, border and corner: every pixel of a small image in turn."""
    mask = one_invalid(*size, 2)
    rng = generator(124, *size)
    for response, data_format in itertools.product(RESPONSES, DATA_FORMATS):
        options = {"stencil": stencil, "border": border, "response": response, "penalty": "l2"}
        options["data_format"] = data_format
        options["mask"] = mask if data_format == "channels_last" else first(mask)
        data = example(rng, mask.shape, options=options)
        counts = call("loss_counts", data.y_pred, dtype="float64", **options)
        _, expected = reference.gradient_sums(None, data.y_pred, **options)
        np.testing.assert_array_equal(counts, expected)
        outcome = run(data, "float64", **options)  # some of one residual, maybe a small difference
        expected = expect(data, **options)
        assert_outcome_near(outcome, expected, data, "float64", options, factor=1000)


@each_stencil
@each_border
def test_one_valid_pixel_anywhere_counts_as_in_the_oracle(stencil, border):
    mask = ~one_invalid(4, 4, 1)
    images = draw(generator(125), mask.shape)
    for response in RESPONSES:
        options = {"stencil": stencil, "border": border, "response": response, "mask": mask}
        counts = call("loss_counts", images, dtype="float32", **options)
        np.testing.assert_array_equal(counts, reference.gradient_sums(None, images, **options)[1])


@each_response
@each_dtype
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_an_example_without_valid_pixels_has_no_loss_and_no_gradient(normalizer, dtype, response):
    shape = (3, 70, 5, 2)
    mask = np.ones((*shape[:3], 1), bool)
    mask[1] = False
    for border in ("valid", "zero", "replicate"):
        options = {"response": response, "normalizer": normalizer, "border": border}
        options |= {"penalty": "charbonnier", "epsilon": 0.5}
        data = example(generator(126), shape, dtype, options)
        with_mask = run(data, dtype, mask=mask, **options)
        hidden = data._replace(y_pred=np.where(mask, data.y_pred, np.nan))
        same_outcomes(run(hidden, dtype, mask=mask, **options), with_mask, options)
        for values in with_mask:
            assert np.all(values[1] == 0)
            assert np.any(values[0] != 0) and np.any(values[2] != 0)
        nothing = run(hidden, dtype, mask=np.zeros_like(mask), **options)
        assert all(np.all(values == 0) for values in nothing)


@each_response
def test_residuals_without_support_count_whatever_the_mask(response):
    """Under reflect the derivative at the border has none: it is 0, charbonnier's rho not."""
    options = {"response": response, "penalty": "charbonnier", "mask": np.zeros((2, 4, 6, 1), bool)}
    data = example(generator(131), (2, 4, 6, 3), "float64", options)
    counts = call("loss_counts", data.y_pred, dtype="float64", **options)
    _, expected = reference.gradient_sums(None, data.y_pred, **options)
    np.testing.assert_array_equal(counts, expected)
    assert counts[0].tolist() == ([36, 24] if response in TWO_AXES else [12])
    outcome = run(data, "float64", **options)
    np.testing.assert_allclose(outcome.loss, 1e-3, rtol=1e-14)
    assert all(np.all(values == 0) for values in outcome[1:])


@each_response
@each_dtype
def test_weights_of_zero_hide_no_nan_unless_all_are_zero(dtype, response):
    shape = (3, 6, 5, 1)
    weights = np.ones(shape)
    weights[0, :, :3] = 0
    weights[1] = 0
    for member, normalizer in itertools.product(members(), NORMALIZERS[:3]):
        if member["response"] != response:
            continue
        options = {**member, "weights": weights, "normalizer": normalizer}
        data = example(generator(127), shape, dtype, options)
        data.y_pred[:2, 2, 1] = np.nan
        outcome, expected = run(data, dtype, **options), expect(data, **options)
        assert_outcome_near(outcome, expected, data, dtype, options)
        assert np.isnan(outcome.loss[0]) and np.isnan(outcome.gradient[0]).any()
        assert np.isfinite(outcome.loss[2])
        if normalizer != "batch":
            assert outcome.loss[1] == 0 and np.all(outcome.gradient[1] == 0)


@each_dtype
@pytest.mark.parametrize("value", [-1.0, -1e-30, -np.inf, np.nan])
def test_a_negative_or_nan_weight_anywhere_is_an_error(value, dtype):
    shape = (2, 130, 9, 3)
    images = draw(generator(128), shape, dtype)
    upstream = np.ones(2)
    for channels in (1, 3):
        for place in [(0, 0, 0, 0), (0, 64, 8, -1), (1, 129, 8, -1), (1, 70, 4, 0)]:
            weights = np.ones((*shape[:3], channels))
            weights[place] = value
            options = {"dtype": dtype, "weights": weights}
            for attempt in [
                lambda o=options: call("loss", images, images, **o),
                lambda o=options: call("loss", None, images, normalizer="none", **o),
                lambda o=options: call("loss_and_gradient", images, images, upstream=upstream, **o),
                lambda o=options: call(
                    "loss_second", images, images, images, upstream=upstream, **o
                ),
                lambda o=options: call("loss_counts", images, **o),
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
    with pytest.raises(ValueError, match="mask must be a dense array of dtype bool"):
        call("loss", images, images, dtype=dtype, mask=np.ones(shape, "uint8"))
    other = "float64" if COMPUTE[dtype] == "float32" else "float32"
    with pytest.raises(ValueError, match="weights must be a dense array of dtype"):
        MODULES[dtype].loss_counts(encode(images, dtype), weights=np.ones(shape, other))
