"""The script that makes the table of parity."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from preset_tools import Case

import gradops

FOLDER = Path(__file__).resolve().parents[1] / "build_support"


def second_moment(_y_true, y_pred):
    return tf.reduce_mean(y_pred**2, axis=[1, 2, 3])


def case(factor):
    """A function beside a reference that is so many times as large."""
    return Case(
        second_moment,
        lambda t, p: factor * second_moment(t, p),
        "nobody",
        "composed",
        lambda rng: iter([(rng.random((2, 3, 3, 1)), rng.random((2, 3, 3, 1)), {})]),
    )


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import preset_parity

    return preset_parity


def test_rows(script, monkeypatch):
    monkeypatch.setattr(script, "cases", lambda: {'one, a="b"': case(1), "other": case(1.25)})
    *head, one, other = script.table().splitlines()
    assert "\n".join(head) == script.HEAD
    number = r"\de-\d\d"
    row = rf'\| `one`, `a="b"` \| nobody \| composed( \| ({number}|0e\+00)){{4}} \|'
    assert re.fullmatch(row, one)
    assert other == "| `other` | nobody | composed | 2e-01 | 2e-01 | 2e-01 | 2e-01 |"


@pytest.mark.parametrize("factor", [0.25, np.nan])
def test_a_preset_that_is_something_else_gets_no_row(script, monkeypatch, factor):
    monkeypatch.setattr(script, "cases", lambda: {"wrong": case(factor)})
    with pytest.raises(ValueError, match="wrong is far from its definition"):
        script.table()


def test_every_preset_has_a_case(script):
    presets = gradops.presets
    functions = {name for name in presets.__all__ if name.islower()} - {"align_scale_and_shift"}
    assert {name.split(", ")[0] for name in script.cases()} == functions


def test_the_table_goes_between_the_markers(script):
    page = f"a\n{script.BEGIN}\nold\n{script.END} z\n"
    assert script.with_table(page, "new") == f"a\n{script.BEGIN}\nnew\n{script.END} z\n"
    with pytest.raises(ValueError):
        script.with_table("no markers", "new")
