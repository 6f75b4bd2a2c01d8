"""The kernels against the oracle: every pair of options, every triple of the main ones."""

import itertools

import pytest
from family_cases import EVERYTHING, MAPS, check_case, fits, pairs
from family_options import BORDERS, RESPONSES, SCALES, STENCILS
from family_tools import DTYPES, generator, members
from pair_tools import pairs_of

each_stencil = pytest.mark.parametrize("stencil", STENCILS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

SHAPES = [
    *[(1, 1, 1, 1), (2, 1, 9, 3), (2, 9, 1, 2), (1, 2, 2, 1), (3, 2, 2, 4), (2, 3, 3, 1)],
    *[(3, 11, 13, 5), (2, 3, 4, 67), (2, 65, 3, 3), (1, 128, 3, 2), (2, 3, 1031, 1)],
    *[(1, 4, 350, 3), (2, 3, 17, 67), (1, 3, 2, 701), (0, 5, 4, 3), (2, 4, 3, 0)],
]
CASES = pairs(SHAPES, dtype=DTYPES, **EVERYTHING)


@pytest.mark.parametrize("part", range(4))
def test_every_pair_of_options(part):
    for case in CASES[part::4]:
        check_case(**case)


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
