"""Random cases of the kernels' functions, as plain data that JSON can hold.

`draw(seed)` makes a case, arrays.py the arrays that it means. A case has these keys:

    seed              of the arrays
    shape             B, H, W, C
    dtype             of the images
    values            the kind of values, a key of VALUES
    exponent          of the power of two that images are multiplied by ("scaled", "beyond")
    target            whether there is a y_true
    weights, mask     "none", "per pixel" or "per channel"
    weights_exponent  of the power of two that weights are multiplied by
    empty             which of "weights", "mask" are 0 or False in all of the last example
    threads           the number that is compared with one thread, or 1
    images            whether the functions of one image are compared with the oracle
    shift             by how many elements the images start off a line of memory
    options           those of the oracle, and scale_weights (a list), downsample and pixel_weight

Residuals have to be exact where a slope or a curvature jumps, or a rounding decides what the
gradient is. So most values are multiples of a power of two, of which stencils have exact results;
`suits` says which members of the family take which values.
"""

import numpy as np
from family_options import (
    BORDERS,
    DATA_FORMATS,
    DOWNSAMPLES,
    NORMALIZERS,
    PENALTIES,
    RESPONSES,
    SCALES,
    STENCILS,
)
from family_tools import (
    DTYPES,
    NARROW,
    TUNED,
    TWO_AXES,
    smallest,
)

ROOT = 20261129
MAPS = ["none", "none", "none", "per pixel", "per channel"]
# How often each kind of values is tried, of 100.
VALUES = {
    "grid": 27,  # multiples of a power of two
    "ties": 23,  # the integers from -3 to 3, of which every second 0 is -0
    "noisy": 17,  # as many digits as the type has
    "scaled": 11,  # near the ends of the ranges that docs/design.md promises
    "nan": 8,  # a few NaN
    "inf": 7,  # a few infinities
    "beyond": 7,  # the first example out of range, down to subnormal numbers and up to infinity
}
PARAMETERS = {
    "charbonnier": ("epsilon", [1e-3, 0.25, 0.375, 10]),
    "huber": ("delta", [0.25, 0.7, 1, 2.5, 100]),
    "log": ("epsilon", [0.5, 0.875, 7]),
    "power": ("alpha", [1, 1.25, 1.5, 2, 2.5, 3, 4]),
    "truncated": ("delta", [0.25, 1, 1.3, 2.5, 100]),
}
# Exponents within the range of (squares, others), and beyond it, for images of at most 2^6 whose
# differences are at least 2^-13.
WITHIN = {"float32": (36, 80), "bfloat16": (36, 80), "float64": (300, 900), "float16": (10, 10)}
BEYOND = {
    "float32": [-146, -120, 100, 124],
    "bfloat16": [-130, -120, 100, 124],
    "float64": [-1070, -1000, 980, 1020],
    "float16": [-24, -20, 12, 14],
}
WEIGHTS_EXPONENTS = [0, 0, 0, 0, 0, 0, -60, 40]
SQUARED = ["l2", "charbonnier", "huber", "power"]
SHIFTS = [0, 0, 0, 1, 2, 3, 5, 9]
SIZES = {
    "small": 78,
    "wide": 4,  # one, two and three tiles of columns
    "tall": 6,  # strips of 64 rows
    "deep": 6,  # chunks of channels
    "medium": 6,
}
# Several strips of rows, which threads divide among them: rare, as the oracle takes its time.
LARGE = [(1, 134, 342, 3), (2, 70, 512, 2), (1, 68, 1024, 1), (1, 1100, 40, 2)]
HOW_MANY_ARE_LARGE = 0.002
WIDTHS = [341, 350, 512, 683, 1023, 1025, 1030, 2047, 2049]


def one_of(rng, values):
    return values[int(rng.integers(len(values)))]


def _often(rng, table):
    return str(rng.choice(list(table), p=np.array(list(table.values())) / sum(table.values())))


def jumps(options):
    """Whether slopes or curvatures of the penalty jump somewhere, or change without bound."""
    power = options.get("alpha", 2)
    return options["penalty"] in ("l1", "log", "huber", "truncated") or power < 2 or 2 < power < 3


def has_exact_stencil(options):
    """Whether no division rounds gradients of images on a grid."""
    return options["scale"] == "raw" or options["stencil"] not in ("prewitt", "laplace8")


def is_smooth(options):
    """Whether the residual's rounding changes slopes and curvatures by as little as itself."""
    is_bent = options["penalty"] == "charbonnier" and options.get("epsilon", 1e-3) < 0.1
    if jumps(options) or is_bent:
        return False
    magnitude = options["response"] == "magnitude" and options.get("response_epsilon", 0) > 0
    return magnitude or options["response"] in ("component", "sum", "normal")


def suits(values, dtype, options):
    """Whether a comparison of such images is well conditioned for the member of the family."""
    response = options["response"]
    if values == "noisy":
        return is_smooth(options)
    if response == "direction":
        # A rounding decides whether r of parallel gradients is 0, and kept.json has what is wrong
        # with infinite gradients next to one that is 0; both are common in few digits.
        delicate = jumps(options) or values == "inf"
        if values == "ties" or (delicate and dtype in NARROW):
            return False
    if values == "scaled":
        # Powers above 2 have another range. The oracle subtracts normals that are nearly equal
        # here, so tests/test_family_accuracy.py has them.
        hidden = response == "normal" or options.get("response_epsilon", 0) > 0
        # The slope of log is that of the smallest residual, which is a rounded difference.
        exact = response in ("component", "sum") or has_exact_stencil(options)
        hidden |= options["penalty"] == "log" and (response == "magnitude" or not exact)
        return options.get("alpha", 2) <= 2 and not hidden
    return True


