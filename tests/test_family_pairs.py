"""The kernels against the oracle: every pair of options, every triple of the main ones.

The extended suite has the product of stencils, borders, responses and penalties.
"""

import itertools

import numpy as np
import pytest
from family_cases import EVERYTHING, MAPS, check_case, fits, pairs
from family_options import BORDERS, PENALTIES, RESPONSES, SCALES, STENCILS
from family_tools import DTYPES, TUNED, example, generator, members, noisy, run
from pair_tools import pairs_of

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_border = pytest.mark.parametrize("border", BORDERS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

SHAPES = [
    *[(1, 1, 1, 1), (2, 1, 9, 3), (2, 9, 1, 2), (1, 2, 2, 1), (3, 2, 2, 4), (2, 3, 3, 1)],
    *[(3, 11, 13, 5), (2, 3, 4, 67), (2, 65, 3, 3), (1, 128, 3, 2), (2, 3, 1031, 1)],
    *[(1, 4, 350, 3), (2, 3, 17, 67), (1, 3, 2, 701), (0, 5, 4, 3), (2, 4, 3, 0)],
]
MORE_SHAPES = [
    *[(2, 1, 1, 5), (1, 1, 1031, 1), (1, 130, 1, 1), (2, 2, 3, 2), (2, 5, 7, 3), (1, 4, 2, 31)],
    *[(2, 63, 3, 2), (2, 64, 5, 1), (1, 127, 4, 1), (2, 129, 3, 1), (1, 2, 2053, 1)],
    *[(1, 66, 347, 3), (2, 193, 5, 1)],
]
CASES = pairs(SHAPES, dtype=DTYPES, **EVERYTHING)


@pytest.mark.parametrize("part", range(4))
def test_every_pair_of_options(part):
    for case in CASES[part::4]:
        check_case(**case)


@pytest.mark.extended
@each_border
@each_stencil
def test_every_pair_of_options_for_each_stencil_and_border(stencil, border):
    options = {**EVERYTHING, "stencil": [stencil], "border": [border]}
    for case in pairs(SHAPES + MORE_SHAPES, dtype=DTYPES, **options):
        check_case(seed=111, **case)


@each_stencil
def test_every_stencil_border_and_response(stencil):
    """With a mask and without, as counts without one are not added up but multiplied."""
    rng = generator(104)
    for border, response, mask in itertools.product(BORDERS, RESPONSES, MAPS[:2]):
        case = {name: rng.choice(EVERYTHING[name]) for name in ("normalizer", "penalty", "scale")}
        case |= {"stencil": stencil, "border": border, "response": response}
        case = {name: str(value) for name, value in case.items()}
        check_case((2, 5, 6, 3), str(rng.choice(["float32", "float64"])), mask=mask, **case)


@each_dtype
def test_every_response_and_penalty(dtype):
    ways = itertools.cycle(itertools.product(STENCILS, SCALES))
    for member, (stencil, scale) in zip(members(), ways, strict=False):
        check_case((2, 7, 9, 3), dtype, stencil=stencil, scale=scale, **member)


@pytest.mark.extended
@each_dtype
@each_border
@each_stencil
def test_every_combination(stencil, border, dtype):
    shapes = [(2, 5, 6, 3), (2, 3, 4, 2), (1, 7, 3, 2), (3, 4, 19, 1), (2, 9, 8, 5), (1, 65, 2, 3)]
    shapes += [(1, 2, 33, 2), (1, 1, 9, 2), (1, 8, 1, 1), (2, 1, 1, 3), (1, 2, 2, 1)]
    options = {"stencil": stencil, "border": border}
    for shape, scale, member in itertools.product(shapes, SCALES, members()):
        if fits({"shape": shape, **options}):
            check_case(shape, dtype, scale=scale, **options, **member)


@pytest.mark.parametrize("response", RESPONSES)
def test_a_changed_option_changes_the_outcome(response):
    """So that agreement of every combination means something."""
    losses = []
    for stencil, border, penalty in itertools.product(STENCILS, BORDERS, PENALTIES):
        options = {"stencil": stencil, "border": border, "response": response, "penalty": penalty}
        options |= TUNED.get(penalty, {})
        # Differences ahead and back are the same, but belong to other pixels.
        options["weights"] = generator(105).integers(1, 9, (1, 5, 6, 1)) / 8
        data = example(generator(103), (1, 5, 6, 2), "float64", options, draw=noisy)
        losses.append(run(data, "float64", **options).loss[0])
    alike = len(losses) - len(np.unique(losses))
    # One-sided stencils know no border but valid.
    assert alike == 2 * 3 * len(PENALTIES)


def test_the_combinations_cover_every_pair_that_can_be():
    options = {"shape": SHAPES, "dtype": DTYPES, **EVERYTHING}
    covered = set().union(*map(pairs_of, CASES))
    assert all(fits(case) and case.keys() == options.keys() for case in CASES)
    for one, other in itertools.combinations(options, 2):
        for x, y in itertools.product(options[one], options[other]):
            missing = frozenset([(one, x), (other, y)]) not in covered
            too_small = {"shape", "border"} == {one, other} and min(
                (x if one == "shape" else y)[1:3]
            )
            assert not missing or too_small, (one, x, other, y)
    assert len(CASES) < 400
