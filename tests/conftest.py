"""What all tests share: a generator, the backend that computes, and a device for the tensors.

With --device GPU:0 the tests run with their tensors there, but for those that are `cpu_only`.
"""

import contextlib
import os
import zlib
from collections import Counter

# Before NumPy and TensorFlow are imported: the workers of pytest-xdist share the cores. Two threads
# rather than one, so that work which threads divide is still divided.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "2")

import numpy as np
import pytest

pytest.register_assert_rewrite(
    "cuda_tools",
    "family_cases",
    "family_checks",
    "family_tools",
    "op_tools",
    "reference_tools",
    "weights_tools",
)


def pytest_addoption(parser):
    parser.addoption("--every", type=int, default=1, help="of a test's cases, one in so many")
    parser.addoption("--device", default="", help="where TensorFlow places the tests' tensors")


def pytest_collection_modifyitems(config, items):
    seen = Counter()
    kept, left_out = [], []
    for item in items:
        function = item.nodeid.split("[")[0]
        # By a hash, so that no parameter is stuck at one value; the first case always.
        drawn = zlib.crc32(item.nodeid.encode()) % config.getoption("every") == 0
        chosen = drawn or not seen[function]
        if config.getoption("device"):
            chosen = chosen and item.get_closest_marker("cpu_only") is None
            # The composition is TensorFlow's own code on a device.
            given = item.callspec.params if hasattr(item, "callspec") else {}
            chosen = chosen and given.get("backend") != "composite"
        (kept if chosen else left_out).append(item)
        seen[function] += 1
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    place = contextlib.nullcontext()
    if item.config.getoption("device"):
        import tensorflow as tf

        place = tf.device(item.config.getoption("device"))
    try:
        with place:
            return (yield)
    except Exception as error:
        # What csrc/bindings/xla/xla_kernels.cc says under TensorFlow 2.16 and 2.17.
        if "gradops runs under XLA with TensorFlow" in str(error):
            pytest.skip("this TensorFlow's XLA calls no functions of others")
        raise


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(20240607)


def use_backend(monkeypatch, name):
    """Makes the public functions compute with that backend until the test ends."""
    from gradops import _backend

    assert _backend.choice().name == "fused", _backend.choice().reason
    if name == "fused":
        return
    choice = _backend.Choice(name, "a test asks for it")
    for function in ("choice", "choice_for_devices", "in_use"):
        monkeypatch.setattr(_backend, function, lambda: choice)
    monkeypatch.setattr(_backend, "_fused_ops", lambda: None)


@pytest.fixture(params=["fused", "composite"])
def backend(request, monkeypatch):
    """The test runs with the fused ops and again with their composition."""
    use_backend(monkeypatch, request.param)
    return request.param
