"""Derivatives by weights: of what counts nothing or is no number, and of the term of the pixels."""

import numpy as np
import pytest
from op_tools import assert_close, is_fused, pairs_of
from op_weights_tools import check, gradients, wanted
from reference_tools import NORMALIZERS, RESPONSES
from test_reference_weights import UPSTREAM, problem

from gradops import presets

both_backends = pytest.mark.usefixtures("backend")


@pairs_of(
    response=RESPONSES, normalizer=NORMALIZERS, bad=[np.nan, np.inf], channels=[1, 2],
    backend=["fused", "composite"],
)  # fmt: skip
def test_what_a_weight_of_0_hides(backend, response, normalizer, bad, channels):
    y_true, y_pred, given = problem(channels, shape=(2, 8, 7, 2))
    given["weights"][0, 1:6, 1:6] = 0
    y_pred[0, 3, 3, 1] = bad
    for penalty in ("l2", "truncated"):
        options = {"response": response, "normalizer": normalizer, "penalty": penalty}
        found = check(y_true, y_pred, **options, **given)
        assert all(np.isfinite(gradient).all() for gradient in found)
        assert found[2].numpy()[given["weights"] == 0].any()


@both_backends
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_where_nothing_counts(normalizer):
    y_true, y_pred, given = problem(2, masked=True, shape=(2, 4, 5, 2))
    given["mask"][0], y_pred[0] = False, np.nan
    found = check(y_true, y_pred, normalizer=normalizer, **given)
    assert not found[2][0].numpy().any() and found[2][1].numpy().any()
    given["weights"] *= 0
    found = check(y_true, y_pred, normalizer=normalizer, **given)
    assert found[2].numpy().any() == ("count" in normalizer)
    assert not found[1].numpy().any()


def check_empty(shape, channels):
    weights = np.ones((*shape[:3], channels))
    for normalizer in NORMALIZERS:
        options = {"upstream": np.ones(shape[0]), "normalizer": normalizer}
        found = gradients(np.ones(shape), np.ones(shape), weights, **options)[2]
        if found is not None or is_fused():
            np.testing.assert_array_equal(found, np.zeros_like(weights))


@both_backends
@pytest.mark.parametrize(
    ("shape", "channels"), [((0, 4, 5, 2), 1), ((0, 4, 5, 2), 2), ((2, 4, 5, 0), 1)]
)
def test_empty_images(shape, channels):
    check_empty(shape, channels)


def test_weights_of_no_channels():
    check_empty((2, 4, 5, 0), 0)


# The term of the pixels


@pairs_of(
    normalizer=NORMALIZERS, channels=[1, 2], scales=[1, 2], mode=["eager", "graph"],
    response=["component", "normal"], backend=["fused", "composite"],
)  # fmt: skip
def test_the_term_of_the_pixels(backend, normalizer, channels, scales, mode, response):
    """dL/dw = (v - L n) / D with v = |p - t|, and that of the residuals."""
    y_true, y_pred, given = problem(channels, masked=True, shape=(2, 17, 14, 2))
    weights, mask = given["weights"], given["mask"]
    options = {"normalizer": normalizer, "scales": scales, "response": response}
    scaled = {"pixel_weight": 1.7, "gradient_weight": 0.3}
    found = gradients(
        y_true, y_pred, weights, mode, presets.pixel_and_gradient, mask=mask, **options, **scaled
    )[2]
    expected = 0.3 * wanted(y_true, y_pred, **given, **options)[2]
    assert_close(found, expected + 1.7 * by_pixels(y_true, y_pred, weights, mask, normalizer))


@both_backends
@pytest.mark.parametrize("normalizer", ["residuals", "pixel_count"])
def test_a_nan_in_one_term(normalizer):
    """No residual of sobel reads its own pixel, so at a NaN the term of the residuals is a number.

    The weights of what reaches it are 0.
    """
    y_true, y_pred, given = problem(1, shape=(2, 9, 8, 1))
    weights = given["weights"]
    y_pred[0, 4, 4], weights[0, 3:6, 3:6] = np.nan, 0
    call = presets.pixel_and_gradient
    found = gradients(y_true, y_pred, weights, call=call, normalizer=normalizer)[2]
    expected = wanted(y_true, y_pred, weights, normalizer=normalizer)[2]
    assert_close(found[0, 4, 4], expected[0, 4, 4])


def by_pixels(y_true, y_pred, weights, mask, normalizer):
    valid = np.broadcast_to(mask, y_pred.shape)
    values, ones = np.where(valid, np.abs(y_pred - y_true), 0), valid.astype(float)
    sums, total, count = (
        x.sum(axis=(1, 2, 3), keepdims=True) for x in (weights * values, weights * ones, ones)
    )
    upstream = UPSTREAM.reshape(-1, 1, 1, 1)
    if "count" in normalizer:
        by_weights = upstream * values / count
    elif normalizer == "batch":
        by_weights = (upstream * values - np.mean(upstream * sums) / total.mean() * ones) / (
            total.mean()
        )
    else:
        by_weights = upstream * (values - sums / total * ones) / total
    return by_weights.sum(axis=3, keepdims=True) if weights.shape[3] == 1 else by_weights
