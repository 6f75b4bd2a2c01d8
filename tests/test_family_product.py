"""The kernels: every stencil, border and response, and every response and penalty, with the oracle.

The rest takes turns; the extended suite has the full product.
"""

import itertools

import numpy as np
import pytest
from family_checks import assert_outcome_near
from family_options import BORDERS, OPTIONS, RESPONSES, SCALES, STENCILS
from family_tools import (
    DTYPES,
    draw,
    example,
    expect,
    first,
    generator,
    members,
    noisy,
    penalties,
    run,
    smallest,
)

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def check(shape, dtype, factor=1, maps=None, **options):
    """The kernels' outcome of some images is the oracle's."""
    draw_images = noisy if options.get("response") == "direction" else draw
    data = example(generator(100, *shape), shape, dtype, options, draw_images)
    options |= maps or {}
    outcome, expected = run(data, dtype, **options), expect(data, **options)
    assert_outcome_near(outcome, expected, data, dtype, options, shape, factor)


def maps_of(rng, shape, data_format):
    maps = {"weights": rng.integers(0, 9, shape) / 8, "mask": rng.random((*shape[:3], 1)) > 0.1}
    if data_format == "channels_first":
        return {name: first(values) for name, values in maps.items()}
    return maps


@each_stencil
def test_every_stencil_border_and_response(stencil):
    shape, rng = (2, 5, 6, 3), generator(104)
    for border, response, has_maps in itertools.product(BORDERS, RESPONSES, (False, True)):
        options = {"stencil": stencil, "border": border, "response": response}
        for name in ("normalizer", "scale", "data_format"):
            options[name] = str(rng.choice(OPTIONS[name]))
        options |= rng.choice(penalties())
        maps = maps_of(rng, shape, options["data_format"]) if has_maps else {}
        check(shape, str(rng.choice(["float32", "float64"])), 20, maps, **options)


@each_dtype
def test_every_response_and_penalty(dtype):
    ways = itertools.cycle(itertools.product(STENCILS, SCALES))
    for member, (stencil, scale) in zip(members(), ways, strict=False):
        check((2, 7, 9, 3), dtype, stencil=stencil, scale=scale, **member)


@pytest.mark.extended
@each_dtype
@pytest.mark.parametrize("border", BORDERS)
@each_stencil
def test_every_combination(stencil, border, dtype):
    shapes = [(2, 5, 6, 3), (2, 4, 5, 1), (2, 3, 4, 2), (1, 7, 3, 2), (3, 4, 19, 1), (2, 9, 8, 5)]
    shapes += [(1, 65, 2, 3), (1, 2, 33, 2), (1, 1, 9, 2), (1, 8, 1, 1), (2, 1, 1, 3), (1, 2, 2, 1)]
    for shape, scale, member in itertools.product(shapes, SCALES, members()):
        if min(shape[1:3]) >= smallest(stencil, border):
            # Few residuals, some of them small differences.
            check(shape, dtype, 20, stencil=stencil, border=border, scale=scale, **member)


@pytest.mark.parametrize("response", RESPONSES)
def test_a_changed_option_changes_the_outcome(response):
    """So that agreement of every combination means something."""
    losses = {}
    for stencil, border, member in itertools.product(STENCILS, BORDERS, members()):
        if member["response"] == response:
            options = {"stencil": stencil, "border": border, **member}
            data = example(generator(103), (1, 5, 6, 2), "float64", options, draw=noisy)
            outcome = run(data, "float64", **options)
            losses[stencil, border, member["penalty"]] = float(outcome.loss[0])
    alike = len(losses) - len(np.unique(list(losses.values())))
    assert alike == 3 * 6  # forward knows no border but valid
