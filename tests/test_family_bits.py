"""The kernels: the same bits on every instruction set, for any number of threads, run after run."""

import functools
import itertools

import pytest
from family_tools import (
    BORDERS,
    DATA_FORMATS,
    DTYPES,
    NORMALIZERS,
    PENALTIES,
    RESPONSES,
    SCALES,
    STENCILS,
    call,
    example,
    members,
)
from kernel_tools import assert_same_bits, generator, normal
from subprocess_tools import json_of

import gradops

RUNNABLE = gradops.build_info()["cpu_targets_runnable"]

# At least 16 work units each: strips of 64 rows or more, times examples.
MANY_UNITS = [(4, 260, 60, 3), (17, 64, 30, 2), (1, 1100, 40, 2)]

# Prints {what ran: sha256 of the results}. The kernels are loaded without TensorFlow, which takes
# longer to import than all of this.
HASHES = """
import hashlib, importlib.machinery, importlib.util, itertools, json, sys
import numpy as np

path = sys.argv[1]
loader = importlib.machinery.ExtensionFileLoader("_kernels", path)
kernels = importlib.util.module_from_spec(importlib.util.spec_from_loader("_kernels", loader))
loader.exec_module(kernels)
options = kernels.options()

def bits(values, dtype):
    if dtype == "bfloat16":
        return (values.astype("float32").view("uint32") >> 16).astype("uint16")
    return values.astype(dtype).view("uint16" if dtype == "float16" else dtype)

def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()

shapes = itertools.cycle([
    (2, 5, 7, 3), (3, 67, 9, 1), (1, 9, 1051, 1), (1, 64, 3, 67), (2, 66, 50, 5), (1, 4, 3, 700),
])
turns = {
    name: itertools.cycle(values)
    for name, values in options.items() if name not in ("response", "penalty")
}
rng = np.random.default_rng(20240607)
hashes = {}
for dtype, response, penalty, _ in itertools.product(
    ("float16", "bfloat16", "float32", "float64"), options["response"], options["penalty"], "ab"
):
    case = {"response": response, "penalty": penalty}
    for name, values in turns.items():
        for _ in range(rng.integers(1, 4)):
            case[name] = next(values)
    if penalty == "power":
        case["penalty_parameter"] = rng.choice([1, 1.5, 2, 2.5, 3])
    shape = next(shapes)
    compute = "float64" if dtype == "float64" else "float32"
    # Of many magnitudes, so that another order of additions rounds differently.
    scale = 2.0 ** rng.integers(-6, 7, shape)
    y_true, y_pred, vector = (bits(rng.standard_normal(shape) * scale, dtype) for _ in range(3))
    axes = 2 if response in ("component", "absolute") else 1
    losses = (shape[0], axes) if case["normalizer"] == "none" else shape[:1]
    upstream = rng.uniform(-2, 2, losses).astype(compute)
    if case["data_format"] == "channels_first":
        y_true, y_pred, vector = (
            np.ascontiguousarray(np.moveaxis(x, 3, 1)) for x in (y_true, y_pred, vector)
        )
    maps = {}
    if rng.random() < 0.5:
        maps["weights"] = rng.uniform(0, 1, y_pred.shape).astype(compute)
    if rng.random() < 0.5:
        maps["mask"] = rng.random(y_pred.shape) > 0.05
    module = getattr(kernels, dtype, kernels)
    images = {k: case[k] for k in ("stencil", "border", "scale", "data_format")}
    edges = module.image_gradients(y_pred, **images)
    results = {
        "inputs": (y_true, y_pred, vector, upstream),
        "gradient": module.loss_and_gradient(y_true, y_pred, upstream, **case, **maps),
        "loss": (module.loss(y_true, y_pred, **case, **maps),),
        "second": module.loss_second(y_true, y_pred, vector, upstream, **case, **maps),
        "counts": (module.loss_counts(y_pred, **case, **maps),),
        "through memo": (
            module.loss_gradient(
                y_true, y_pred, vector, upstream * np.array(1.5, compute), upstream, **case, **maps
            ),
        ),
        "edges": (edges, module.image_gradients_adjoint(edges, **images)),
        "magnitudes": (
            module.gradient_magnitude(y_pred, **images),
            module.gradient_magnitude_gradient(y_pred, vector, **images),
        ),
    }
    for name, arrays in results.items():
        hashes[f"{len(hashes)} {name} {dtype} {shape} {case}"] = digest(*arrays)
print(json.dumps({"target": kernels.build_info()["cpu_target"], "hashes": hashes}))
"""


@functools.cache
def printed(target):
    return json_of(HASHES, gradops._kernels.__file__, GRADOPS_CPU_TARGET=target)


@pytest.mark.parametrize("target", RUNNABLE)
def test_every_instruction_set_gives_the_bits_of_the_narrowest(target):
    assert printed(target)["target"] == target
    differ = [
        name
        for name, digest in printed(RUNNABLE[0])["hashes"].items()
        if printed(target)["hashes"][name] != digest
    ]
    assert not differ


def test_different_inputs_give_different_hashes():
    """So that equal hashes mean something."""
    hashes = printed(RUNNABLE[0])["hashes"]
    for what in ("inputs", "gradient", "edges"):
        digests = [digest for name, digest in hashes.items() if name.split()[1] == what]
        assert len(digests) == 2 * len(DTYPES) * len(RESPONSES) * len(PENALTIES)
        assert len(set(digests)) == len(digests)


def everything(shape, dtype, options, threads):
    data = example(generator(180), shape, dtype, options, normal)
    images = {name: options[name] for name in ("stencil", "border", "scale", "data_format")}
    images |= {"threads": threads, "dtype": dtype}
    how = {"dtype": dtype, "threads": threads, **options}
    rng = generator(181)
    how["mask"] = rng.random(data.y_pred.shape) > 0.02
    how["weights"] = rng.uniform(0, 1, data.y_pred.shape)
    upstream = data.upstream
    return [
        call("loss", data.y_true, data.y_pred, **how),
        *call("loss_and_gradient", data.y_true, data.y_pred, upstream=upstream, **how),
        *call("loss_second", data.y_true, data.y_pred, data.vector, upstream=upstream, **how),
        call("loss_counts", data.y_pred, **how),
        call("gradient_magnitude", data.y_pred, **images),
        call("gradient_magnitude_gradient", data.y_pred, data.vector, **images),
        call("image_gradients", data.y_pred, **images),
    ]


@pytest.mark.parametrize("number, shape", list(enumerate(MANY_UNITS)))
@pytest.mark.parametrize("response", RESPONSES)
def test_any_number_of_threads_and_every_run_give_the_same_bits(response, number, shape):
    """Each penalty of the response, the other options in turn."""
    turns = [STENCILS, BORDERS, SCALES, NORMALIZERS, DATA_FORMATS, DTYPES]
    turns = [itertools.islice(itertools.cycle(values), number, None) for values in turns]
    for member in members():
        if member["response"] != response:
            continue
        stencil, border, scale, normalizer, data_format, dtype = map(next, turns)
        options = {"stencil": stencil, "border": border, "scale": scale, **member}
        options |= {"normalizer": normalizer, "data_format": data_format}
        first = everything(shape, dtype, options, 1)
        for threads in (2, 8, 1 if member["penalty"] == "power" else 3):
            again = everything(shape, dtype, options, threads)
            for found, wanted in zip(again, first, strict=True):
                assert_same_bits(found, wanted)
