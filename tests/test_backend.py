"""GRADOPS_BACKEND: the fused ops, their composition, and how one takes the other's place."""

import re
import shutil
from pathlib import Path

import pytest
from subprocess_tools import json_of, run_python

import gradops
from gradops import _adapters, _backend, _library

EXTENDED = pytest.mark.extended  # each starts processes that import TensorFlow

# Prints the backend, the warnings of gradops, and a loss with its gradient, of each function.
USE = """
import json, sys, warnings
{before}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np, tensorflow as tf
    import gradops
    x, y = np.random.default_rng(0).random((2, 2, 5, 6, 3)).astype("float32")
    with tf.GradientTape() as tape:
        p = tf.constant(x)
        tape.watch(p)
        loss = gradops.SobelLoss(penalty="huber", delta=0.5)(y, p)
    results = [
        loss, tape.gradient(loss, p), gradops.gradient_loss(y, x, weights=y, mask=x > 0.2),
        *gradops.value_and_gradient(y, x, penalty="charbonnier", response="direction"),
        *gradops.gradient_sums(y, x), gradops.sobel_edges(x), gradops.gradient_magnitude(x),
    ]
    info = gradops.build_info()
    assert info["cpu_targets"] is not None
print(json.dumps({{
    "backend": info["backend"], "reason": info["backend_reason"], "version": gradops.__version__,
    "warnings": [str(w.message) for w in caught if w.category is RuntimeWarning
                 and "gradops" in str(w.message)],
    "results": [np.asarray(x).tolist() for x in results],
}}))
"""
ANOTHER = "import tensorflow as tf; tf.__version__ = '2.20.0'"
# As if the installed file were of a TensorFlow with other symbols.
BROKEN = """
import tensorflow as tf
def load(path):
    raise tf.errors.NotFoundError(None, None, path + ": undefined symbol: _ZN10tensorflow")
tf.load_op_library = load
"""


@pytest.fixture
def chosen(monkeypatch):
    """Calls what decides, as a fresh process would, with a value of GRADOPS_BACKEND."""

    def call(function, value):
        monkeypatch.setenv("GRADOPS_BACKEND", value)
        return function.__wrapped__()

    return call


def test_what_the_variable_asks_for(chosen, monkeypatch):
    for value in ("", "auto", "fused"):
        assert chosen(_backend.choice, value) == ("fused", "")
    assert chosen(_backend.choice, "composite") == ("composite", "GRADOPS_BACKEND=composite")
    with pytest.raises(ValueError, match="must be one of auto, fused, composite, got 'fast'"):
        chosen(_backend.choice, "fast")


def test_an_op_library_that_does_not_load(chosen, monkeypatch):
    def broken():
        raise ImportError("undefined symbol")

    monkeypatch.setattr(_library, "ops", broken)
    with pytest.warns(RuntimeWarning, match="undefined symbol.*GRADOPS_BACKEND=fused makes this"):
        assert chosen(_backend.choice, "auto") == ("composite", "undefined symbol")
    with pytest.raises(ImportError, match="undefined symbol"):
        chosen(_backend.choice, "fused")
    assert chosen(_backend.choice, "composite").name == "composite"
    monkeypatch.setattr(_adapters, "tensorflow_error", lambda: ImportError("none"))
    with pytest.raises(ImportError, match="undefined symbol"):
        chosen(_backend.choice, "auto")


def test_a_build_without_tensorflow(chosen, monkeypatch):
    monkeypatch.setattr(_library, "is_without_tensorflow", lambda: True)
    assert chosen(_backend.choice, "auto").name == "kernels only"
    with pytest.raises(ImportError, match="GRADOPS_BACKEND=fused, but gradops was built without"):
        chosen(_backend.choice, "fused")


