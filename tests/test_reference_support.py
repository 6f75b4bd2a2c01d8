"""What counts in the reference: masks, weights, NaN and normalizers, against a loop."""

import itertools

import numpy as np
import pytest
from reference_tools import (
    BORDERS,
    NORMALIZERS,
    RESPONSES,
    STENCILS,
    TWO_RESIDUALS,
    brute_sums,
    groups,
    pair,
    residuals,
    smallest,
)

from gradops import reference

# Centre, next to an edge, on two edges, in two corners.
PIXELS = [(2, 3), (1, 3), (0, 3), (2, 5), (0, 0), (4, 5)]


each_stencil = pytest.mark.parametrize("stencil", STENCILS)


def reached(response, border, stencil, bad, height, width):
    """(Residuals whose support holds the bad pixel, the pixels that those have taps on)."""
    table = residuals(height, width, stencil, border)
    hit, pixels = set(), set()
    for centre, k, components, _ in groups(response, border, stencil, height=height, width=width):
        if any(bad in table[component][0] for component in components):
            hit.add((*centre, k))
            pixels.update(*(table[component][0] for component in components))
    return hit, pixels


@each_stencil
def test_one_invalid_pixel(stencil):
    for border, response in itertools.product(BORDERS, RESPONSES):
        check_one_invalid_pixel(stencil, border, response)


def check_one_invalid_pixel(stencil, border, response):
    """Residuals with it in their support are gone; its value, even NaN, changes nothing."""
    y_true, y_pred = pair(50, 1, 5, 6, 2)
    vector, weights = pair(51, 1, 5, 6, 2)
    weights = np.abs(weights)  # All different: the counts tell which residuals were dropped.
    options = {"stencil": stencil, "border": border, "response": response, "penalty": "l2"}
    for pixel in PIXELS[RESPONSES.index(response) % 2 :: 2]:
        mask = np.ones((1, 5, 6, 2), bool)
        mask[0][pixel][0] = False
        given = {**options, "weights": weights, "mask": mask}
        expected = brute_sums(y_true, y_pred, options, weights, mask)
        for bad in (None, np.nan):
            t, p = y_true.copy(), y_pred.copy()
            if bad is not None:
                t[0][pixel][0] = p[0][pixel][0] = bad
            for ours, brute in zip(reference.gradient_sums(t, p, **given), expected, strict=True):
                np.testing.assert_allclose(ours, brute, rtol=1e-12, atol=1e-13)
            images = [
                *reference.loss_gradients(t, p, **given),
                *reference.hessian_vector_product(t, p, vector, **given)[:2],
            ]
            for image in images:
                assert np.all(np.isfinite(image)) and image[0][pixel][0] == 0
            if bad is None:
                clean = images
            np.testing.assert_array_equal(images, clean)


@each_stencil
def test_random_masks(stencil):
    for border, response in itertools.product(BORDERS, RESPONSES):
        check_random_masks(stencil, border, response)


