"""Gradients are written by whole lines of memory: as they are found, where rows are made of lines,
else by way of a buffer; and with many channels row by row. The bits are the same, but for the sign
of a zero where all differences are zeros."""

import numpy as np
import pytest
from family_options import BORDERS, PENALTIES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    MODULES,
    TUNED,
    assert_same_bits,
    decode,
    encode,
    example,
    generator,
    kernel_options,
    noisy,
)
from pair_tools import covering

LINE = 64  # bytes
# Rows of whole lines: narrow, wider than a stretch by little and by much, of three tiles, of many
# channels. 11 to 70 rows: groups of four with rows before and after, also over two units.
SHAPES = [(2, 11, 256, 3), (1, 14, 1056, 1), (1, 70, 352, 4), (1, 13, 1600, 2), (1, 12, 96, 16)]
# Rows that begin in the midst of lines, each in another place: wide, of two tiles, narrower than a
# stretch, than three lines and than one; of many channels, also with a tile that ends in a line.
UNEVEN = [(1, 70, 517, 2), (1, 13, 1585, 1), (2, 11, 37, 3), (1, 12, 33, 1), (1, 14, 5, 2)]
UNEVEN += [(1, 12, 7, 23), (1, 12, 61, 24)]
MOST_CHANNELS = 24  # of a tile; with more, rows are written one by one
CASES = {
    "shape": SHAPES + UNEVEN,
    "stencil": STENCILS,
    "penalty": PENALTIES,
    "border": BORDERS,
    "response": ["component", "component", "magnitude"],
    "extra": ["", "", "weights", "mask", "scales", "pixels", "axes", "infinite"],
}
# Groups of rows go back to rows where what lies beside the border is not finite, and where each
# axis has a scale of its own, with any border.
ALSO = [
    {"shape": shape, "stencil": "sobel", "penalty": "l1", "border": border}
    | {"response": "component", "extra": extra}
    for shape in SHAPES + UNEVEN
    for border in BORDERS
    for extra in ("infinite", "axes")
]
# Slopes of l1 are kept as signs, unless one is NaN: in a row before the first group, inside of one,
# or in a row that another unit of work adds up. A mask takes residuals away, and hides what is NaN.
ALSO += [
    {"shape": shape, "stencil": stencil, "penalty": "l1", "border": border}
    | {"response": "component", "extra": extra}
    for shape in SHAPES + UNEVEN
    for border in BORDERS
    for stencil in ("sobel", "prewitt")
    for extra in ("", "unit", "nan 1", "nan 8", "nan 67", "mask", "mask nan", "mask of channels")
    if extra != "nan 67" or shape[1] > 67
]
ALSO += [
    {"shape": shape, "stencil": "sobel", "penalty": "l1", "border": border}
    | {"response": "component", "extra": extra}
    for shape in UNEVEN
    for border in BORDERS
    for extra in ("scales", "pixels")
]


def on_a_line(like, elements=0):
    """An empty array that begins so many elements after a line of memory does."""
    buffer = np.empty(like.size * like.itemsize + 2 * LINE, np.uint8)
    begin = -buffer.ctypes.data % LINE + elements * like.itemsize
    return buffer[begin:][: like.size * like.itemsize].view(like.dtype).reshape(like.shape)


