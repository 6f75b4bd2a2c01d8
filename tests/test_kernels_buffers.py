"""The kernels and memory.

Any offset, nothing outside the output written, everything inside it written; arrays with misaligned
elements and outputs that overlap an input are refused.
"""

import numpy as np
import pytest
from kernel_tools import assert_same_bits, each_dtype, each_penalty, normal, pair, upstream_of

from gradops import _kernels

# The last two are larger than caches, where stores may bypass them.
PLACED = [(1, 2, 2, 1), (2, 5, 7, 3), (3, 67, 5, 2), (1, 3, 1031, 1), (2, 600, 300, 4)]
PLACED = [*PLACED, (1, 1000, 999, 3)]
GUARD = 64


def shifted(array, elements):
    """The same values in a C-contiguous array that starts that many elements into its buffer."""
    buffer = np.empty(array.size + elements, array.dtype)
    view = buffer[elements:].reshape(array.shape)
    view[...] = array
    assert view.flags.c_contiguous
    return view


@each_dtype
@each_penalty
@pytest.mark.parametrize("shape", PLACED)
def test_only_the_output_is_written_and_all_of_it_at_any_offset(shape, penalty, dtype):
    y_true, y_pred = pair(normal, 27, shape, dtype)
    upstream = upstream_of(shape, dtype)
    loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    size = gradient.size
    for offset in range(17) if size < 100_000 else (1, 4, 15):
        buffer = np.full(size + 2 * GUARD + offset, 12345, dtype)
        out = buffer[GUARD + offset :][:size].reshape(shape)
        out[...] = np.nan
        actual = _kernels.loss_and_gradient(y_true, y_pred, upstream, out=out, penalty=penalty)
        assert actual[1] is out
        assert_same_bits(actual[0], loss)
        assert_same_bits(out, gradient)
        assert np.all(buffer[: GUARD + offset] == 12345)
        assert np.all(buffer[GUARD + offset + size :] == 12345)


@each_dtype
@each_penalty
@pytest.mark.parametrize(
    "shape, offsets",
    [
        *[(shape, o) for shape in PLACED[:-2] for o in [(1, 0), (0, 1), (1, 1), (3, 2), (7, 13)]],
        *[(shape, (1, 3)) for shape in PLACED[-2:]],
    ],
)
def test_offset_inputs_give_the_bits_of_aligned_ones(shape, offsets, penalty, dtype):
    first, second = offsets
    y_true, y_pred = pair(normal, 28, shape, dtype)
    upstream, expected = upstream_of(shape, dtype), np.full(shape[0], 0.3, dtype)
    expected[0] = upstream[0]  # one memo is copied, the others are scaled
    moved = shifted(y_true, first), shifted(y_pred, second)
    wanted = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    out = shifted(np.full(shape, np.nan, dtype), first + second)
    actual = _kernels.loss_and_gradient(*moved, shifted(upstream, 1), out=out, penalty=penalty)
    assert_same_bits(actual[0], wanted[0])
    assert_same_bits(actual[1], wanted[1])
    assert_same_bits(_kernels.loss(*moved, penalty=penalty), wanted[0])
    memo = _kernels.loss_and_gradient(y_true, y_pred, expected, penalty=penalty)[1]
    assert_same_bits(
        _kernels.loss_gradient(
            *moved, shifted(memo, first), shifted(expected, 1), upstream, penalty=penalty
        ),
        _kernels.loss_gradient(y_true, y_pred, memo, expected, upstream, penalty=penalty),
    )
    if penalty == "l2":
        return  # the rest knows no penalty
    edges = _kernels.image_gradients(y_pred)
    assert_same_bits(_kernels.image_gradients(moved[1]), edges)
    assert_same_bits(
        _kernels.image_gradients_adjoint(shifted(edges, first)),
        _kernels.image_gradients_adjoint(edges),
    )


@each_dtype
@each_penalty
def test_inputs_are_left_as_they_were(penalty, dtype):
    y_true, y_pred = pair(normal, 29, (2, 70, 9, 3), dtype)
    upstream = upstream_of(y_pred.shape, dtype)
    memo = y_pred + 1
    inputs = y_true, y_pred, memo, 2 * upstream, upstream
    copies = [array.copy() for array in inputs]
    for array in inputs:
        array.flags.writeable = False
    _kernels.loss(y_true, y_pred, penalty=penalty)
    _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
    _kernels.loss_gradient(*inputs, penalty=penalty)
    _kernels.image_gradients_adjoint(_kernels.image_gradients(y_pred))
    for array, copy in zip(inputs, copies, strict=True):
        assert_same_bits(array, copy)


def test_arrays_with_misaligned_elements_are_refused():
    shape = (1, 4, 8, 1)
    good = np.zeros(shape, "float32")
    misaligned = np.zeros(good.nbytes + 8, "uint8")[1 : good.nbytes + 1].view("float32")
    misaligned = misaligned.reshape(shape)
    ones = np.ones(1, "float32")
    with pytest.raises(ValueError, match="out must be an array with aligned elements"):
        _kernels.loss_and_gradient(good, good, ones, out=misaligned)
    with pytest.raises(ValueError, match="y_pred must be an array with aligned elements"):
        _kernels.loss(good, misaligned)
    with pytest.raises(ValueError, match="y_true must be an array with aligned elements"):
        _kernels.loss(misaligned, good)


@pytest.mark.parametrize("which", ["y_true", "y_pred"])
def test_out_that_overlaps_an_input_is_refused(which):
    memory = np.zeros(48, "float32")
    images = {
        "y_true": np.zeros((1, 4, 8, 1), "float32"),
        "y_pred": np.ones((1, 4, 8, 1), "float32"),
    }
    images[which] = memory[:32].reshape(1, 4, 8, 1)
    out = memory[16:].reshape(1, 4, 8, 1)
    with pytest.raises(ValueError, match=f"out must not overlap {which}"):
        _kernels.loss_and_gradient(*images.values(), np.ones(1, "float32"), out=out)
