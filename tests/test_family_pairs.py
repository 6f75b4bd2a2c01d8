"""The kernels: every pair of options with weights, masks, normalizers, layouts and every dtype."""

import itertools

import numpy as np
import pytest
from family_checks import assert_outcome_near
from family_options import (
    BORDERS,
    DATA_FORMATS,
    NORMALIZERS,
    PENALTIES,
    RESPONSES,
    SCALES,
    STENCILS,
)
from family_tools import (
    DTYPES,
    TUNED,
    call,
    decode,
    encode,
    example,
    expect,
    first,
    generator,
    noisy,
    run,
    smallest,
)
from pair_tools import covering, pairs_of

from gradops import reference

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
MAPS = ["none", "per pixel", "per channel"]
OPTIONS = {
    "shape": SHAPES,
    "penalty": PENALTIES,
    "stencil": STENCILS,
    "border": BORDERS,
    "response": RESPONSES,
    "normalizer": NORMALIZERS,
    "dtype": DTYPES,
    "weights": MAPS,
    "mask": MAPS,
    "scale": SCALES,
    "data_format": DATA_FORMATS,
    "target": ["given", "none"],
}


def fits(case):
    if not {"shape", "stencil", "border"} <= case.keys():
        return True
    return min(case["shape"][1:3]) >= smallest(case["stencil"], case["border"])


CASES = covering(OPTIONS, fits)


def map_shape(shape, kind):
    return shape if kind == "per channel" else (*shape[:3], 1)


def weights_of(rng, shape, kind):
    """Multiples of 1/8, a fifth of them 0, and all of the last of three examples."""
    weights = rng.integers(1, 17, map_shape(shape, kind)) / 8
    weights[rng.random(weights.shape) < 0.2] = 0
    weights[2:] = 0
    return weights


def mask_of(rng, shape, kind):
    """Scattered invalid pixels and a block of them, others in every example."""
    mask = rng.random(map_shape(shape, kind)) > 0.08
    for b, (height, width) in enumerate(itertools.repeat(shape[1:3], shape[0])):
        row, column = rng.integers(0, height), rng.integers(0, width)
        mask[b, row : row + height // 4, column : column + width // 4] = False
    return mask


def check(case, seed):
    options = {**case, **TUNED.get(case["penalty"], {})}
    shape, dtype, target = (options.pop(name) for name in ("shape", "dtype", "target"))
    rng = generator(seed, *shape)
    maps = {"weights": weights_of, "mask": mask_of}
    for name, make in maps.items():
        kind = options.pop(name)
        if kind != "none":
            values = make(rng, shape, kind)
            options[name] = values if case["data_format"] == "channels_last" else first(values)
    # Of directions, only those of images with many digits are never equal but for rounding.
    how = {"draw": noisy} if case["response"] == "direction" else {}
    data = example(rng, shape, dtype, options, **how)
    if target == "none":
        data = data._replace(y_true=None)
    # Examples that differ by orders of magnitude, each compared with itself.
    sizes = np.array([1, 1 / 32, 4])[: shape[0]].reshape(-1, 1, 1, 1)
    if case["response"] == "normal":
        sizes = sizes / 8  # a steep surface's normal hardly depends on it
    y_true, y_pred = (
        None if x is None else decode(encode(x * sizes, dtype), dtype)
        for x in (data.y_true, data.y_pred)
    )
    data = data._replace(y_true=y_true, y_pred=y_pred)
    outcome = run(data, dtype, **options)
    # Few residuals may all be small differences.
    factor = 20 if np.prod(shape[1:]) < 50 else 1
    assert_outcome_near(outcome, expect(data, **options), data, dtype, options, shape, factor)
    counts = call("loss_counts", data.y_pred, dtype=dtype, **options)
    del options["normalizer"]
    np.testing.assert_array_equal(counts, reference.gradient_sums(None, data.y_pred, **options)[1])


@pytest.mark.parametrize("part", range(4))
def test_every_pair_of_options_equals_the_oracle(part):
    for case in CASES[part::4]:
        check(case, 110)


@pytest.mark.extended
@pytest.mark.parametrize("stencil, border", list(itertools.product(STENCILS, BORDERS)))
def test_every_pair_of_options_equals_the_oracle_for_each_stencil_and_border(stencil, border):
    options = {**OPTIONS, "stencil": [stencil], "border": [border]}
    options["shape"] = SHAPES + MORE_SHAPES
    for case in covering(options, fits):
        check(case, 111)


def test_the_combinations_cover_every_pair_that_can_be():
    covered = set().union(*map(pairs_of, CASES))
    assert all(fits(case) and case.keys() == OPTIONS.keys() for case in CASES)
    for one, other in itertools.combinations(OPTIONS, 2):
        for x, y in itertools.product(OPTIONS[one], OPTIONS[other]):
            missing = frozenset([(one, x), (other, y)]) not in covered
            too_small = {"shape", "border"} == {one, other} and min(
                (x if one == "shape" else y)[1:3]
            )
            assert not missing or too_small, (one, x, other, y)
    assert len(CASES) < 400
