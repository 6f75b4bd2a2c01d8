"""The reference's first and second derivatives against central finite differences in float64."""

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
    members,
    pair,
)

from gradops import reference

UPSTREAM = np.array([1.5, -0.4])


def problem(shape=(4, 5, 2), *, seed=30):
    """Two images, with and without weights and a mask that leaves something to count."""
    y_true, y_pred = pair(seed, 2, *shape)
    rng = np.random.default_rng(seed + 1)
    weights = rng.random((2, *shape)) + 0.1
    mask = np.ones((2, *shape[:2], 1), bool)
    mask[0, 0, 0] = mask[1, -1, -2] = False
    return y_true, y_pred, [{}, {"weights": weights, "mask": mask}]


def central_difference(function, at, direction, step):
    return (function(at + step * direction) - function(at - step * direction)) / (2 * step)


def close(actual, expected, tolerance):
    np.testing.assert_allclose(
        actual, expected, rtol=tolerance, atol=tolerance * (1e-3 + np.max(np.abs(expected)))
    )


FAMILY = {"response": RESPONSES, "penalty": PENALTIES, "stencil": STENCILS, "border": BORDERS}
everything = pytest.mark.parametrize(
    "cases",
    [
        pytest.param(covering(FAMILY), id="pairs"),
        pytest.param(list(members()), id="all", marks=pytest.mark.extended),
    ],
)


@everything
def test_gradients_along_directions(cases):
    """Both inputs, along random directions."""
    y_true, y_pred, given = problem()
    directions = pair(33, 2, *y_pred.shape)
    for member in cases:
        for extra in given:
            options = {**member, **extra, **(TUNED[member["penalty"]] if extra else {})}
            gradients = reference.loss_gradients(y_true, y_pred, UPSTREAM, **options)

            def loss_t(t, options=options):
                return UPSTREAM @ reference.gradient_loss(t, y_pred, **options)

            def loss_p(p, options=options):
                return UPSTREAM @ reference.gradient_loss(y_true, p, **options)

            for gradient, loss, at in zip(
                gradients, (loss_t, loss_p), (y_true, y_pred), strict=True
            ):
                for direction in directions[0]:
                    # Charbonnier's third derivative is up to 1e6.
                    expected = central_difference(loss, at, direction, 3e-7)
                    assert np.sum(gradient * direction) == pytest.approx(
                        expected, rel=1e-6, abs=1e-8
                    )


@pytest.mark.parametrize("response", RESPONSES)
def test_gradients_of_sums(response):
    y_true, y_pred, given = problem()
    count = 2 if response in TWO_RESIDUALS else 1
    upstream = np.array([[0.3, -2], [0.7, 1.1]])[:, :count]
    for options in given:
        options = {"response": response, "penalty": "charbonnier", **options}
        gradients = reference.sums_gradients(y_true, y_pred, upstream, **options)

        def total(t, p, options=options):
            return np.sum(upstream * reference.gradient_sums(t, p, **options)[0])

        for direction in pair(34, *y_pred.shape):
            for gradient, function, at in [
                (gradients[0], lambda t: total(t, y_pred), y_true),
                (gradients[1], lambda p: total(y_true, p), y_pred),
            ]:
                expected = central_difference(function, at, direction, 1e-6)
                assert np.sum(gradient * direction) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_normalizers_do_not_depend_on_the_images(normalizer):
    y_true, y_pred, given = problem()
    options = {"penalty": "log", "normalizer": normalizer, **given[1]}
    vector, direction = pair(35, *y_pred.shape)
    _, gradient = reference.loss_gradients(y_true, y_pred, UPSTREAM, **options)
    expected = central_difference(
        lambda p: UPSTREAM @ reference.gradient_loss(y_true, p, **options), y_pred, direction, 1e-6
    )
    assert np.sum(gradient * direction) == pytest.approx(expected, rel=1e-7)
    _, by_pred, _ = reference.hessian_vector_product(y_true, y_pred, vector, UPSTREAM, **options)
    expected = central_difference(
        lambda p: reference.loss_gradients(y_true, p, UPSTREAM, **options)[1], y_pred, vector, 1e-5
    )
    close(by_pred, expected, 1e-6)


