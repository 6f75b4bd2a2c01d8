"""Every instruction set that runs here, forced in turn, one process each."""

import functools

import pytest
from subprocess_tools import json_of, run_python

import gradops

INFO = gradops.build_info()
COMPILED, RUNNABLE = INFO["cpu_targets"], INFO["cpu_targets_runnable"]

# Prints {what ran: sha256 of the results}.
HASHES = """
import hashlib, json
import numpy as np
import gradops
from gradops import _kernels

def digest(*arrays):
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest()

shapes = [
    (1, 2, 2, 1), (2, 5, 7, 3), (3, 67, 9, 1), (2, 130, 33, 5), (1, 64, 3, 67), (1, 9, 1051, 1),
    (2, 66, 350, 3), (1, 3, 2049, 1), (1, 4, 3, 1500), (4, 200, 96, 3),
]
rng = np.random.default_rng(20240607)
hashes = {"target": gradops.build_info()["cpu_target"], "results": {}}
for shape in shapes:
    exponents = rng.integers(-12, 13, shape)
    for dtype in ("float32", "float64"):
        # Of many magnitudes, so that another order of additions rounds differently.
        y_true = (rng.standard_normal(shape) * 2.0**exponents).astype(dtype)
        y_pred = (rng.standard_normal(shape) * 2.0**exponents).astype(dtype)
        upstream = rng.uniform(-2, 2, shape[0]).astype(dtype)
        expected = rng.uniform(1, 2, shape[0]).astype(dtype)
        results = {}
        for penalty in ("l1", "l2"):
            loss, gradient = _kernels.loss_and_gradient(y_true, y_pred, upstream, penalty=penalty)
            through_memo = _kernels.loss_gradient(
                y_true, y_pred, gradient, expected, upstream, penalty=penalty
            )
            results[f"{penalty} inputs"] = y_true, y_pred, upstream, expected
            results[f"{penalty} loss"] = loss, _kernels.loss(y_true, y_pred, penalty=penalty)
            results[f"{penalty} gradient"] = (gradient,)
            results[f"{penalty} through memo"] = (through_memo,)
            results[f"{penalty} op"] = gradops.value_and_gradient(y_true, y_pred, penalty=penalty)
        edges = _kernels.image_gradients(y_pred)
        results["edges"] = edges, _kernels.image_gradients_adjoint(edges)
        results["edges op"] = (gradops.sobel_edges(y_pred),)
        for name, arrays in results.items():
            hashes["results"][f"{shape} {dtype} {name}"] = digest(*arrays)
print(json.dumps(hashes))
"""


@functools.cache
def hashes(target):
    return json_of(HASHES, GRADOPS_CPU_TARGET=target)


def test_the_narrowest_instruction_set_runs_everywhere():
    assert RUNNABLE[0] == COMPILED[0] == "baseline"
    assert [target for target in COMPILED if target in RUNNABLE] == RUNNABLE


@pytest.mark.parametrize("target", RUNNABLE)
def test_a_forced_instruction_set_is_the_one_that_runs(target):
    assert hashes(target)["target"] == target


@pytest.mark.parametrize("target", RUNNABLE)
def test_every_instruction_set_gives_the_bits_of_the_narrowest(target):
    assert hashes(target)["results"] == hashes(RUNNABLE[0])["results"]


def test_different_inputs_give_different_hashes():
    """So that equal hashes mean something."""
    results = hashes(RUNNABLE[0])["results"]
    inputs = [digest for name, digest in results.items() if name.endswith("l1 inputs")]
    gradients = [digest for name, digest in results.items() if name.endswith("l1 gradient")]
    assert len(set(inputs)) == len(inputs)
    assert len(set(gradients[2:])) == len(gradients) - 2  # but for 2x2: all zeros or nearly so


def test_without_the_variable_the_widest_that_runs_is_chosen():
    script = "import gradops, json; print(json.dumps(gradops.build_info()['cpu_target']))"
    assert json_of(script, GRADOPS_CPU_TARGET=None) == RUNNABLE[-1]


@pytest.mark.parametrize(
    "target", ["no-such-thing", *(target for target in COMPILED if target not in RUNNABLE)]
)
def test_an_instruction_set_that_cannot_run_is_an_import_error_that_names_those_that_can(target):
    script = """
import json
try:
    import gradops
except ImportError as error:
    print(json.dumps(str(error)))
"""
    message = json_of(script, GRADOPS_CPU_TARGET=target)
    assert "GRADOPS_CPU_TARGET" in message
    assert repr(target) in message
    for name in RUNNABLE:
        assert name in message
    assert run_python("import gradops", GRADOPS_CPU_TARGET=target).returncode == 1
