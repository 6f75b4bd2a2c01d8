"""The reference's messages: unknown options, bad parameters, weights, masks and shapes."""

import itertools
import re

import numpy as np
import pytest
from reference_tools import BORDERS, NORMALIZERS, PENALTIES, RESPONSES, STENCILS, smallest

from gradops import reference

GOOD = np.zeros((2, 4, 5, 3))
FIRST = {"data_format": "channels_first"}
WEIGHTED = r"\(2, 4, 5, 1\) or \(2, 4, 5, 3\), got shape"
LOSSES = {
    "gradient_loss": [GOOD, GOOD],
    "loss_gradients": [GOOD, GOOD],
    "gradient_sums": [GOOD, GOOD],
    "sums_gradients": [GOOD, GOOD, np.ones((2, 2))],
    "hessian_vector_product": [GOOD, GOOD, GOOD],
}
IMAGES = {
    "image_gradients": [GOOD],
    "image_gradients_adjoint": [np.zeros((2, 4, 5, 3, 2))],
    "gradient_magnitude": [GOOD],
    "gradient_magnitude_gradient": [GOOD, GOOD],
}


def raises(message, name, *arguments, **options):
    with pytest.raises(ValueError, match=f"^{message}"):
        getattr(reference, name)(*arguments, **options)


def listed(names):
    return re.escape(", ".join(map(repr, names))) + "$"


OPTIONS = {
    "stencil": listed(STENCILS),
    "border": listed(BORDERS),
    "scale": listed(["raw", "unit"]),
    "data_format": listed(["channels_last", "channels_first"]),
    "penalty": listed(PENALTIES),
    "response": listed(RESPONSES),
    "normalizer": listed(NORMALIZERS),
}


# Options.


@pytest.mark.parametrize("name", [*LOSSES, *IMAGES])
def test_unknown_options(name):
    arguments = {**LOSSES, **IMAGES}[name]
    known = list(OPTIONS)[:4] if name in IMAGES else list(OPTIONS)[: -1 if "sums" in name else None]
    for argument, value in itertools.product(known, ("wrong", None, 3, ["sobel"])):
        message = f"{argument}: got {re.escape(repr(value))}, expected one of {OPTIONS[argument]}"
        raises(message, name, *arguments, **{argument: value})


def test_unknown_keywords():
    for name in ("gradient_sums", "sums_gradients"):
        with pytest.raises(TypeError, match="normalizer"):
            getattr(reference, name)(*LOSSES[name], normalizer="residuals")
    with pytest.raises(TypeError, match="stencils"):
        reference.gradient_loss(GOOD, GOOD, stencils="sobel")


@pytest.mark.parametrize("penalty", ["charbonnier", "huber", "log", "power", "truncated"])
def test_bad_parameters(penalty):
    name = reference.PENALTIES[penalty].parameter
    limit, below = ("of at least 1", 0.99) if name == "alpha" else ("above 0", 0)
    for value in (below, -1.0, np.nan, np.inf, "1", True, np.ones(2)):
        message = f"{name}: got {re.escape(repr(value))}, expected a finite number {limit}$"
        raises(message, "gradient_loss", GOOD, GOOD, penalty=penalty, **{name: value})


def test_response_epsilon():
    for response in ("component", "absolute", "normal", "sum"):
        message = f"response_epsilon is not a parameter of response '{response}'$"
        raises(message, "loss_gradients", GOOD, GOOD, response=response, response_epsilon=0.5)
    for value in (-1e-9, np.nan, np.inf, "1"):
        message = f"response_epsilon: got {value!r}, expected a finite number of at least 0$"
        for response in ("magnitude", "direction"):
            raises(message, "gradient_loss", GOOD, GOOD, response=response, response_epsilon=value)
        raises(message, "gradient_magnitude", GOOD, response_epsilon=value)


# Arrays.


