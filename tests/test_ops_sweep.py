"""Random members of the whole family, in random shapes, through the ops: a long sweep."""

import numpy as np
import pytest
import tensorflow as tf
from op_tools import BORDERS, FAMILY, RESPONSES, STENCILS, assert_close, first

import gradops
from gradops import reference

pytestmark = pytest.mark.extended


def smallest(stencil, border):
    if stencil == "forward":
        return 2 if border == "valid" else 1
    return {"reflect": 2, "valid": 3}.get(border, 1)


def draw(rng):
    """Options for both, the images, and the weights and masks, channels last."""
    stencil, border, penalty, response = (
        str(rng.choice(list(names))) for names in (STENCILS, BORDERS, FAMILY, RESPONSES)
    )
    options = {
        "stencil": stencil,
        "border": border,
        "penalty": penalty,
        **FAMILY[penalty],
        "response": response,
        **RESPONSES[response],
        "scale": str(rng.choice(["raw", "unit"])),
        "normalizer": str(rng.choice(["residuals", "pixels", "batch"])),
    }
    least = smallest(stencil, border)
    height, width = (int(least + rng.integers(0, 12)) for _ in "hw")
    shape = (int(rng.integers(1, 4)), height, width, int(rng.choice([1, 2, 3, 5, 17])))
    tensors = [rng.normal(size=shape) for _ in range(3)]
    if rng.random() < 0.2:
        tensors[0] = None
    maps = {}
    if rng.random() < 0.5:
        channels = shape[3] if rng.random() < 0.5 else 1
        maps["weights"] = rng.uniform(0.1, 2.0, (*shape[:3], channels))
    if rng.random() < 0.5:
        channels = shape[3] if rng.random() < 0.5 else 1
        maps["mask"] = rng.random((*shape[:3], channels)) > 0.15
    return options, tensors, maps


@pytest.mark.parametrize("seed", range(400))
def test_everything(seed):
    """Loss, gradients and second derivatives, with an upstream gradient for each example."""
    rng = np.random.default_rng(seed)
    options, (t, p, v), maps = draw(rng)
    upstream = rng.normal(size=p.shape[0])
    expected = [
        reference.gradient_loss(t, p, **options, **maps),
        *reference.loss_gradients(t, p, upstream, **options, **maps),
        *reference.hessian_vector_product(t, p, v, upstream, **options, **maps),
    ]
    is_first = rng.random() < 0.5
    if is_first:
        t, p, v = (None if x is None else first(x) for x in (t, p, v))
        maps = {key: first(x) for key, x in maps.items()}
        expected = [first(x) if np.ndim(x) == 4 else x for x in expected]
    options["data_format"] = "channels_first" if is_first else "channels_last"

    def derivatives(images, vector, upstream):
        t = images[0] if len(images) == 2 else None
        with tf.GradientTape() as outer:
            outer.watch([images, upstream])
            with tf.GradientTape() as inner:
                inner.watch(images)
                losses = gradops.gradient_loss(t, images[-1], **options, **maps)
            gradients = inner.gradient(losses, images, output_gradients=upstream)
        sources = [*images, upstream]
        return [losses, *gradients, *outer.gradient(gradients[-1], sources, vector)]

    call = tf.function(derivatives) if seed % 4 == 0 else derivatives
    images = [tf.constant(x) for x in (t, p) if x is not None]
    actual = call(images, tf.constant(v), tf.constant(upstream))
    wanted = [x for x in expected if x is not None]
    for ours, theirs in zip(actual, wanted, strict=True):
        assert_close(ours, theirs, floor=1e-2, factor=20)
