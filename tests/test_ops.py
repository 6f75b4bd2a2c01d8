"""The public functions against the oracle: every pair of options.

With the fused ops and with their composition: values, first and second derivatives, by each image
and by the upstream gradient, eager and in graphs that know no shape.
"""

import numpy as np
import pytest
import tensorflow as tf
from family_options import BORDERS, DATA_FORMATS, PENALTIES, RESPONSES, SCALES, STENCILS
from op_tools import assert_close, dyadic, first, name_of, with_parameters
from pair_tools import covering
from reference_tools import NORMALIZERS

import gradops
from gradops import reference

FAMILY = {"response": RESPONSES, "penalty": PENALTIES, "stencil": STENCILS, "border": BORDERS}
LOSS_OPTIONS = {
    "normalizer": NORMALIZERS,
    "scale": SCALES,
    "data_format": DATA_FORMATS,
}
CALLS = {
    "weights": ["none", "of one channel", "of all channels"],
    "mask": ["none", "of one channel", "of all channels"],
    "watched": ["y_true y_pred", "y_pred", "y_true", "one image"],
    "reduction": ["mean", "sum", "none"],
    "mode": ["eager", "graph"],
}
PAIRS = covering({**FAMILY, **LOSS_OPTIONS, **CALLS})


class Problem:
    """Images, maps and upstream gradients for a case, in its layout."""

    def __init__(self, rng, case, shape):
        self.case = case
        self.options = with_parameters({name: case[name] for name in (*FAMILY, *LOSS_OPTIONS)})
        layout = first if case["data_format"] == "channels_first" else np.asarray
        y_true, y_pred, self.vector = (layout(dyadic(rng, shape)) for _ in range(3))
        self.maps = {}
        for name in ("weights", "mask"):
            size = (*shape[:3], 1 if case[name] == "of one channel" else shape[3])
            if case[name] != "none":
                in_bounds = layout(rng.random(size) > 0.12)
                self.maps[name] = (
                    in_bounds if name == "mask" else layout(rng.random(size)) * in_bounds
                )
        if "mask" in self.maps:  # nobody looks at what it hides
            y_true, y_pred = (np.where(self.maps["mask"], x, np.nan) for x in (y_true, y_pred))
        self.y_true = None if case["watched"] == "one image" else y_true
        self.y_pred = y_pred
        self.upstream = rng.permutation([0.75, -1.25, 0.0])[: shape[0]]
        axes = 2 if case["response"] in ("component", "absolute") else 1
        self.of_sums = rng.normal(size=(shape[0], axes))

    def found(self):
        given = [self.y_true, self.y_pred, self.vector, self.upstream, self.of_sums, self.maps]
        tensors = tf.nest.map_structure(lambda x: x if x is None else tf.constant(x), given)
        call = self._results
        if self.case["mode"] == "graph":
            specs = tf.nest.map_structure(
                lambda x: x if x is None else tf.TensorSpec(None, x.dtype), tensors
            )
            call = tf.function(call).get_concrete_function(*specs)
        return tf.nest.flatten(call(*tensors))

    def _results(self, y_true, y_pred, vector, upstream, of_sums, maps):
        options = {**self.options, **maps}
        sources = {"y_true": [y_true], "y_true y_pred": [y_true, y_pred]}
        sources = sources.get(self.case["watched"], [y_pred])
        with tf.GradientTape() as outer:
            outer.watch([*sources, upstream])
            with tf.GradientTape() as inner:
                inner.watch(sources)
                losses = gradops.gradient_loss(y_true, y_pred, **options)
            slopes = inner.gradient(losses, sources, output_gradients=upstream)
        products = outer.gradient(
            slopes[-1], [*sources, upstream], vector, unconnected_gradients="zero"
        )
        values = gradops.value_and_gradient(
            y_true, y_pred, reduction=self.case["reduction"], **options
        )
        del options["normalizer"]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            sums, counts = gradops.gradient_sums(y_true, y_pred, **options)
        slopes_of_sums = tape.gradient(sums, sources, output_gradients=of_sums)
        return losses, slopes, products, values, sums, counts, slopes_of_sums

    def expected(self):
        pair, watched = (self.y_true, self.y_pred), self.case["watched"]
        options = {**self.options, **self.maps}
        chosen = {"y_true": [0], "y_true y_pred": [0, 1]}.get(watched, [1])
        losses = reference.gradient_loss(*pair, **options)
        slopes = reference.loss_gradients(*pair, self.upstream, **options)
        # The loss is symmetric in its images.
        order = pair[::-1] if watched == "y_true" else pair
        *products, by_upstream = reference.hessian_vector_product(
            *order, self.vector, self.upstream, **options
        )
        products = products[::-1] if watched == "y_true" else products
        reduction = self.case["reduction"]
        value = {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]
        factors = np.full(len(losses), 1 / len(losses) if reduction == "mean" else 1.0)
        gradient = reference.loss_gradients(*pair, factors, **options)[1]
        del options["normalizer"]
        sums, counts = reference.gradient_sums(*pair, **options)
        of_sums = reference.sums_gradients(*pair, self.of_sums, **options)
        return [
            losses,
            *(slopes[i] for i in chosen),
            *(products[i] for i in chosen),
            by_upstream,
            value,
            gradient,
            sums,
            counts,
            *(of_sums[i] for i in chosen),
        ]

    def check(self, **tolerance):
        for ours, theirs in zip(self.found(), self.expected(), strict=True):
            assert ours.dtype == tf.float64
            assert_close(ours, theirs, **tolerance)


# Graphs of the composition take seconds, so that most of its pairs are computed eagerly.
COMPOSED = [case if i % 6 == 0 else {**case, "mode": "eager"} for i, case in enumerate(PAIRS)]


@pytest.mark.parametrize(
    ("backend", "case"),
    [("fused", case) for case in PAIRS] + [("composite", case) for case in COMPOSED],
    indirect=["backend"],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)
def test_every_pair_of_options(rng, backend, case):
    Problem(rng, case, (3, 6, 5, 2)).check()


def test_a_loss_is_computed_where_its_images_are(pytestconfig):
    device = pytestconfig.getoption("device") or "CPU:0"
    with tf.device(device):
        images = tf.random.uniform([2, 8, 8, 1])
    assert gradops.gradient_loss(None, images).device.endswith(device)
