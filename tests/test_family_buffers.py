"""The kernels and memory: arrays at any offset; nothing but the output is written."""

import itertools

import numpy as np
import pytest
from family_options import BORDERS, DATA_FORMATS, PENALTIES, RESPONSES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    MODULES,
    TUNED,
    assert_same_bits,
    encode,
    example,
    generator,
    kernel_options,
    noisy,
    shifted,
)
from pair_tools import covering

GUARD = 64
SHAPES = [(2, 5, 7, 3), (3, 67, 5, 2), (1, 4, 1031, 1)]
# Larger than caches, where stores may bypass them.
HUGE = [(2, 600, 300, 4), (1, 1000, 999, 3)]
FAMILY = {
    "response": RESPONSES,
    "penalty": PENALTIES,
    "stencil": STENCILS,
    "border": BORDERS,
    "data_format": DATA_FORMATS,
}
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def prepared(shape, dtype, options, has_maps=True):
    """(y_true, y_pred, vector, upstream, options with maps), as the kernels take them."""
    rng = generator(200, *shape)
    data = example(rng, shape, dtype, options, noisy)
    maps = {}
    if has_maps:
        maps["weights"] = rng.integers(0, 9, data.y_pred.shape) / 8
        maps["mask"] = rng.random(data.y_pred.shape) > 0.05
    images = [encode(x, dtype) for x in data[:3]]
    upstream = data.upstream.astype(COMPUTE[dtype])
    return *images, upstream, kernel_options({**options, **maps}, dtype)


def check_output(shape, dtype, options, offsets, has_maps=True):
    y_true, y_pred, _, upstream, options = prepared(shape, dtype, options, has_maps)
    function = MODULES[dtype].loss_memo
    loss, gradient = function(y_true, y_pred, upstream, **options)
    size = gradient.size
    for offset in offsets:
        buffer = np.full(size + 2 * GUARD + offset, 12345, gradient.dtype)
        out = buffer[GUARD + offset :][:size].reshape(y_pred.shape)
        out[...] = 77
        actual = function(y_true, y_pred, upstream, memo=out, **options)
        assert actual[1] is out
        assert_same_bits(actual[0], loss)
        assert_same_bits(out, gradient)
        assert np.all(buffer[: GUARD + offset] == 12345)
        assert np.all(buffer[GUARD + offset + size :] == 12345)


@each_dtype
def test_only_the_output_is_written_and_all_of_it_at_any_offset(dtype):
    for number, case in enumerate(covering({"shape": SHAPES, "has_maps": [False, True], **FAMILY})):
        options = {**case, **TUNED.get(case["penalty"], {})}
        shape, has_maps = options.pop("shape"), options.pop("has_maps")
        check_output(shape, dtype, options, [number % 34], has_maps)
    for shape in HUGE:
        check_output(shape, dtype, {}, (1, 15), has_maps=False)


@each_dtype
def test_offset_inputs_give_the_bits_of_aligned_ones(dtype):
    module = MODULES[dtype]
    offsets = itertools.cycle([1, 3, 2, 5, 7, 11])
    for case in covering({"shape": SHAPES, **FAMILY}):
        options = {**case, **TUNED.get(case["penalty"], {})}
        images = {name: options[name] for name in ("stencil", "border", "data_format")}
        shape = options.pop("shape")
        y_true, y_pred, vector, upstream, options = prepared(shape, dtype, options)
        expected = 1.5 * upstream
        expected[0] = upstream[0]  # one memo is copied, the others are scaled
        given = [y_true, y_pred, vector, upstream, expected]
        moved = [shifted(x, next(offsets)) for x in given]
        elsewhere = dict(options)
        for name in ("weights", "mask"):
            elsewhere[name] = shifted(options[name], next(offsets))
        results = []
        for (t, p, v, u, e), how in ((given, options), (moved, elsewhere)):
            edges = module.image_gradients(p, **images)
            back = edges if how is options else shifted(edges, next(offsets))
            results.append(
                [
                    module.loss(t, p, **how),
                    *module.loss_memo(t, p, u, **how),
                    *module.loss_weights_memo(t, p, u, **how),
                    *module.loss_grad_grad(t, p, v, u, **how),
                    module.loss_weights_grad_grad(t, p, v, u, **how),
                    module.loss_grad(t, p, v, e, u, **how),
                    module.loss_weights_grad(t, p, e, u, **how),
                    module.loss_counts(None, p, **how),
                    edges,
                    module.image_gradients_adjoint(back, **images),
                    module.gradient_magnitude(p, **images),
                    module.gradient_magnitude_grad(p, v, **images),
                ]
            )
        for one, other in zip(*results, strict=True):
            assert_same_bits(one, other)


@each_dtype
def test_arrays_with_misaligned_elements_are_refused(dtype):
    module, shape = MODULES[dtype], (1, 4, 8, 1)
    good = encode(np.zeros(shape), dtype)
    ones = np.ones(1, COMPUTE[dtype])

    def misaligned(like):
        raw = np.zeros(like.nbytes + 8, "uint8")[1 : like.nbytes + 1]
        return raw.view(like.dtype).reshape(shape)

    bad, weights = misaligned(good), misaligned(np.ones(shape, COMPUTE[dtype]))
    for name, attempt in {
        "memo": lambda: module.loss_memo(good, good, ones, memo=bad),
        "y_pred": lambda: module.loss(good, bad),
        "y_true": lambda: module.loss(bad, good),
        "weights": lambda: module.loss(good, good, weights=weights),
    }.items():
        with pytest.raises(ValueError, match=f"{name} must be an array with aligned elements"):
            attempt()


@pytest.mark.parametrize("which", ["y_true", "y_pred"])
def test_out_that_overlaps_an_input_is_refused(which):
    memory = np.zeros(48, "float32")
    images = {name: np.zeros((1, 4, 8, 1), "float32") for name in ("y_true", "y_pred")}
    images[which] = memory[:32].reshape(1, 4, 8, 1)
    out = memory[16:].reshape(1, 4, 8, 1)
    with pytest.raises(ValueError, match=f"memo must not overlap {which}"):
        MODULES["float32"].loss_memo(*images.values(), np.ones(1, "float32"), memo=out)
