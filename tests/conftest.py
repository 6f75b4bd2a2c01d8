"""What all tests share, and which of them run on the composition as well.

With GRADOPS_BACKEND=composite the tests of the public functions run on `gradops.composite`; those
of the kernels and of other tools are not collected, nor is what only the fused ops do ("fused").

With --device GPU:0 the tests run with their tensors there (on_device.py).
"""

import os
import zlib
from collections import Counter

import numpy as np
import pytest
from on_device import runs_on_device

pytest.register_assert_rewrite("cuda_tools", "family_cases", "family_checks", "family_tools", "op_tools", "reference_tools")

IS_COMPOSITE = os.environ.get("GRADOPS_BACKEND") == "composite"
NOT_PUBLIC = ["benchmarks", "build", "composite", "cpu_targets", "cuda", "demo", "errors_raw"]
NOT_PUBLIC += ["family", "gpu", "kernels", "loading", "memo", "reference", "registry"]
collect_ignore_glob = [f"test_{name}*.py" for name in NOT_PUBLIC if IS_COMPOSITE]


def pytest_addoption(parser):
    parser.addoption("--every", type=int, default=1, help="of a test's cases, one in so many")
    parser.addoption("--device", default="", help="where TensorFlow places the tests' tensors")
    parser.addoption(
        "--device-libraries", action="store_true", help="convolutions run on that device"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "extended: part of the long sweep of make test-extended")
    config.addinivalue_line("markers", "fused: of the fused ops alone, not of their composition")


def pytest_collection_modifyitems(config, items):
    seen = Counter()
    kept, left_out = [], []
    for item in items:
        function = item.nodeid.split("[")[0]
        # By a hash, so that no parameter is stuck at one value; the first case always.
        drawn = zlib.crc32(item.nodeid.encode()) % config.getoption("every") == 0
        chosen = drawn or not seen[function]
        chosen = chosen and not (IS_COMPOSITE and item.get_closest_marker("fused"))
        if config.getoption("device"):
            libraries = config.getoption("device_libraries")
            chosen = chosen and runs_on_device(item.module.__name__, item.originalname, libraries)
        (kept if chosen else left_out).append(item)
        seen[function] += 1
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    device = item.config.getoption("device")
    if not device:
        return (yield)
    import tensorflow as tf

    with tf.device(device):
        return (yield)


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(20240607)
