"""The kernels: the same bits on every instruction set that runs here, a process for each."""

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

# Prints the instruction set, and {what ran: sha256 of the loss and the gradient}.
HASHES = """
import hashlib, itertools, json
import numpy as np

rng = np.random.default_rng(20240607)
hashes = {}
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
    found = b"".join(array.tobytes() for array in found)
    hashes[f"{dtype} {case}"] = hashlib.sha256(found).hexdigest()
print(json.dumps([kernels.build_info()["cpu_target"], hashes]))
"""


def test_log_and_power_of_any_size_have_the_bits_of_the_narrowest():
    """test_fuzz.py compares all functions, of images of usual sizes."""
    found = {}
    for target in RUNNABLE:
        path = gradops._kernels.__file__
        chosen, found[target] = json_of(LOAD + HASHES, path, GRADOPS_CPU_TARGET=target)
        assert chosen == target and found[target] == found[RUNNABLE[0]]
    # Different inputs give different hashes, so that equal ones mean something.
    assert len(set(found[RUNNABLE[0]].values())) == 20


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
