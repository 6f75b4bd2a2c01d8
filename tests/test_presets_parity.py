"""Every preset beside its definition, and the script that makes the table of that."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from preset_tools import OF_PREDICTIONS, OPTIONS, Case, all_cases, assert_parity

from gradops import presets

CASES = all_cases()
each_case = pytest.mark.parametrize("name", CASES)


@each_case
@pytest.mark.usefixtures("backend")
def test_parity(rng, name):
    for inputs in CASES[name].inputs(rng, False):
        assert_parity(CASES[name], inputs, "float64")


@each_case
def test_parity_in_float32(rng, name):
    for inputs in CASES[name].inputs(rng, False):
        assert_parity(CASES[name], inputs, "float32")


@each_case
def test_gradient_by_the_target(rng, name):
    case = CASES[name]
    if name in OF_PREDICTIONS:
        pytest.skip("looks at no target")
    swapped = case._replace(
        preset=lambda p, t, **options: case.preset(t, p, **options),
        reference=lambda p, t, **options: case.reference(t, p, **options),
    )
    for target, prediction, options in case.inputs(rng, False):
        if "mask" not in options:
            assert_parity(swapped, (prediction, target, options), "float64")


@pytest.mark.extended
@each_case
@pytest.mark.parametrize("seed", range(20))
def test_parity_of_all_inputs(name, seed):
    for inputs in CASES[name].inputs(np.random.default_rng(seed), True):
        for dtype in ("float64", "float32") if seed == 0 else ("float64",):
            assert_parity(CASES[name], inputs, dtype)


def second_moment(_y_true, y_pred):
    return tf.reduce_mean(y_pred**2, axis=[1, 2, 3])


def case_of(factor):
    """A function beside a reference that is so many times as large."""
    images = np.ones((2, 3, 3, 1)), np.ones((2, 3, 3, 1))
    reference = lambda t, p: factor * second_moment(t, p)  # noqa: E731
    return Case(second_moment, reference, "nobody", "composed", lambda *_: iter([(*images, {})]))


def test_the_table(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "build_support"))
    import preset_parity as script

    functions = {name for name in presets.__all__ if name.islower()} - {"align_scale_and_shift"}
    assert script.cases().keys() == CASES.keys()
    assert {name.split(", ")[0] for name in CASES} == functions == set(OPTIONS)
    monkeypatch.setattr(script, "cases", lambda: {'one, a="b"': case_of(1), "two": case_of(1.25)})
    *head, one, two = script.table().splitlines()
    assert "\n".join(head) == script.HEAD
    number = r"\de[+-]\d\d"
    assert re.fullmatch(rf'\| `one`, `a="b"` \| nobody \| composed( \| {number}){{4}} \|', one)
    assert two == "| `two` | nobody | composed | 2e-01 | 2e-01 | 2e-01 | 2e-01 |"
    monkeypatch.setattr(script, "cases", lambda: {"wrong": case_of(np.nan)})
    with pytest.raises(ValueError, match="wrong is far from its definition"):
        script.table()
    page = f"a\n{script.BEGIN}\nold\n{script.END} z\n"
    assert script.with_table(page, "new") == f"a\n{script.BEGIN}\nnew\n{script.END} z\n"
