"""The kernels: the same bits for any number of threads."""

import pytest
from kernel_tools import (
    MANY_UNITS,
    assert_same_bits,
    each_dtype,
    each_penalty,
    normal,
    pair,
    upstream_of,
)

from gradops import _kernels


def everything(shape, dtype, penalty, **options):
    y_true, y_pred = pair(normal, 30, shape, dtype)
    upstream = upstream_of(shape, dtype)
    loss, gradient = _kernels.loss_and_gradient(
        y_true, y_pred, upstream, penalty=penalty, **options
    )
    edges = _kernels.image_gradients(y_pred, **options)
    memo, expected = y_true.copy(), upstream.copy()
    expected[::2] *= 3
    expected[::3] = 0
    return {
        "loss": loss,
        "gradient": gradient,
        "loss alone": _kernels.loss(y_true, y_pred, penalty=penalty, **options),
        "through a memo": _kernels.loss_gradient(
            y_true, y_pred, memo, expected, upstream, penalty=penalty, **options
        ),
        "edges": edges,
        "adjoint": _kernels.image_gradients_adjoint(edges, **options),
    }


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", MANY_UNITS)
def test_any_number_of_threads_and_every_run_give_the_same_bits(shape, penalty, dtype):
    first = everything(shape, dtype, penalty, threads=1)
    for threads in (1, 2, 3, 8, 0):
        again = everything(shape, dtype, penalty, threads=threads)
        for name, values in first.items():
            assert_same_bits(again[name], values)
