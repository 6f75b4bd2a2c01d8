"""The kernels: the same bits on every instruction set that runs here, a process for each."""

import functools

import pytest
from subprocess_tools import json_of, run_python

import gradops

INFO = gradops.build_info()
COMPILED, RUNNABLE = INFO["cpu_targets"], INFO["cpu_targets_runnable"]

# Without TensorFlow, which takes longer to import than all of this.
LOAD = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader("_kernels", sys.argv[1])
kernels = importlib.util.module_from_spec(importlib.util.spec_from_loader("_kernels", loader))
loader.exec_module(kernels)
"""

# Prints {what ran: sha256 of the results}, of so many rounds through responses and penalties.
HASHES = """
import hashlib, itertools, json
import numpy as np

options = kernels.options()

def bits(values, dtype):
    if dtype == "bfloat16":
        return (values.astype("float32").view("uint32") >> 16).astype("uint16")
    return values.astype(dtype).view("uint16" if dtype == "float16" else dtype)

def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()

shapes = itertools.cycle([
    (2, 5, 7, 3), (3, 67, 9, 1), (1, 9, 1051, 1), (1, 64, 3, 67), (2, 66, 50, 5), (1, 4, 3, 700),
    (2, 130, 33, 5), (1, 3, 2049, 1), (2, 66, 350, 3),
])
rng = np.random.default_rng(20240607)
hashes = {}
for dtype, response, penalty, _ in itertools.product(
    ("float16", "bfloat16", "float32", "float64"), options["response"], options["penalty"],
    range(int(sys.argv[2])),
):
    case = {name: str(rng.choice(values)) for name, values in options.items()}
    case |= {"response": response, "penalty": penalty}
    if penalty == "power":
        case["penalty_parameter"] = rng.choice([1, 1.5, 2, 2.3, 2.5, 3])
    shape = next(shapes)
    compute = "float64" if dtype == "float64" else "float32"
    # The numbers differ in size, so that another order of additions rounds differently.
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
    channels = 1 if case["data_format"] == "channels_first" else 3
    if rng.random() < 0.7:
        sizes = list(y_pred.shape)
        sizes[channels] = rng.choice([1, sizes[channels]])
        maps["weights"] = rng.uniform(0, 1, sizes).astype(compute)
    if rng.random() < 0.5:
        maps["mask"] = rng.random(y_pred.shape) > 0.05
    module = kernels
    case["dtype"] = dtype
    images = {k: case[k] for k in ("stencil", "border", "scale", "data_format", "dtype")}
    edges = module.image_gradients(y_pred, **images)
    foreseen = upstream * np.array(1.5, compute)
    results = {
        "inputs": (y_true, y_pred, vector, upstream),
        "gradient": module.loss_memo(y_true, y_pred, upstream, **case, **maps),
        "loss": (module.loss(y_true, y_pred, **case, **maps),),
        "second": module.loss_grad_grad(
            y_true, y_pred, vector, upstream, **case, **maps
        ),
        "counts": (module.loss_counts(None, y_pred, **case, **maps),),
        "through memo": (
            module.loss_grad(y_true, y_pred, vector, foreseen, upstream, **case, **maps),
        ),
        "edges": (edges, module.image_gradients_adjoint(edges, **images)),
        "magnitudes": (
            module.gradient_magnitude(y_pred, **images),
            module.gradient_magnitude_grad(y_pred, vector, **images),
        ),
    }
    if "weights" in maps:
        counts = rng.uniform(-2, 2, (shape[0], axes)).astype(compute)
        results["weights"] = (
            module.loss_weights_grad(y_true, y_pred, foreseen, upstream, **case, **maps),
            module.loss_counts_grad(None, y_pred, counts, **case, **maps),
            *module.loss_weights_memo(y_true, y_pred, upstream, **case, **maps),
            module.loss_weights_grad_grad(y_true, y_pred, vector, upstream, **case, **maps),
        )
    for name, arrays in results.items():
        hashes[f"{len(hashes)} {name} {dtype} {shape} {case}"] = digest(*arrays)
for dtype, channels, downsample in itertools.product(
    ("float16", "float32", "float64"), (1, 2, 3, 4, 5), options["downsample"]
):
    shape = (1, 36, 101, channels)
    y_true, y_pred = (bits(rng.standard_normal(shape), dtype) for _ in range(2))
    case = {"downsample": downsample, "scale_weights": "1,0.5,0,2", "dtype": dtype}
    one = np.ones(1, "float64" if dtype == "float64" else "float32")
    found = kernels.loss_memo(y_true, y_pred, one, **case)
    hashes[f"{len(hashes)} levels {shape} {case}"] = digest(*found)
for dtype, parameter, penalty in itertools.product(
    ("float32", "float64"), (1.1, 2.3, 7.3, 33.3, 1e30), ("log", "power")
):
    # A residual for each example, also subnormal and infinite ones.
    residuals = np.append(10.0 ** rng.uniform(-45, 38, 3000), [0, np.inf]).astype(dtype)
    images = np.zeros((residuals.size, 1, 2, 1), dtype)
    images[:, 0, 1, 0] = residuals
    case = {"stencil": "forward", "penalty": penalty, "penalty_parameter": parameter}
    one = np.ones(residuals.size, dtype)
    found = kernels.loss_memo(None, images, one, dtype=dtype, **case)
    hashes[f"{len(hashes)} sizes {dtype} {case}"] = digest(*found)
print(json.dumps({"target": kernels.build_info()["cpu_target"], "hashes": hashes}))
"""


@functools.cache
def printed(target, rounds):
    path = gradops._kernels.__file__
    return json_of(LOAD + HASHES, path, rounds, GRADOPS_CPU_TARGET=target)


@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=pytest.mark.extended)])
def test_every_instruction_set_gives_the_bits_of_the_narrowest(rounds):
    wanted = printed(RUNNABLE[0], rounds)["hashes"]
    for target in RUNNABLE:
        found = printed(target, rounds)
        assert found["target"] == target
        assert not [name for name, digest in wanted.items() if found["hashes"][name] != digest]
    # Different inputs give different hashes, so that equal ones mean something.
    for what in ("inputs", "gradient", "edges"):
        digests = [digest for name, digest in wanted.items() if name.split()[1] == what]
        assert len(set(digests)) == len(digests) >= 120 * rounds


def test_the_narrowest_instruction_set_runs_everywhere_and_the_widest_is_chosen():
    if len(COMPILED) > 1:  # GRADOPS_DEV=1 compiles this machine's alone
        assert COMPILED[0] == "baseline"
    assert RUNNABLE[0] == COMPILED[0]
    assert [target for target in COMPILED if target in RUNNABLE] == RUNNABLE
    script = LOAD + "import json; print(json.dumps(kernels.build_info()['cpu_target']))"
    path = gradops._kernels.__file__
    assert json_of(script, path, GRADOPS_CPU_TARGET=None) == RUNNABLE[-1]


def test_an_instruction_set_that_cannot_run_is_an_import_error_that_names_those_that_can():
    for target in ["no-such-thing", *(name for name in COMPILED if name not in RUNNABLE)]:
        process = run_python("import gradops", GRADOPS_CPU_TARGET=target)
        assert process.returncode == 1
        message = process.stderr.splitlines()[-1]
        assert message.startswith("ImportError: GRADOPS_CPU_TARGET must name")
        assert all(name in message for name in [repr(target), *RUNNABLE])
