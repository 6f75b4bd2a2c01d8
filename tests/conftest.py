"""What all tests share."""

import numpy as np
import pytest

pytest.register_assert_rewrite("family_checks", "kernel_tools", "op_tools", "reference_tools")


def pytest_configure(config):
    config.addinivalue_line("markers", "extended: part of the long sweep of make test-extended")


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(20240607)
