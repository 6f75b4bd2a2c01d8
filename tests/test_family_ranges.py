"""What float32 and float64 hold: losses and gradients at the ends that docs/design.md promises."""

import numpy as np
import pytest
import tensorflow as tf

import gradops
from gradops import reference

pytestmark = pytest.mark.usefixtures("backend")

# The sizes of gradients, or residuals, whose squares are added up, and of the others.
SQUARED = {"float32": (1e-15, 1e15), "float64": (1e-100, 1e100)}
OTHERS = {"float32": (1e-30, 1e30), "float64": (1e-280, 1e300)}
# No border or smoothing tap leaves a residual of rounding alone, which a logarithm would show.
OPTIONS = {"stencil": "central", "border": "valid"}


def pair(rng, dtype, size):
    """Two images with gradients between one and six times that size, which differ by as much."""
    slopes = rng.uniform([[1], [2]], [[1.2], [3]]) * np.array([[1.0, 1.1]])
    images = np.arange(6.0)[:, None] * slopes[:, :1, None] + np.arange(5.0) * slopes[:, 1:, None]
    return (images * size / 2 * rng.uniform(1.01, 1.02, (2, 6, 5)))[:, None, ..., None].astype(
        dtype
    )


def check(images, dtype, **options):
    """The loss to many epsilons, the gradient to as many of its largest number."""
    bound = 1000 * np.finfo(dtype).eps
    wanted = reference.gradient_loss(*images, **OPTIONS, **options)
    loss, gradient = gradops.value_and_gradient(*images, **OPTIONS, **options)
    np.testing.assert_allclose(loss, wanted[0], rtol=bound)
    wanted = reference.loss_gradients(*images, **OPTIONS, **options)[1]
    np.testing.assert_allclose(gradient, wanted, rtol=0, atol=bound * np.abs(wanted).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_responses(rng, dtype):
    for response, ends in [
        ("component", OTHERS),
        ("absolute", OTHERS),
        ("magnitude", SQUARED),
        ("direction", SQUARED),
        ("normal", SQUARED),
    ]:
        extra = {"response_epsilon": 0.0} if response == "direction" else {}
        for size, inwards in zip(ends[dtype], (1.0, 0.1), strict=True):
            check(pair(rng, dtype, size * inwards), dtype, response=response, **extra)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_penalties(rng, dtype):
    (small, large), (least, most) = SQUARED[dtype], OTHERS[dtype]
    for options, ends in [
        ({"penalty": "l1"}, (least, most)),
        ({"penalty": "l2"}, (small, large)),
        ({"penalty": "charbonnier", "epsilon": 1e-3}, (1e-5, large)),
        ({"penalty": "huber", "delta": 1.0}, (small, most)),
        ({"penalty": "log", "epsilon": 0.5}, (least, most)),
        ({"penalty": "power", "alpha": 1.5}, (small, large)),
    ]:
        for size, inwards in zip(ends, (1.0, 0.1), strict=True):
            check(pair(rng, dtype, size * inwards), dtype, **options)


@pytest.mark.parametrize("response", ["magnitude", "direction", "normal"])
def test_squares_that_overflow_show(rng, response):
    """NaN rather than the 0 that a quotient by infinity would be."""
    loss = gradops.gradient_loss(*pair(rng, "float32", 1e20), response=response)
    assert not np.isfinite(loss).any()


def test_sums_of_losses_may_leave_the_range_of_float32(rng):
    """They are added up in float64."""
    images = np.full((2, 1, 40, 40, 1), 0, "float32")
    images[0, 0, ::2] = 1e37
    loss = gradops.gradient_loss(*tf.constant(images), **OPTIONS, scale="unit")
    wanted = reference.gradient_loss(*images, **OPTIONS, scale="unit")
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)
