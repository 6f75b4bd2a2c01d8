"""The reference on unusual input: ties, identical images, empty batches."""

import itertools

import numpy as np
import pytest
from reference_tools import (
    BORDERS,
    NORMALIZERS,
    PENALTIES,
    RESPONSES,
    STENCILS,
    TUNED,
    brute_adjoint,
    brute_gradients,
    grid,
    pair,
)

from gradops import reference

SLOPES = {"l1": np.sign, "l2": lambda r: 2.0 * r}


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_zero_slope_at_ties(penalty):
    """Small integers make many residuals exactly 0; all arithmetic here is exact."""
    rng = np.random.default_rng(9)
    y_true = rng.integers(0, 2, size=(2, 8, 9, 3))
    y_pred = rng.integers(0, 2, size=(2, 8, 9, 3))
    residuals = brute_gradients((y_pred - y_true).astype(np.float64))
    interior = residuals[:, 1:-1, 1:-1]
    assert 0.05 < np.mean(interior == 0) < 0.5
    count = 2 * 8 * 9 * 3
    _, d_y_pred = reference.loss_gradients(y_true, y_pred, [count, count], penalty=penalty)
    np.testing.assert_array_equal(d_y_pred, brute_adjoint(SLOPES[penalty](residuals)))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_identical_images(penalty):
    """An exactly zero gradient, and an exactly zero loss but for charbonnier's epsilon."""
    images, vector = pair(8, 2, 5, 4, 3)
    images[0, :3, :3] = 7  # Flat: no magnitude and no direction.
    images[1] *= 100
    parameters = itertools.cycle(({}, TUNED[penalty]))
    for stencil, border, response in itertools.product(STENCILS, BORDERS, RESPONSES):
        options = {"stencil": stencil, "border": border, "response": response, **next(parameters)}
        options["penalty"] = penalty
        loss = reference.gradient_loss(images, images, **options)
        if penalty == "charbonnier":
            np.testing.assert_allclose(loss, options.get("epsilon", 1e-3), rtol=1e-14)
        else:
            assert not np.any(loss)
        for gradient in reference.loss_gradients(images, images, [3.0, -2.0], **options):
            assert not np.any(gradient)
        assert not np.any(reference.hessian_vector_product(images, images, vector, **options)[2])


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_empty_batch(normalizer):
    images = np.zeros((0, 4, 5, 3))
    options = {"penalty": "charbonnier", "normalizer": normalizer}
    loss = reference.gradient_loss(images, images, **options)
    assert loss.shape == (0,) and loss.dtype == np.float64
    for gradient in reference.loss_gradients(images, images, np.zeros(0), **options):
        assert gradient.shape == images.shape
    assert reference.image_gradients(images).shape == (0, 4, 5, 3, 2)
    assert reference.image_gradients_adjoint(np.zeros((0, 4, 5, 3, 2))).shape == images.shape
    products = reference.hessian_vector_product(images, images, images, **options)
    assert [product.shape for product in products] == [images.shape, images.shape, (0,)]
    no_channels = np.zeros((2, 4, 5, 0))
    np.testing.assert_array_equal(reference.gradient_loss(None, no_channels, **options), [0, 0])


def test_pixels_counts_no_weight_of_invalid_pixels():
    """A residual of `central` does not hold its centre: it counts, with the weight there."""
    y_pred = grid([[0, 2, 4]] * 3)
    mask = np.ones((1, 3, 3, 1), bool)
    mask[0, 1, 1] = False
    weights = np.where(mask, 0.5, 3.0)
    options = {"stencil": "central", "border": "valid", "weights": weights, "mask": mask}
    sums, counts = reference.gradient_sums(None, y_pred, **options)
    np.testing.assert_array_equal(sums, [[0, (0.5 + 3 + 0.5) * 4]])
    np.testing.assert_array_equal(counts, [[4, 4]])
    assert reference.gradient_loss(None, y_pred, **options, normalizer="pixels") == [16 / (8 * 0.5)]
    options["weights"] = np.where(mask, 0.0, 3.0)
    assert reference.gradient_loss(None, y_pred, **options) == [2]
    assert reference.gradient_loss(None, y_pred, **options, normalizer="pixels") == [0]