def test_devices_that_the_fused_ops_do_not_run_on(chosen, monkeypatch):
    found = []
    monkeypatch.setattr(_library, "has_device", lambda kind: kind in found)
    monkeypatch.setattr(_library, "has_cuda", lambda: False)
    assert chosen(_backend.choice_for_devices, "auto").name == "fused"
    found.append("GPU")
    with pytest.warns(RuntimeWarning, match="built without CUDA kernels"):
        assert chosen(_backend.choice_for_devices, "auto").name == "fused"
    monkeypatch.setattr(_library, "has_cuda", lambda: True)
    assert chosen(_backend.choice_for_devices, "auto").name == "fused"
    found[:] = ["TPU"]
    assert chosen(_backend.choice_for_devices, "fused").name == "fused"
    with pytest.warns(RuntimeWarning, match="do not run on a TPU"):
        assert chosen(_backend.choice_for_devices, "auto").name == "composite"


def use(backend, before=""):
    return json_of(USE.format(before=before), GRADOPS_BACKEND=backend)


@pytest.fixture(scope="module")
def fused():
    return use("fused")


def assert_same_results(found, fused):
    for ours, theirs in zip(found["results"], fused["results"], strict=True):
        assert_close_lists(ours, theirs)


def assert_close_lists(ours, theirs):
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_close_lists(one, other)
    else:
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


@EXTENDED
def test_auto_is_fused_where_it_can_be(fused):
    for backend in (None, "", "auto"):
        found = use(backend)
        assert found["backend"] == "fused" and not found["reason"] and not found["warnings"]
        assert found["results"] == fused["results"]


@EXTENDED
def test_composite_gives_the_same_results_without_a_warning(fused):
    found = use("composite")
    assert found["backend"] == "composite" and found["reason"] == "GRADOPS_BACKEND=composite"
    assert not found["warnings"]
    assert_same_results(found, fused)


@EXTENDED
@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (ANOTHER, r"no adapter for TensorFlow 2\.20\.0 .*gradops build; .*pip install"),
        (BROKEN, "cannot load .*undefined symbol.*gradops build"),
        ("sys.modules['gradops._kernels'] = None", "is not built for this Python: .*pip install"),
    ],
    ids=["another TensorFlow", "missing symbols", "not built"],
)
def test_what_does_not_load_is_composed_with_one_warning(fused, before, reason):
    found = use(None, before)
    assert found["backend"] == "composite"
    (warning,) = found["warnings"]
    assert re.search(reason, warning) and re.search(reason, found["reason"])
    assert "GRADOPS_BACKEND=fused" in warning and "GRADOPS_BACKEND=composite silences" in warning
    assert_same_results(found, fused)
    silent = use("composite", before)
    assert silent["backend"] == "composite" and not silent["warnings"]
    refused = run_python(USE.format(before=before), GRADOPS_BACKEND="fused")
    assert refused.returncode == 1
    assert re.search(f"ImportError: .*{reason}", refused.stderr.strip().splitlines()[-1])


@EXTENDED
def test_the_python_files_alone(tmp_path, fused):
    """As on a platform that nothing was built for."""
    shutil.copytree(
        Path(gradops.__file__).parent,
        tmp_path / "gradops",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    code = f"sys.path.insert(0, {str(tmp_path)!r})"
    # An editable install finds the package by a hook of its own.
    code += "; sys.meta_path = [x for x in sys.meta_path if 'editable' not in repr(x).lower()]"
    found = use(None, code)
    assert found["backend"] == "composite" and len(found["warnings"]) == 1
    assert "is not built for this Python" in found["reason"]
    assert_same_results(found, fused)


@EXTENDED
@pytest.mark.parametrize("backend", [None, "fused", "composite"])
def test_no_tensorflow(backend):
    code = "import sys; sys.modules['tensorflow'] = None; import gradops"
    process = run_python(code, GRADOPS_BACKEND=backend)
    assert process.returncode == 1
    message = process.stderr.strip().splitlines()[-1]
    assert re.match("ImportError: gradops needs TensorFlow and none is installed", message)
    assert "pip install 'tensorflow-cpu==" in message
