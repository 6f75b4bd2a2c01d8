"""Every snippet of docs/migration.md gives the same before and after."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from op_tools import images

import gradops

PAGE = Path(__file__).parent.parent / "docs" / "migration.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda code: code.split("\n")[-2])
def test_before_and_after_are_the_same(rng, snippet):
    y_true, y_pred = images(rng, (2, 12, 9, 3), "float32")
    names = {"tf": tf, "gradops": gradops, "y_true": y_true, "y_pred": y_pred}
    exec(snippet, names)
    assert names["before"].shape == names["after"].shape
    np.testing.assert_allclose(names["after"], names["before"], rtol=1e-5)
