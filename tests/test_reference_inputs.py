"""The NumPy reference on unusual input: NaN and Inf, unknown options, bad shapes."""

import numpy as np
import pytest
from reference_tools import PENALTIES, SHAPES, pair, supports

from gradops import reference

# NaN and Inf.


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("which", [0, 1])
def test_nan_reaches_exactly_its_supports(penalty, shape, which):
    taps = supports(*shape)
    for bad in np.ndindex(shape):
        images = list(pair(10, 2, *shape, 2))
        clean_loss = reference.gradient_loss(*images, penalty=penalty)
        clean = reference.loss_gradients(*images, penalty=penalty)
        images[which][0][bad][1] = np.nan
        residuals = {component for component, support in taps.items() if bad in support}
        reached = {pixel for component in residuals for pixel in taps[component]}

        gradients = reference.image_gradients(images[which])
        nan = {(i, j, k) for b, i, j, c, k in np.argwhere(np.isnan(gradients)).tolist()}
        assert nan == residuals
        loss = reference.gradient_loss(*images, penalty=penalty)
        assert np.isnan(loss[0]) == bool(residuals) and loss[1] == clean_loss[1]

        expected = np.zeros(clean[0].shape, bool)
        for pixel in reached:
            expected[0][pixel][1] = True
        gradients = reference.loss_gradients(*images, penalty=penalty)
        for gradient, before in zip(gradients, clean, strict=True):
            np.testing.assert_array_equal(np.isnan(gradient), expected)
            np.testing.assert_array_equal(gradient[1], before[1])
            np.testing.assert_array_equal(gradient[..., 0], before[..., 0])


def test_nan_in_row_one_leaves_row_zero_of_gy():
    images = np.ones((1, 4, 4, 1))
    images[0, 1] = np.nan
    gy = reference.image_gradients(images)[0, :, :, 0, 0]
    np.testing.assert_array_equal(np.isnan(gy), [[False] * 4, [False] * 4, [True] * 4, [False] * 4])
    assert not np.any(gy[[0, 1, 3]])  # Row 1 itself has weight 0 in its own derivative.


def test_inf_is_not_multiplied_by_zero():
    images = np.zeros((1, 4, 4, 1))
    images[0, 1, 1] = np.inf
    gradients = reference.image_gradients(images)
    assert not np.any(np.isnan(gradients))
    assert {tuple(index) for index in np.argwhere(np.isinf(gradients[0, :, :, 0])).tolist()} == {
        component for component, support in supports(4, 4).items() if (1, 1) in support
    }


def test_nan_upstream_stays_in_its_example():
    y_true, y_pred = pair(11, 2, 4, 5, 1)
    _, gradient = reference.loss_gradients(y_true, y_pred, [np.nan, 1.0])
    assert np.all(np.isnan(gradient[0])) and not np.any(np.isnan(gradient[1]))


# Errors.


GOOD = np.zeros((2, 4, 5, 3))


@pytest.mark.parametrize("function", ["gradient_loss", "loss_gradients", "hessian_vector_product"])
@pytest.mark.parametrize(
    "argument, allowed",
    [
        ("stencil", "'sobel'"),
        ("penalty", "'l1', 'l2'"),
        ("response", "'component'"),
        ("border", "'reflect'"),
        ("scale", "'raw'"),
    ],
)
def test_unknown_options_of_the_loss(function, argument, allowed):
    arguments = [GOOD] * (3 if function == "hessian_vector_product" else 2)
    with pytest.raises(ValueError, match=f"^{argument}: got 'wrong', expected one of {allowed}$"):
        getattr(reference, function)(*arguments, **{argument: "wrong"})


@pytest.mark.parametrize("function", ["image_gradients", "image_gradients_adjoint"])
@pytest.mark.parametrize(
    "argument, value, allowed",
    [("stencil", 3, "'sobel'"), ("border", None, "'reflect'"), ("scale", "unit", "'raw'")],
)
def test_unknown_options_of_the_image_functions(function, argument, value, allowed):
    images = GOOD if function == "image_gradients" else np.zeros((2, 4, 5, 3, 2))
    with pytest.raises(ValueError, match=f"^{argument}: got {value!r}, expected one of {allowed}$"):
        getattr(reference, function)(images, **{argument: value})


def test_unknown_keyword():
    with pytest.raises(TypeError, match="stencils"):
        reference.gradient_loss(GOOD, GOOD, stencils="sobel")


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: reference.gradient_loss(GOOD, GOOD[0]), r"y_pred: expected rank 4 .*\(4, 5, 3\)"),
        (lambda: reference.gradient_loss(GOOD[0], GOOD), r"y_true: .* y_pred \(2, 4, 5, 3\), got"),
        (lambda: reference.gradient_loss(GOOD[..., :1], GOOD), r"y_true: .*\(2, 4, 5, 1\)"),
        (lambda: reference.loss_gradients(GOOD[:1], GOOD), r"y_true: .*\(1, 4, 5, 3\)"),
        (
            lambda: reference.gradient_loss(GOOD[:, :1], GOOD[:, :1]),
            r"y_pred: border 'reflect' needs H and W of at least 2, got shape \(2, 1, 5, 3\)",
        ),
        (
            lambda: reference.image_gradients(GOOD[:, :, :1]),
            r"images: border 'reflect' needs H and W of at least 2, got shape \(2, 4, 1, 3\)",
        ),
        (lambda: reference.image_gradients(GOOD[0]), r"images: expected rank 4"),
        (lambda: reference.sobel_edges(GOOD[0]), r"images: expected rank 4"),
        (lambda: reference.image_gradients_adjoint(GOOD), r"upstream: .*\[B, H, W, C, 2\], got"),
        (
            lambda: reference.image_gradients_adjoint(np.zeros((2, 1, 5, 3, 2))),
            r"upstream: border 'reflect' needs H and W of at least 2",
        ),
        (
            lambda: reference.loss_gradients(GOOD, GOOD, np.ones(3)),
            r"upstream: expected one value per example, \(2,\), got shape \(3,\)",
        ),
        (lambda: reference.loss_gradients(GOOD, GOOD, 1.0), r"upstream: .*got shape \(\)"),
        (
            lambda: reference.hessian_vector_product(GOOD, GOOD, GOOD[:1]),
            r"vector: expected the shape of y_pred \(2, 4, 5, 3\), got shape \(1, 4, 5, 3\)",
        ),
    ],
)
def test_bad_shapes(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