def _options(rng):
    drawn = {
        "stencil": STENCILS,
        "border": BORDERS,
        "response": RESPONSES,
        "penalty": PENALTIES,
        "normalizer": NORMALIZERS,
        "scale": SCALES,
        "data_format": DATA_FORMATS,
    }
    options = {name: one_of(rng, values) for name, values in drawn.items()}
    response, penalty = options["response"], options["penalty"]
    linear = response in (*TWO_AXES, "sum")
    if penalty in PARAMETERS and rng.random() < 0.8:
        name, values = PARAMETERS[penalty]
        any_is_exact = linear and has_exact_stencil(options)
        safe = [2, 2.5, 3] if penalty == "power" else [TUNED[penalty][name]]
        options[name] = one_of(rng, values if any_is_exact else safe)
    elif not linear or not has_exact_stencil(options):
        options |= TUNED.get(penalty, {})
    if response == "magnitude":
        if rng.random() < 0.4:
            options["response_epsilon"] = one_of(rng, [2.0**-10, 2.0**-7])
        if jumps(options) and not has_exact_stencil(options):
            options["scale"] = "raw"
    elif response == "direction" and rng.random() < 0.3:
        options["response_epsilon"] = one_of(rng, [0, 1e-9])
    if options["normalizer"] != "none":
        if rng.random() < 0.25:
            levels = int(rng.integers(1, 4))
            weights = [one_of(rng, [0, 0.25, 0.5, 1, 2]) for _ in range(levels)]
            weights[-1] = weights[-1] or 1
            options |= {"scale_weights": weights, "downsample": one_of(rng, DOWNSAMPLES)}
        if rng.random() < 0.15:
            options["pixel_weight"] = one_of(rng, [0.25, 1, 2])
    return options


def least(options):
    """The smallest height and width."""
    size = smallest(options["stencil"], options["border"])
    step = 2 ** (len(options.get("scale_weights", [1])) - 1)
    return (size - 1) * step + 1 if options.get("downsample") == "stride" else size * step


def _shape(rng, options):
    low = least(options)
    batch = int(rng.integers(1, 4))
    size = _often(rng, SIZES)
    height, width = (int(x) for x in rng.integers(1, 13, 2))
    channels = int(rng.integers(1, 6))
    if size == "wide":
        batch, height, width, channels = 1, 2, one_of(rng, WIDTHS), one_of(rng, [1, 1, 2])
    elif size == "tall":
        batch, height, width = 1, int(rng.integers(60, 135)), int(rng.integers(1, 9))
    elif size == "deep":
        height, width, channels = *(x // 2 for x in (height, width)), int(rng.integers(6, 71))
        batch = 1
    elif size == "medium":
        batch, height, width = 1, *(int(x) for x in rng.integers(13, 40, 2))
    return [batch, max(low, height), max(low, width), channels]


def _exponent(rng, case):
    dtype, options = case["dtype"], case["options"]
    if case["values"] == "beyond":
        return one_of(rng, BEYOND[dtype])
    if case["values"] != "scaled":
        return 0
    squared = options["response"] in ("magnitude", "direction")
    squared |= options["penalty"] in SQUARED
    most = WITHIN[dtype][0 if squared else 1]
    return most if rng.random() < 0.5 else -most


def draw(seed):
    """The case of that number."""
    rng = np.random.default_rng([ROOT, seed])
    options = _options(rng)
    values, dtype = _often(rng, VALUES), one_of(rng, DTYPES)
    while not suits(values, dtype, options):
        values, dtype = _often(rng, VALUES), one_of(rng, DTYPES)
    case = {
        "seed": seed,
        "shape": _shape(rng, options),
        "dtype": dtype,
        "values": values,
        "exponent": 0,
        "target": bool(rng.random() < 0.85),
        "weights": one_of(rng, MAPS),
        "mask": one_of(rng, MAPS),
        "weights_exponent": one_of(rng, WEIGHTS_EXPONENTS),
        "empty": [name for name in ("weights", "mask") if rng.random() < 0.1],
        "threads": one_of(rng, [1, 1, 1, 2, 3, 4]),
        "images": bool(rng.random() < 0.3),
        "shift": one_of(rng, SHIFTS),
        "options": options,
    }
    case["exponent"] = _exponent(rng, case)
    is_out = values in ("scaled", "beyond") or dtype == "float16"  # of range, of the products
    if is_out or options["response"] == "direction":
        case["weights_exponent"] = 0
    if rng.random() < HOW_MANY_ARE_LARGE:
        case |= {"shape": list(one_of(rng, LARGE)), "threads": int(rng.integers(2, 5))}
    if values == "beyond":
        case["shape"][0] = max(2, case["shape"][0])
    if case["exponent"] < 0 and options["response"] == "direction":
        options["response_epsilon"] = 0
    return case
