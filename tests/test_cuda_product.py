"""The CUDA kernels: every combination of the options against the oracle, 26,880 of them.

Images are multiples of 1/16, which every dtype holds, so that one outcome of the oracle is that of
all dtypes and, transposed, of both data formats. What is no part of the product takes turns: scale,
normalizer, shape, maps per pixel or per channel.
"""

import itertools

import family_tools
import numpy as np
import pytest
from cuda_tools import cuda_kernels  # noqa: F401
from family_checks import assert_image_near, assert_outcome_near
from family_options import BORDERS, DATA_FORMATS, NORMALIZERS, RESPONSES, SCALES, STENCILS
from family_tools import (
    DTYPES,
    decode,
    draw,
    example,
    expect,
    first,
    generator,
    penalties,
    run,
)

from gradops import reference

# Rows of whole vectors, and others.
SHAPES = [(2, 5, 6, 3), (1, 3, 8, 4), (2, 9, 4, 1)]
# A device's own functions (log, power, roots) may differ from the host's by some roundings.
FACTOR = 8

pytestmark = [pytest.mark.gpu, pytest.mark.extended, pytest.mark.usefixtures("cuda_kernels")]


def maps_of(rng, shape, has_maps):
    """Weights and a mask, each per pixel or per channel; or none."""
    if not has_maps:
        return {}
    channels = rng.choice([1, shape[3]], 2)
    weights = rng.integers(0, 9, (*shape[:3], channels[0])) / 8
    return {"weights": weights, "mask": rng.random((*shape[:3], channels[1])) > 0.1}


def channels_first(arrays):
    """[B, H, W, C] as [B, C, H, W]; None and losses as they are."""
    return [x if x is None or np.ndim(x) != 4 else first(x) for x in arrays]


def by_true_of(data, dtype, options):
    """The gradient by y_true: that by y_pred of the swapped pair."""
    images = (data.y_pred, data.y_true)
    how = {"dtype": dtype, "upstream": data.upstream, **options}
    return decode(family_tools.call("loss_memo", *images, **how)[1], dtype)


def check_all_dtypes_and_formats(data, options, maps):
    """Loss, gradients by both images and second order; returns how many were checked."""
    expected = expect(data, **options, **maps)
    by_true = reference.loss_gradients(*data[:2], data.upstream, **options, **maps)[0]
    count = 0
    for data_format, dtype in itertools.product(DATA_FORMATS, DTYPES):
        given, wanted, true, here = data, expected, by_true, maps
        if data_format == "channels_first":
            given, wanted = (type(x)(*channels_first(x)) for x in (data, expected))
            true = first(by_true)
            here = {name: first(x) for name, x in maps.items()}
        how = {**options, **here, "data_format": data_format}
        outcome = run(given, dtype, **how)
        assert_outcome_near(outcome, wanted, given, dtype, how, factor=FACTOR)
        found = by_true_of(given, dtype, how)
        assert_image_near(found, true, dtype, "gradient", how, factor=FACTOR)
        count += 1
    return count


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stencil", STENCILS)
def test_every_combination(stencil, border):
    """672 a test: response, penalty, maps or none, data format, dtype."""
    count = 0
    members = itertools.product([False, True], RESPONSES, penalties())
    # Seven penalties meet every shape and scale.
    for turn, (has_maps, response, penalty) in enumerate(members):
        shape, scale = SHAPES[turn % 3], SCALES[turn % 2]
        rng = generator(300, turn, STENCILS.index(stencil), BORDERS.index(border))
        options = {"stencil": stencil, "border": border, "response": response, "scale": scale}
        options |= {"normalizer": NORMALIZERS[turn // 3 % 5], **penalty}
        data = example(rng, shape, "bfloat16", options, draw)
        count += check_all_dtypes_and_formats(data, options, maps_of(rng, shape, has_maps))
    assert count == 672
