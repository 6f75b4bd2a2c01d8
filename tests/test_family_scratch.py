"""The kernels: what a thread has left in its scratch memory does not reach later results."""

import itertools

import numpy as np
import pytest
from family_tools import generator

from gradops import _kernels

BORDERS = ("reflect", "circular", "valid")
RESPONSES = ("component", "magnitude", "absolute", "normal")


def fill_scratch_memory(rng, dtype):
    """Leaves large numbers in the row buffers of this thread, which are laid out in three ways."""
    for width, channels, response in (
        (700, 2, "normal"),
        (400, 3, "component"),
        (300, 5, "absolute"),
        (60, 24, "magnitude"),
    ):
        images = 1e3 * rng.standard_normal((1, 40, width, channels)).astype(dtype)
        for maps in ({}, {"weights": np.abs(images), "mask": images > -2e3}):
            options = {"response": response, "threads": 1, **maps}
            _kernels.loss_memo(images[:, ::-1].copy(), images, np.ones(1, dtype), **options)


@pytest.mark.parametrize("channels", [1, 3, 9, 17, 24, 30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_ran_before_does_not_matter(dtype, channels):
    rng = generator(channels)
    shape = (1, 34, 25, channels)
    y_true, y_pred = rng.standard_normal((2, *shape)).astype(dtype)
    maps = {"weights": rng.random(shape).astype(dtype), "mask": rng.random(shape) > 0.1}
    upstream = np.ones(1, dtype)
    for response, border, target, given in itertools.product(
        RESPONSES, BORDERS, (None, y_true), ({}, maps)
    ):
        options = {"response": response, "border": border, "threads": 1, **given}
        results = []
        for _ in range(2):
            fill_scratch_memory(rng, dtype)
            memo = _kernels.loss_weights_memo if given else _kernels.loss_memo
            found = [
                *memo(target, y_pred, upstream, **options),
                *_kernels.loss_grad_grad(target, y_pred, y_true, upstream, **options),
            ]
            results.append([x.tobytes() for x in found])
        assert results[0] == results[1], options
