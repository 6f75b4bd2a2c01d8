"""Derivatives by the weights, as the oracle has them, for the tests of the kernels."""

import sys

import numpy as np
import pytest
from family_checks import largest

from gradops import reference
from gradops.reference.problem import Problem
from gradops.reference.scales import _levels

MAPS = ["per pixel", "per channel"]


def by_weights(y_true, y_pred, upstream, **options):
    """The oracle's derivative of sum upstream * loss by the weights."""
    if options.get("normalizer") == "none":
        options.pop("normalizer")
        return reference.sums_weights_gradients(y_true, y_pred, upstream, **options)[0]
    scale_weights = options.pop("scale_weights", (1.0,))
    return reference.multi_scale_weights_gradient(
        y_true,
        y_pred,
        upstream,
        scales=len(scale_weights),
        scale_weights=scale_weights,
        **options,
    )


def by_weights_of_gradient(data, **options):
    """That of sum <vector_b, upstream_b dL_b/dp>, as by_weights has that of the losses.

    <vector, dL/dp> is a loss whose residuals have the values rho'(r) <vector, dr/dp> for rho(r).
    """
    levels = len(options.get("scale_weights", "1"))
    downsample = options.get("downsample", "stride")
    given = {"data_format": options["data_format"]}
    vectors = {
        vector.shape: vector
        for _, _, _, vector, _ in _levels(None, data.vector, levels, downsample, None, given)
    }

    def products(y_true, y_pred, **options):
        problem = Problem(y_true, y_pred, **options)
        by_pred, _ = problem.response.slopes(*problem.gradients, problem.response_epsilon)
        vector = problem.like_images("vector", vectors[y_pred.shape])
        along = by_pred * problem.operator.gradients(vector)
        if problem.response.joint:
            along = along.sum(axis=-1, keepdims=True)
        slopes = problem.penalty.slope(problem.residuals, problem.parameter)
        problem.residuals = slopes * along
        problem.penalty = problem.penalty._replace(value=lambda residuals, _: residuals)
        return problem

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["gradops.reference.weights"], "Problem", products)
        return by_weights(data.y_true, data.y_pred, data.upstream, **options)


def for_kernels(options):
    """Options as the ops have them."""
    if "scale_weights" not in options:
        return options
    return {**options, "scale_weights": ",".join(map(str, options["scale_weights"]))}


def assert_near(found, wanted, tolerance, context, terms=0):
    """`terms`: the size of what is added up to `wanted`, and may cancel."""
    found = found.astype("float64")
    scale = np.maximum(largest(wanted), terms)
    wrong = np.abs(found - wanted) > tolerance * scale
    assert not wrong.any(), (context, wrong.sum(), np.abs(found - wanted).max(), scale.max())
