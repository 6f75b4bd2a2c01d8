"""The arrays that a case means: images, upstream gradients, weights and masks."""

import numpy as np
from family_cases import mask_of, weights_of
from family_tools import COMPUTE, Example, decode, encode, example, first, noisy
from family_tools import draw as on_grid
from fuzz.cases import ROOT, jumps


def _small_integers(rng, shape, dtype):
    return rng.integers(-3, 4, shape).astype("float64")


def _how(case):
    options, values = case["options"], case["values"]
    if values == "noisy":
        return noisy
    # Sums of two squares, of which roots are compared, have to be exact too.
    exact_squares = options["response"] == "magnitude" and jumps(options)
    return _small_integers if values == "ties" or exact_squares else on_grid


def _with_places(rng, images, choices):
    """Puts some of the choices at one to three random places."""
    places = rng.integers(0, images.size, rng.integers(1, 4))
    images.flat[places] = rng.choice(choices, places.size)


def inputs(case):
    """(Example, maps): images as real numbers of the dtype, in the data format."""
    rng = np.random.default_rng([ROOT, case["seed"], 1])
    shape, dtype, options = tuple(case["shape"]), case["dtype"], case["options"]
    data = example(rng, shape, dtype, options, _how(case))
    sizes = np.array([1, 1 / 32, 4])[np.arange(shape[0]) % 3].reshape(-1, 1, 1, 1)
    if options["response"] == "normal":
        sizes = sizes / 8  # a steep surface's normal hardly depends on it
    if case["values"] == "scaled":
        sizes = sizes * 2.0 ** case["exponent"]
    pair = [decode(encode(x * sizes, dtype), dtype) for x in data[:2]]
    for images in pair:
        if case["values"] == "ties":
            images[(images == 0) & (rng.random(images.shape) < 0.5)] = -0.0
    special = {"nan": [np.nan], "inf": [np.inf, -np.inf]}.get(case["values"])
    if special is not None:
        for images in [[pair[0]], [pair[1]], pair][int(rng.integers(3))]:
            _with_places(rng, images, special)
    data = Example(pair[0] if case["target"] else None, pair[1], *data[2:])
    maps = {}
    for name, make in (("weights", weights_of), ("mask", mask_of)):
        if case[name] == "none":
            continue
        values = make(rng, shape if case[name] == "per channel" else (*shape[:3], 1))
        if name in case["empty"]:
            values[-1] = 0
        if name == "weights":
            values = values * 2.0 ** case["weights_exponent"]
        maps[name] = first(values) if options["data_format"] == "channels_first" else values
    return data, maps


def out_of_range(case, data):
    """The same images with the first example out of range."""
    with np.errstate(over="ignore"):
        factors = np.where(np.arange(case["shape"][0]) == 0, 1.0 * case["exponent"], 0)
        factors = np.exp2(factors).reshape(-1, 1, 1, 1)
        moved = (
            None if x is None else decode(encode(x * factors, case["dtype"]), case["dtype"])
            for x in data[:2]
        )
        return Example(*moved, *data[2:])


def encoded(case, data, maps):
    """What the kernels take: the images, the vector, the upstream and the maps."""
    dtype, compute = case["dtype"], COMPUTE[case["dtype"]]
    images = [None if x is None else encode(x, dtype) for x in data[:3]]
    maps = dict(maps)
    if "weights" in maps:
        maps["weights"] = np.ascontiguousarray(maps["weights"], compute)
    return [*images, data.upstream.astype(compute)], maps