@pytest.mark.parametrize(
    "message, name, arguments, options",
    [
        (r"y_pred: expected rank 4 .*\(4, 5, 3\)", "gradient_loss", [GOOD, GOOD[0]], {}),
        (r"y_pred: expected rank 4 \[B, C, H, W\]", "gradient_loss", [None, GOOD[0]], FIRST),
        (r"y_true: .* y_pred \(2, 4, 5, 3\), got", "gradient_loss", [GOOD[0], GOOD], {}),
        (r"y_true: .* y_pred \(2, 4, 5, 3\), got", "gradient_loss", [GOOD[:, 1:], GOOD], FIRST),
        (r"y_true: .*\(2, 4, 5, 1\)", "gradient_loss", [GOOD[..., :1], GOOD], {}),
        (r"y_true: .*\(1, 4, 5, 3\)", "loss_gradients", [GOOD[:1], GOOD], {}),
        (r"y_true: expected real numbers, got dtype c", "gradient_loss", [GOOD * 1j, GOOD], {}),
        (r"y_pred: expected real numbers, got dtype <U", "gradient_loss", [None, "image"], {}),
        (r"images: expected rank 4", "image_gradients", [GOOD[0]], {}),
        (r"images: expected rank 4", "sobel_edges", [GOOD[0]], {}),
        (r"images: expected rank 4", "gradient_magnitude", [GOOD[0]], {}),
        (r"upstream: .*\[B, H, W, C, 2\], got", "image_gradients_adjoint", [GOOD], {}),
        (r"upstream: .*\[B, C, H, W, 2\], got", "image_gradients_adjoint", [GOOD], FIRST),
        (
            r"upstream: expected the shape of images \(2, 4, 5, 3\), got shape \(1, 4, 5, 3\)",
            "gradient_magnitude_gradient",
            [GOOD, GOOD[:1]],
            {},
        ),
        (
            r"upstream: expected one value per example, \(2,\), got shape \(3,\)",
            "loss_gradients",
            [GOOD, GOOD, np.ones(3)],
            {},
        ),
        (r"upstream: .*got shape \(\)", "loss_gradients", [GOOD, GOOD, 1.0], {}),
        (
            r"upstream: expected one value per sum, \(2, 1\), got shape \(2, 2\)",
            "sums_gradients",
            [GOOD, GOOD, np.ones((2, 2))],
            {"response": "normal"},
        ),
        (
            r"vector: expected the shape of y_pred \(2, 4, 5, 3\), got shape \(1, 4, 5, 3\)",
            "hessian_vector_product",
            [GOOD, GOOD, GOOD[:1]],
            {},
        ),
    ],
)
def test_bad_images(message, name, arguments, options):
    raises(message, name, *arguments, **options)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_smallest_sizes(data_format):
    for stencil, border in itertools.product(STENCILS, BORDERS):
        check_smallest(stencil, border, data_format)


def check_smallest(stencil, border, data_format):
    least = smallest(stencil, border)
    options = {"stencil": stencil, "border": border, "data_format": data_format}
    message = f"y_pred: border '{border}' needs H and W of at least {least}, got shape"
    for height, width in [(least, least), (least - 1, 4), (4, least - 1)]:
        shape = (1, height, width, 1) if data_format == "channels_last" else (1, 1, height, width)
        images = np.zeros(shape)
        if min(height, width) < least:
            raises(f"{message} {re.escape(str(shape))}$", "gradient_loss", None, images, **options)
            for name in ("image_gradients", "gradient_magnitude"):
                raises("images: border", name, images, **options)
            images = np.zeros((*shape, 2))
            raises("upstream: border", "image_gradients_adjoint", images, **options)
        else:
            assert reference.gradient_loss(None, images, **options) == [0]


@pytest.mark.parametrize(
    "message, options",
    [
        (rf"weights: expected shape {WEIGHTED} \(2, 4, 5, 2\)$", {"weights": GOOD[..., :2]}),
        (rf"weights: expected shape {WEIGHTED} \(2, 4, 5\)$", {"weights": GOOD[..., 0]}),
        (rf"mask: expected shape {WEIGHTED} \(1, 4, 5, 1\)$", {"mask": GOOD[:1, ..., :1] == 0}),
        (
            r"mask: expected shape \(2, 1, 5, 3\) or \(2, 4, 5, 3\), got shape \(2, 4, 5, 1\)$",
            {"mask": GOOD[..., :1] == 0, **FIRST},
        ),
        (r"mask: expected bool, got dtype float64$", {"mask": GOOD}),
        (r"mask: expected bool, got dtype int64$", {"mask": GOOD.astype(np.int64)}),
        (r"weights: expected real numbers, got dtype complex128$", {"weights": GOOD * 1j}),
        (r"weights must be non-negative, got -0\.5$", {"weights": GOOD - 0.5}),
        (r"weights must be non-negative, got nan$", {"weights": GOOD * np.nan}),
    ],
)
def test_bad_weights_and_masks(message, options):
    for name, arguments in LOSSES.items():
        raises(message, name, *arguments, **options)


def test_weights_of_any_real_dtype():
    for dtype in (np.float16, np.float32, np.int8, np.uint64, bool):
        weights = np.random.default_rng(60).integers(0, 2, (2, 4, 5, 1)).astype(dtype)
        _, counts = reference.gradient_sums(GOOD, GOOD, weights=weights)
        np.testing.assert_array_equal(counts, 3 * weights.sum((1, 2), dtype=np.float64) * [1, 1])