def prepared(case, dtype):
    """(y_true, y_pred, upstream, options), as the kernels take them."""
    options = {**case, **TUNED.get(case["penalty"], {})}
    shape, extra = options.pop("shape"), options.pop("extra")
    rng = generator(210, *shape)
    if extra == "weights":
        options["weights"] = rng.integers(0, 9, (*shape[:3], 1)) / 8
    elif extra.startswith("mask"):
        options["mask"] = rng.random((*shape[:3], shape[3] if "channels" in extra else 1)) > 0.05
    elif extra == "scales":
        options["scale_weights"] = "1,0.5,0.25" if min(shape[1:3]) >= 8 else "1,0.5"
    elif extra == "pixels":
        options["pixel_weight"] = 0.5
    elif extra == "axes":
        options["normalizer"] = "none"
    elif extra == "unit":
        options["scale"] = "unit"
    data = example(rng, shape, dtype, options, noisy)
    y_true, y_pred = (encode(x, dtype) for x in data[:2])
    if extra == "infinite":
        y_pred[:, 7, :2], y_pred[:, 9, -2:] = encode(np.array([np.inf, np.nan]), dtype)
    if extra == "mask nan":
        y_pred[~np.broadcast_to(options["mask"], shape)] = encode(np.array(np.nan), dtype)
    if extra.startswith("nan"):
        y_pred[0, int(extra.split()[1]), shape[2] // 2] = encode(np.array(np.nan), dtype)
    upstream = np.asarray(data.upstream, COMPUTE[dtype])
    return y_true, y_pred, upstream, kernel_options(options, dtype)


def with_one_nan(array, dtype):
    """The array with the same bits for each NaN, whose sign a compiler may choose."""
    is_coded = array.dtype == "uint16"
    numbers = decode(array, dtype) if is_coded else array
    return np.where(np.isnan(numbers), array.dtype.type(0x7FFF if is_coded else np.nan), array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_has_the_same_bits_on_lines_of_memory_and_off(dtype):
    module = MODULES[dtype]
    for case in [*covering(CASES), *ALSO]:
        y_true, y_pred, upstream, options = prepared(case, dtype)
        found = []
        for memo in (on_a_line(y_pred), on_a_line(y_pred, 1)):
            memo[...] = 77
            loss, gradient = module.loss_memo(y_true, y_pred, upstream, memo=memo, **options)
            assert gradient is memo
            found.append((loss, gradient))
        (loss, gradient), (other_loss, other_gradient) = found
        alone = module.loss(y_true, y_pred, **options)
        for one, other in ((gradient, other_gradient), (loss, other_loss), (alone, loss)):
            assert_same_bits(with_one_nan(one, dtype), with_one_nan(other, dtype))
        if case["extra"] == "mask nan":
            for values in (loss, decode(gradient, dtype)):
                assert np.all(np.isfinite(values)), options


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_of_rows_have_the_bits_of_single_rows(dtype):
    """Images give the gradients of the same channels among copies of them, which are so many times
    as much of a loss that is a mean."""
    module = MODULES[dtype]
    for case in [*covering(CASES), *(c for c in ALSO if c["shape"] in UNEVEN)]:
        y_true, y_pred, upstream, options = prepared(case, dtype)
        copies = 2
        while copies * y_pred.shape[3] <= MOST_CHANNELS:
            copies *= 2
        many = [np.tile(images, (1, 1, 1, copies)) for images in (y_true, y_pred)]
        of_many = dict(options)
        if case["extra"] == "mask of channels":
            of_many["mask"] = np.tile(options["mask"], (1, 1, 1, copies))
        is_mean = options.get("normalizer") != "none"
        times = upstream * upstream.dtype.type(copies if is_mean else 1)
        row_by_row = module.loss_memo(*many, times, **of_many)[1][..., : y_pred.shape[3]]
        for elements in (0, 1, LINE // y_pred.itemsize - 1):
            memo = on_a_line(y_pred, elements)
            memo[...] = 77
            module.loss_memo(y_true, y_pred, upstream, memo=memo, **options)
            assert_same_bits(with_one_nan(memo, dtype), with_one_nan(row_by_row, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stencil", ["sobel", "prewitt", "scharr"])
def test_differences_of_zeros_have_no_gradient(stencil, dtype):
    """They are zeros of either sign."""
    zeros = np.where(generator(211).random((2, 1, 12, 256, 3)) < 0.5, 0.0, -0.0)
    y_true, y_pred = (encode(x, dtype) for x in zeros)
    for border in BORDERS:
        memo = on_a_line(y_pred)
        memo[...] = 77
        options = {"stencil": stencil, "border": border, "memo": memo}
        loss, _ = MODULES[dtype].loss_memo(
            y_true, y_pred, np.ones(1, COMPUTE[dtype]), **kernel_options(options, dtype)
        )
        assert loss == 0
        np.testing.assert_array_equal(decode(memo, dtype), 0)
