"""The reference's derivatives by weights against central differences, and by hand."""

import numpy as np
import pytest
from pair_tools import covering
from reference_tools import (
    BORDERS,
    NORMALIZERS,
    PENALTIES,
    RESPONSES,
    STENCILS,
    TUNED,
    TWO_RESIDUALS,
    first,
    grid,
    pair,
)

from gradops import reference

SHAPE = (2, 5, 4, 2)
UPSTREAM = np.array([1.5, -0.4])
CASES = covering(
    {
        "response": RESPONSES,
        "penalty": PENALTIES,
        "stencil": STENCILS,
        "border": BORDERS,
        "normalizer": NORMALIZERS,
        "channels": [1, 2],
        "masked": [False, True],
        "data_format": ["channels_last", "channels_first"],
    }
)
# A central difference of a rational function of w, whose terms are of the size of losses.
CLOSE = dict(rtol=1e-6, atol=1e-8)


def problem(channels, masked=False, data_format="channels_last", shape=SHAPE, seed=80):
    """Two images and options, in the format; weights with zeros, and a mask if wanted."""
    y_true, y_pred = pair(seed, *shape)
    rng = np.random.default_rng(seed + 1)
    options = {"weights": rng.uniform(0.5, 2, (*shape[:3], channels))}
    options["weights"][rng.random(options["weights"].shape) < 0.2] = 0
    if masked:
        options["mask"] = rng.random((*shape[:3], 3 - channels)) > 0.1
    turn = first if data_format == "channels_first" else np.asarray
    options = {name: turn(value) for name, value in options.items()}
    return turn(y_true), turn(y_pred), {**options, "data_format": data_format}


def differences(function, weights, step=1e-5):
    """The derivative of function(weights) by each weight; one-sided where a weight is 0."""
    result = np.zeros(weights.shape)
    for i in np.ndindex(*weights.shape):
        values = []
        # The derivative at 0 by (-3 f(0) + 4 f(h) - f(2 h)) / 2 h.
        at_zero = [(0, -3), (step, 4), (2 * step, -1)]
        for shift, factor in at_zero if weights[i] == 0 else [(step, 1), (-step, -1)]:
            moved = weights.copy()
            moved[i] += shift
            values.append(factor * function(moved))
        result[i] = sum(values) / (2 * step)
    return result


@pytest.mark.parametrize("part", range(4))
def test_the_derivative_by_each_weight(part):
    for case in CASES[part::4]:
        options = {**case, **TUNED[case["penalty"]]}
        data_format = options.pop("data_format")
        sizes = options.pop("channels"), options.pop("masked")
        y_true, y_pred, given = problem(*sizes, data_format)
        weights = given.pop("weights")
        options |= given

        def loss(w, options=options, y_true=y_true, y_pred=y_pred):
            return UPSTREAM @ reference.gradient_loss(y_true, y_pred, weights=w, **options)

        found = reference.weights_gradient(y_true, y_pred, UPSTREAM, weights=weights, **options)
        assert found.shape == weights.shape
        np.testing.assert_allclose(found, differences(loss, weights), **CLOSE)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("downsample", ["stride", "average"])
def test_several_scales(downsample, normalizer):
    for channels, data_format in [(1, "channels_last"), (2, "channels_first")]:
        y_true, y_pred, options = problem(
            channels, masked=True, data_format=data_format, shape=(2, 9, 8, 2)
        )
        weights = options.pop("weights")
        weights[:, :4, 4:] = 0  # also on coarser levels
        options |= {"scales": 3, "downsample": downsample, "scale_weights": [1, 0.5, 2]}
        options |= {"normalizer": normalizer, "border": "replicate"}

        def loss(w, options=options, y_true=y_true, y_pred=y_pred):
            return UPSTREAM @ reference.multi_scale_loss(y_true, y_pred, weights=w, **options)

        found = reference.multi_scale_weights_gradient(
            y_true, y_pred, UPSTREAM, weights=weights, **options
        )
        assert found.shape == weights.shape
        np.testing.assert_allclose(found, differences(loss, weights), **CLOSE)


@pytest.mark.parametrize("response", RESPONSES)
def test_sums_and_counts(response):
    y_true, y_pred, options = problem(1, masked=True)
    weights = options.pop("weights")
    count = 2 if response in TWO_RESIDUALS else 1
    upstream = np.array([[0.3, -2], [0.7, 1.1]])[:, :count]
    options |= {"response": response, "penalty": "log"}
    found = reference.sums_weights_gradients(y_true, y_pred, upstream, weights=weights, **options)
    for which in (0, 1):

        def total(w, which=which):
            return np.sum(
                upstream * reference.gradient_sums(y_true, y_pred, weights=w, **options)[which]
            )

        np.testing.assert_allclose(found[which], differences(total, weights), **CLOSE)


def test_by_hand():
    """Residuals 1, 2 and 4 with weights 1, 3 and 0: v - L n over D."""
    image = grid([[0, 1, 3, 7]])
    options = {"stencil": "forward", "weights": grid([[1, 3, 0, 0]]), "penalty": "l1"}
    options["mask"] = np.ones((1, 1, 4, 1), bool)
    v, n = np.array([1, 2, 4, 0]), 2  # gy, which is 0, counts too
    for normalizer, divisor, numbers in [
        ("residuals", 8, n),
        ("batch", 8, n),
        ("pixels", 4, 1),
        ("residual_count", 8, 0),
        ("pixel_count", 4, 0),
    ]:
        found = reference.weights_gradient(None, image, normalizer=normalizer, **options)
        expected = (v - 7 / divisor * numbers) / divisor
        np.testing.assert_allclose(found[0, 0, :, 0], expected, rtol=1e-14)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_a_weight_of_0_hides_has_derivative_0(normalizer, bad):
    y_true, y_pred = pair(82, 1, 5, 6, 2)
    clean = y_pred.copy()
    y_pred[0, 2, 2, 0] = bad
    weights = np.ones((1, 5, 6, 1))
    weights[0, 1:4, 1:4] = 0  # the centres of all residuals that it reaches
    options = {"normalizer": normalizer, "weights": weights}
    found = reference.weights_gradient(y_true, y_pred, **options)
    expected = reference.weights_gradient(y_true, clean, **options)
    reached = np.zeros(weights.shape, bool)
    reached[0, 1:4, 1:4] = True
    reached[0, 2, 2] = False  # sobel reads no centre
    np.testing.assert_array_equal(found, np.where(reached, 0, expected))
    assert np.all(expected[reached] != 0)


def test_a_truncated_infinity_is_a_number():
    image = grid([[0, 1, np.inf, 7]])
    options = {"stencil": "forward", "penalty": "truncated", "delta": 5}
    weights = grid([[1, 0, 0, 0]])
    found = reference.weights_gradient(
        None, image, weights=weights, normalizer="residual_count", **options
    )
    np.testing.assert_array_equal(found[0, 0, :, 0] * 8, [1, 5, 5, 0])


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_divisor_of_0_has_derivative_0(normalizer):
    y_true, y_pred = pair(83, 2, 4, 5, 1)
    weights, mask = np.ones((2, 4, 5, 1)), np.ones((2, 4, 5, 1), bool)
    mask[0] = False
    found = reference.weights_gradient(
        y_true, y_pred, weights=weights, mask=mask, normalizer=normalizer
    )
    assert not np.any(found[0]) and np.any(found[1])
    found = reference.weights_gradient(
        y_true, y_pred, weights=0 * weights, mask=mask, normalizer=normalizer
    )
    assert not np.any(found) or "count" in normalizer