# Second order.


@everything
def test_hessian_vector_products(cases):
    """H_pp v and H_tp v as the changes of dL/dp and dL/dt along v, which moves p."""
    y_true, y_pred, given = problem()
    vector, _ = pair(36, *y_pred.shape)
    for member in cases:
        for extra in given:
            options = {**member, **extra, **(TUNED[member["penalty"]] if extra else {})}
            by_true, by_pred, by_upstream = reference.hessian_vector_product(
                y_true, y_pred, vector, UPSTREAM, **options
            )

            def gradients(p, options=options):
                return np.stack(reference.loss_gradients(y_true, p, UPSTREAM, **options))

            close(
                np.stack([by_true, by_pred]),
                central_difference(gradients, y_pred, vector, 1e-6),
                1e-5,
            )
            _, d_y_pred = reference.loss_gradients(y_true, y_pred, **options)
            expected = np.sum(vector * d_y_pred, axis=(1, 2, 3))
            np.testing.assert_allclose(by_upstream, expected, rtol=1e-9, atol=1e-13)


# Points without a derivative, where the family defines one.


def test_flat_images_have_no_magnitude_to_differentiate():
    flat, vector = np.full((1, 4, 5, 1), 3.0), pair(42, 1, 4, 5, 1)[0]
    for options in [{"response": "magnitude"}, {"response": "direction"}]:
        options["penalty"] = "l2"
        other = pair(43, 1, 4, 5, 1)[0]
        assert not np.any(reference.loss_gradients(other, flat, **options)[1])
        for product in reference.hessian_vector_product(other, flat, vector, **options):
            assert not np.any(product)
    options = {"response": "direction", "response_epsilon": 0.0}
    assert not np.any(reference.gradient_loss(other, flat, **options))
    assert not np.any(
        reference.gradient_loss(other, other, response_epsilon=1e3, response="direction")
    )


@pytest.mark.parametrize(
    "alpha, at_zero", [(1.0, 0.0), (1.5, 0.0), (2.0, 2.0), (2.5, 0.0), (3, 0.0)]
)
def test_curvatures_at_zero(alpha, at_zero):
    r = np.array([0.0, -0.0, np.nan, 2.0, -2.0])
    expected = alpha * (alpha - 1) * 2 ** (alpha - 2)
    np.testing.assert_allclose(
        reference.PENALTIES["power"].curvature(r, alpha),
        [at_zero, at_zero, np.nan, expected, expected],
    )
    log = reference.PENALTIES["log"].curvature(r, 0.5)
    np.testing.assert_allclose(log, [0, 0, np.nan, -0.16, -0.16])


@pytest.mark.parametrize("penalty", PENALTIES)
def test_slopes_and_curvatures_of_penalties(penalty):
    row = reference.PENALTIES[penalty]
    parameter = TUNED[penalty].get(row.parameter, row.default)
    r = np.array([-3.0, -0.9, -0.2, 0.05, 0.4, 1.1, 5.0])
    for function, slope in [(row.value, row.slope), (row.slope, row.curvature)]:
        expected = (function(r + 1e-6, parameter) - function(r - 1e-6, parameter)) / 2e-6
        np.testing.assert_allclose(slope(r, parameter), expected, rtol=1e-8, atol=1e-9)
    nan = np.array([np.nan])
    assert np.isnan(row.value(nan, parameter)) and np.isnan(row.slope(nan, parameter))
    assert np.isnan(row.curvature(nan, parameter)) == (penalty not in ("l1", "truncated"))
    assert row.slope(np.zeros(1), parameter) == 0