def check_random_masks(stencil, border, response):
    y_true, y_pred = pair(52, 2, 4, 5, 2)
    rng = np.random.default_rng(53)
    for channels, share in itertools.product((1, 2), (0.1, 0.4, 1.0)):
        mask = rng.random((2, 4, 5, channels)) >= share
        weights = rng.random((2, 4, 5, 3 - channels))
        options = {"stencil": stencil, "border": border, "response": response}
        given = {**options, "weights": weights, "mask": mask}
        _, numbers = brute_sums(y_true, y_pred, options, None, mask)
        weights.flat[::4] = 0
        sums, counts = brute_sums(y_true, y_pred, options, weights, mask)
        actual = reference.gradient_sums(y_true, y_pred, **given)
        np.testing.assert_allclose(actual[0], sums, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(actual[1], counts, rtol=1e-12)
        sums, counts = sums.sum(axis=1), counts.sum(axis=1)
        pixels = np.sum(weights * mask * np.ones(2), axis=(1, 2, 3))
        for normalizer, divisor in [
            ("residuals", counts),
            ("pixels", pixels),
            ("batch", np.full(2, counts.sum() / 2)),
            ("residual_count", numbers.sum(axis=1)),
            ("pixel_count", np.sum(mask * np.ones((2, 4, 5, 2)), axis=(1, 2, 3))),
        ]:
            expected = np.where(divisor == 0, 0, sums / np.where(divisor == 0, 1, divisor))
            actual = reference.gradient_loss(y_true, y_pred, **given, normalizer=normalizer)
            np.testing.assert_allclose(actual, expected, rtol=1e-12)


@each_stencil
def test_nan_reaches_exactly_its_supports(stencil):
    for border, response in itertools.product(BORDERS, RESPONSES):
        check_nan(stencil, border, response)


def check_nan(stencil, border, response):
    for shape in [(2, 3), (3, 4)]:
        if min(shape) < smallest(stencil, border):
            continue
        for bad, which in itertools.product(np.ndindex(shape), (0, 1)):
            hit, pixels = reached(response, border, stencil, bad, *shape)
            images = list(pair(10, 2, *shape, 2))
            images[which][0][bad][1] = np.nan
            options = {"stencil": stencil, "border": border}
            table = residuals(*shape, stencil, border)
            expected = {x for x, entry in table.items() if entry and bad in entry[0]}
            gradients = reference.image_gradients(images[which], **options)[0, ..., 1, :]
            assert {tuple(x) for x in np.argwhere(np.isnan(gradients)).tolist()} == expected

            options |= {"response": response, "penalty": "l2"}
            loss = reference.gradient_loss(*images, **options)
            assert np.isnan(loss[0]) == bool(hit) and np.isfinite(loss[1])
            expected = np.zeros((2, *shape, 2), bool)
            for pixel in pixels:
                expected[0][pixel][1] = True
            for gradient in reference.loss_gradients(*images, **options):
                np.testing.assert_array_equal(np.isnan(gradient), expected)


def test_nan_shows_in_a_direction_of_flat_images():
    flat, image = np.ones((1, 4, 4, 1)), np.ones((1, 4, 4, 1))
    image[0, 1, 1] = np.nan
    assert np.isnan(reference.gradient_loss(flat, image, response="direction"))
    assert np.any(np.isnan(reference.loss_gradients(flat, image, response="direction")[1]))


@pytest.mark.parametrize("response", RESPONSES)
def test_weight_zero_hides_nan(response):
    y_true, y_pred = pair(55, 1, 5, 5, 1)
    y_pred[0, 2, 2] = np.nan
    weights = np.ones_like(y_pred)
    weights[0, 1:4, 1:4] = 0  # The centres of all residuals that the NaN reaches.
    options = {"weights": weights, "response": response, "penalty": "charbonnier"}
    clean = np.nan_to_num(y_pred, nan=7.0)
    calls = [
        reference.gradient_loss,
        lambda *images, **options: reference.loss_gradients(*images, **options)[1],
        lambda t, p, **options: reference.hessian_vector_product(t, p, y_true, **options)[1],
    ]
    for call in calls:
        found = call(y_true, y_pred, **options)
        np.testing.assert_array_equal(found, call(y_true, clean, **options))
        assert np.isfinite(found).all()
    weights[0, 1, 1] = 1
    assert np.isnan(reference.gradient_loss(y_true, y_pred, **options))


def test_dropped_residuals_drop_even_with_a_valid_nan():
    """A NaN and an invalid pixel in one support: the residual is not counted."""
    y_true, y_pred = pair(56, 1, 3, 3, 1)
    y_pred[0, 0, 1], mask = np.nan, np.ones((1, 3, 3, 1), bool)
    mask[0, 2, 1] = False
    options = {"stencil": "central", "border": "valid", "response": "magnitude", "mask": mask}
    assert reference.gradient_loss(y_true, y_pred, **options) == [0]
    for gradient in reference.loss_gradients(y_true, y_pred, **options):
        assert not np.any(gradient)


def test_inf_is_not_multiplied_by_zero():
    images = np.zeros((1, 4, 4, 1))
    images[0, 1, 1] = np.inf
    gradients = reference.image_gradients(images)
    assert not np.any(np.isnan(gradients))
    expected = {x for x, entry in residuals(4, 4, "sobel", "reflect").items() if (1, 1) in entry[0]}
    assert {tuple(x) for x in np.argwhere(np.isinf(gradients[0, :, :, 0])).tolist()} == expected


def test_nan_upstream_stays_in_its_example():
    y_true, y_pred = pair(11, 2, 4, 5, 1)
    _, gradient = reference.loss_gradients(y_true, y_pred, [np.nan, 1.0])
    assert np.all(np.isnan(gradient[0])) and not np.any(np.isnan(gradient[1]))


# Weights and normalizers by hand.


def test_normalizers_by_hand():
    """Example 0 has a 1 in every gx residual, example 1 a 2; the last column is not counted."""
    ramp = np.arange(4.0)[:, None] * np.ones((2, 3, 4, 1))
    ramp[1] *= 2
    weights = np.ones((2, 3, 4, 1))
    weights[0, 0] = 5
    options = {"stencil": "forward", "border": "valid", "response": "component"}
    sums, counts = reference.gradient_sums(None, ramp, **options, weights=weights)
    np.testing.assert_array_equal(sums, [[0, 15 + 6], [0, 18]])
    np.testing.assert_array_equal(counts, [[20 + 4, 15 + 6], [8, 9]])
    for normalizer, divisors in [
        ("residuals", [45, 17]),
        ("pixels", [20 + 8, 12]),
        ("batch", [31, 31]),
        ("residual_count", [17, 17]),
        ("pixel_count", [12, 12]),
    ]:
        loss = reference.gradient_loss(
            None, ramp, **options, weights=weights, normalizer=normalizer
        )
        np.testing.assert_allclose(loss, np.array([21, 18]) / divisors, rtol=1e-15)


@pytest.mark.parametrize(
    "response, normalizer",
    list(zip(RESPONSES, [*NORMALIZERS, "residuals"], strict=True)),
)
def test_nothing_counted_is_zero(response, normalizer):
    """Whatever the images and the upstream gradient hold."""
    y_true, y_pred = pair(57, 2, 4, 5, 2)
    y_pred[0, 2, 2] = np.nan
    options = {"response": response, "normalizer": normalizer, "penalty": "charbonnier"}
    for nothing in ({"mask": np.zeros((2, 4, 5, 1), bool)}, {"weights": np.zeros((2, 4, 5, 1))}):
        given = {**options, **nothing}
        assert not np.any(reference.gradient_loss(y_true, y_pred, **given))
        for gradient in reference.loss_gradients(y_true, y_pred, [np.nan, 1], **given):
            assert not np.any(gradient)
        for product in reference.hessian_vector_product(y_true, y_pred, y_true, **given):
            assert not np.any(product)
    count = 2 if response in TWO_RESIDUALS else 1
    sums, counts = reference.gradient_sums(y_true, y_pred, response=response, **nothing)
    assert not np.any(sums)
    assert sums.shape == counts.shape == (2, count) and not np.any(counts)


def test_what_cancels_stands_on_its_own_pixel():
    """Reflected taps cancel in the outer rows of gy and columns of gx."""
    mask = np.zeros((1, 4, 5, 1), bool)
    mask[0, 0, 1:4] = mask[0, 3, 0] = True
    sums, counts = reference.gradient_sums(None, np.ones((1, 4, 5, 1)), mask=mask)
    np.testing.assert_array_equal(sums, [[0, 0]])
    np.testing.assert_array_equal(counts, [[3 + 1, 1]])
    _, counts = reference.gradient_sums(None, np.ones((1, 4, 5, 1)), mask=mask, response="normal")
    np.testing.assert_array_equal(counts, [[1]])  # The corner.


def test_what_a_mask_hides_dilutes_nothing():
    """A patch of 8 x 8 in hidden images of any size has one loss: its 6 x 6 residuals'."""
    y_true, y_pred = pair(58, 1, 8, 8, 1)
    for response, size in itertools.product(RESPONSES, (16, 24, 64)):
        inner = reference.gradient_loss(y_true, y_pred, border="valid", response=response)
        begin = size // 2 - 4
        mask, images = np.zeros((1, size, size, 1), bool), np.full((2, 1, size, size, 1), np.nan)
        patch = (slice(None), slice(begin, begin + 8), slice(begin, begin + 8))
        mask[patch], images[0][patch], images[1][patch] = True, y_true, y_pred
        for border in BORDERS:
            options = {"border": border, "response": response, "mask": mask}
            found = reference.gradient_loss(*images, **options)
            np.testing.assert_allclose(found, inner, rtol=1e-13, err_msg=f"{border} {response}")
            _, counts = reference.gradient_sums(*images, **options)
            np.testing.assert_array_equal(counts, [[36] * (2 if response in TWO_RESIDUALS else 1)])
