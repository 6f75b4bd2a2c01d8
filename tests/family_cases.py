"""Cases of the whole family, as covering arrays choose them, against the oracle."""

import numpy as np
from family_checks import assert_outcome_near, inherent_error
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
    TUNED,
    call,
    decode,
    draw,
    encode,
    example,
    expect,
    first,
    generator,
    noisy,
    run,
    smallest,
)
from pair_tools import covering

from gradops import reference

FAMILY = {"stencil": STENCILS, "border": BORDERS, "response": RESPONSES, "penalty": PENALTIES}
MAPS = ["none", "per pixel", "per channel"]
EVERYTHING = {
    **FAMILY,
    "normalizer": NORMALIZERS,
    "scale": SCALES,
    "data_format": DATA_FORMATS,
    "weights": MAPS,
    "mask": MAPS,
    "target": ["given", "none"],
}


def fits(case):
    """Whether the images are large enough, as far as the case says."""
    if not {"shape", "stencil", "border"} <= case.keys():
        return True
    return min(case["shape"][1:3]) >= smallest(case["stencil"], case["border"])


def pairs(shapes, **options):
    """Cases in which every pair of options occurs, that of a shape and any other option too."""
    return covering({"shape": shapes, **options}, fits)


def weights_of(rng, shape):
    """Multiples of 1/8, a fifth of them 0, and all of the last of three examples."""
    weights = rng.integers(1, 17, shape) / 8
    weights[rng.random(shape) < 0.2] = 0
    weights[2:] = 0
    return weights


def mask_of(rng, shape):
    """Scattered invalid pixels and a block of them, others in every example."""
    mask = rng.random(shape) > 0.08
    for valid in mask:
        row, column = rng.integers(0, shape[1]), rng.integers(0, shape[2])
        valid[row : row + shape[1] // 4, column : column + shape[2] // 4] = False
    return mask


def images_of(rng, shape, dtype, options):
    """Examples that differ by orders of magnitude, as each is compared with itself."""
    # Directions are never equal but for rounding only if images have many digits.
    how = noisy if options.get("response") == "direction" else draw
    data = example(rng, shape, dtype, options, how)
    sizes = np.array([1, 1 / 32, 4])[np.arange(shape[0]) % 3].reshape(-1, 1, 1, 1)
    if options.get("response") == "normal":
        sizes = sizes / 8  # a steep surface's normal hardly depends on it
    y_true, y_pred = (decode(encode(x * sizes, dtype), dtype) for x in data[:2])
    return data._replace(y_true=y_true, y_pred=y_pred)


def problem(shape, dtype, weights="per pixel", mask="none", target="given", *, seed=210, **options):
    """(example, options with the maps), all in the data format."""
    options |= TUNED.get(options.get("penalty"), {})
    rng = generator(seed, *shape)
    turn = first if options.get("data_format") == "channels_first" else np.asarray
    for name, kind, make in (("weights", weights, weights_of), ("mask", mask, mask_of)):
        if kind != "none":
            options[name] = turn(make(rng, shape if kind == "per channel" else (*shape[:3], 1)))
    data = images_of(rng, shape, dtype, options)
    return data._replace(y_true=data.y_true if target == "given" else None), options


def check_case(shape, dtype, seed=110, factor=1, *, weights="none", **case):
    """The kernels' outcome and counts are the oracle's."""
    data, options = problem(shape, dtype, weights, seed=seed, **case)
    # Few residuals may all be small differences.
    factor *= 20 if np.prod(shape[1:]) < 50 else 1
    outcome, expected = run(data, dtype, **options), expect(data, **options)
    is_direction = options.get("response") == "direction"
    inherent = inherent_error(data, expected, dtype, options) if is_direction else 0
    assert_outcome_near(outcome, expected, data, dtype, options, shape, factor, inherent)
    options.pop("normalizer", None)
    counts = call("loss_counts", None, data.y_pred, dtype=dtype, **options)
    np.testing.assert_array_equal(counts, reference.gradient_sums(None, data.y_pred, **options)[1])
