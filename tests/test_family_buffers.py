"""The kernels: arrays at any offset, and nothing but the output written, for the whole family."""

import itertools

import numpy as np
import pytest
from family_tools import (
    BORDERS,
    COMPUTE,
    DATA_FORMATS,
    DTYPES,
    MODULES,
    RESPONSES,
    STENCILS,
    encode,
    example,
    kernel_options,
    members,
)
from kernel_tools import assert_same_bits, generator, normal

GUARD = 64
SHAPES = [(2, 5, 7, 3), (3, 67, 5, 2), (1, 4, 1031, 1)]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def shifted(array, elements):
    """The same values in a C-contiguous array that starts that many elements into its buffer."""
    buffer = np.empty(array.size + elements, array.dtype)
    view = buffer[elements:].reshape(array.shape)
    view[...] = array
    return view


def prepared(shape, dtype, options):
    """(y_true, y_pred, vector, upstream, options with maps), as the kernels take them."""
    data = example(generator(200, *shape), shape, dtype, options, normal)
    rng = generator(201, *shape)
    maps = {
        "weights": rng.integers(0, 9, data.y_pred.shape) / 8,
        "mask": rng.random(data.y_pred.shape) > 0.05,
    }
    images = [encode(x, dtype) for x in data[:3]]
    upstream = data.upstream.astype(COMPUTE[dtype])
    return *images, upstream, kernel_options({**options, **maps}, dtype)


@each_dtype
@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("shape", SHAPES)
def test_only_the_output_is_written_and_all_of_it_at_any_offset(shape, response, dtype):
    of_response = (member for member in members() if member["response"] == response)
    turns = zip(of_response, itertools.cycle(DATA_FORMATS), BORDERS, STENCILS, strict=False)
    offsets = (0, 1, 7, 15, 33)
    for offset, (member, data_format, border, stencil) in zip(offsets, turns, strict=True):
        options = {**member, "data_format": data_format, "border": border, "stencil": stencil}
        y_true, y_pred, _, upstream, options = prepared(shape, dtype, options)
        function = MODULES[dtype].loss_and_gradient
        loss, gradient = function(y_true, y_pred, upstream, **options)
        size = gradient.size
        buffer = np.full(size + 2 * GUARD + offset, 12345, gradient.dtype)
        out = buffer[GUARD + offset :][:size].reshape(y_pred.shape)
        out[...] = 77
        actual = function(y_true, y_pred, upstream, out=out, **options)
        assert actual[1] is out
        assert_same_bits(actual[0], loss)
        assert_same_bits(out, gradient)
        assert np.all(buffer[: GUARD + offset] == 12345)
        assert np.all(buffer[GUARD + offset + size :] == 12345)


@each_dtype
@pytest.mark.parametrize("shape", SHAPES)
def test_offset_inputs_give_the_bits_of_aligned_ones(shape, dtype):
    module = MODULES[dtype]
    offsets = itertools.cycle([1, 3, 2, 5, 7, 11])
    turns = zip(members(), itertools.cycle(DATA_FORMATS), itertools.cycle(BORDERS), strict=False)
    for member, data_format, border in turns:
        options = {**member, "data_format": data_format, "border": border}
        y_true, y_pred, vector, upstream, options = prepared(shape, dtype, options)
        moved = [shifted(x, next(offsets)) for x in (y_true, y_pred, vector, upstream)]
        elsewhere = dict(options)
        for name in ("weights", "mask"):
            elsewhere[name] = shifted(options[name], next(offsets))
        wanted = [
            *module.loss_and_gradient(y_true, y_pred, upstream, **options),
            *module.loss_second(y_true, y_pred, vector, upstream, **options),
            module.loss_counts(y_pred, **options),
        ]
        found = [
            *module.loss_and_gradient(*moved[:2], moved[3], **elsewhere),
            *module.loss_second(*moved, **elsewhere),
            module.loss_counts(moved[1], **elsewhere),
        ]
        for one, other in zip(found, wanted, strict=True):
            assert_same_bits(one, other)
        images = {"data_format": data_format, "border": border}
        assert_same_bits(
            module.gradient_magnitude_gradient(*moved[:2], **images),
            module.gradient_magnitude_gradient(y_true, y_pred, **images),
        )
        assert_same_bits(
            module.gradient_magnitude(moved[1], **images),
            module.gradient_magnitude(y_pred, **images),
        )


@each_dtype
def test_inputs_are_left_as_they_were(dtype):
    module = MODULES[dtype]
    for member in members():
        *images, upstream, options = prepared((2, 70, 9, 3), dtype, member)
        inputs = [*images, upstream, options["weights"], options["mask"]]
        copies = [array.copy() for array in inputs]
        for array in inputs:
            array.flags.writeable = False
        module.loss(*images[:2], **options)
        module.loss_and_gradient(*images[:2], upstream, **options)
        module.loss_second(*images, upstream, **options)
        module.gradient_magnitude_gradient(*images[:2])
        for array, copy in zip(inputs, copies, strict=True):
            np.testing.assert_array_equal(array, copy)


@each_dtype
def test_maps_with_misaligned_elements_are_refused(dtype):
    images = encode(np.zeros((1, 4, 8, 1)), dtype)
    weights = np.zeros(images.size * 8 + 8, "uint8")[1 : images.size * 8 + 1].view(COMPUTE[dtype])
    weights = weights[: images.size].reshape(images.shape)
    with pytest.raises(ValueError, match="weights must be an array with aligned elements"):
        MODULES[dtype].loss(images, images, weights=weights)
