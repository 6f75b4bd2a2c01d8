"""The kernels: the same bits for any number of threads, run after run."""

import numpy as np
import pytest
from family_cases import EVERYTHING, MAPS, pairs
from family_options import PENALTIES
from family_tools import DTYPES, TUNED, TWO_AXES, assert_same_bits, call, example, generator, noisy

# Several units of work each: examples, and strips of 66 rows and 2^16 elements or more.
MANY_UNITS = [(2, 134, 342, 3), (17, 64, 30, 2), (1, 1100, 40, 2)]
OPTIONS = {name: EVERYTHING[name] for name in EVERYTHING if name not in ("mask", "target")}
OPTIONS |= {"dtype": DTYPES, "weights": MAPS}
EVERY_PAIR = pairs(MANY_UNITS, **OPTIONS)
IMAGE_OPTIONS = ("stencil", "border", "scale", "data_format")


def everything(data, dtype, options, maps, threads):
    """The outputs of every function."""
    upstream = data.upstream
    expected = upstream.copy()
    expected[::2] *= 3
    expected[::3] = 0
    images = {name: options[name] for name in IMAGE_OPTIONS} | {"dtype": dtype, "threads": threads}
    how = {"dtype": dtype, "threads": threads, **options, **maps}
    edges = call("image_gradients", data.y_pred, **images)
    by_weights = []
    if maps:
        by_weights = [call("loss_weights_grad", *data[:2], upstreams=(expected, upstream), **how)]
        counts = np.resize(
            upstream, (upstream.shape[0], 2 if options["response"] in TWO_AXES else 1)
        )
        by_weights += [
            call("loss_counts_grad", None, data.y_pred, upstream=counts, **how),
            *call("loss_weights_memo", *data[:2], upstream=upstream, **how),
            call("loss_weights_grad_grad", *data[:3], upstream=upstream, **how),
        ]
    return [
        *by_weights,
        call("loss", data.y_true, data.y_pred, **how),
        *call("loss_memo", *data[:2], upstream=upstream, **how),
        *call("loss_grad_grad", *data[:3], upstream=upstream, **how),
        call("loss_grad", *data[:3], upstreams=(expected, upstream), **how),
        call("loss_counts", None, data.y_pred, **how),
        call("gradient_magnitude", data.y_pred, **images),
        call("gradient_magnitude_grad", data.y_pred, data.vector, **images),
        edges,
        call("image_gradients_adjoint", coded=[edges], **images),
    ]


def check(case, counts):
    options = {**case, **TUNED.get(case["penalty"], {})}
    dtype, shape, maps_of = (options.pop(name) for name in ("dtype", "shape", "weights"))
    rng = generator(180)
    data = example(rng, shape, dtype, options, noisy)
    maps = {}
    if maps_of != "none":
        maps["mask"] = rng.random(data.y_pred.shape) > 0.02
        axis = 1 if options["data_format"] == "channels_first" else 3
        sizes = list(data.y_pred.shape)
        sizes[axis] = 1 if maps_of == "per pixel" else sizes[axis]
        maps["weights"] = rng.uniform(0, 1, sizes)
    wanted = everything(data, dtype, options, maps, threads=1)
    for threads in counts:
        found = everything(data, dtype, options, maps, threads)
        for one, other in zip(found, wanted, strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("part", range(2))
def test_any_number_of_threads_gives_the_bits_of_one(part):
    for case in EVERY_PAIR[part::2]:
        check(case, (2, 8))


@pytest.mark.extended
@pytest.mark.parametrize("penalty", PENALTIES)
def test_any_number_of_threads_and_every_run_gives_the_bits_of_one(penalty):
    for case in pairs(MANY_UNITS, **{**OPTIONS, "penalty": [penalty]}):
        check(case, (1, 2, 3, 8, 0))
