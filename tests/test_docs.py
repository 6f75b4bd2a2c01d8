"""Docstring examples run, and the public API is documented in the agreed form."""

import doctest
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from preset_tools import all_cases

import gradops

NAMES = {"gradops": gradops, "tf": tf, "keras": keras}
PUBLIC = [
    *(getattr(gradops, name) for name in gradops.__all__),
    *(getattr(gradops.presets, name) for name in gradops.presets.__all__),
]
DOCUMENTED = [item for item in PUBLIC if inspect.isfunction(item) or inspect.isclass(item)]
PRESETS = [item for item in DOCUMENTED if item.__module__.startswith("gradops.presets.")]
BASES = (gradops.presets.PresetLoss, gradops.presets.PresetMetric)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "presets.md"


@pytest.mark.parametrize("item", DOCUMENTED, ids=lambda item: item.__name__)
def test_examples_run(item):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    tests = doctest.DocTestFinder(recurse=False).find(item, item.__name__, globs=dict(NAMES))
    examples = 0
    for test in tests:
        examples += len(test.examples)
        assert runner.run(test).failed == 0
    assert examples > 0


def test_docstrings_name_every_argument():
    for item in DOCUMENTED:
        doc = inspect.getdoc(item)
        for name, parameter in inspect.signature(item).parameters.items():
            prefix = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
            assert f"{prefix}{name}:" in doc, (item, name)
        assert "Raises:" in doc and "Example:" in doc, item


def test_docstrings_of_presets():
    """The formula comes first and the source last; classes name the options of their function."""
    for item in PRESETS:
        doc = inspect.getdoc(item)
        first, *_, last = doc.split("\n\n")
        assert " = " in first or first.startswith(("mean ", "(")), first
        assert last.startswith("Source: "), item
        if not inspect.isclass(item) or item in BASES:
            continue
        loss = getattr(item, "loss_class", item)
        for name, parameter in inspect.signature(loss.function).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and name not in ("mask", "weights"):
                all_of_them = "**options: Those of the function, but mask and weights" in doc
                assert re.search(rf"\b{name}\b", doc) or all_of_them, (item, name)


def test_the_page_of_presets_names_them_all():
    page = PAGE.read_text()
    for item in PRESETS:
        # A metric goes with its loss; losses are shown by their class, tables by the function.
        assert item in BASES or item.__name__ in page or hasattr(item, "loss_class"), item
    table = page.split("begin -->")[1].split("<!-- end -->")[0]
    rows = re.findall(r"^\| `(\w+)`(?:, `(.*?)`)? \|", table, re.MULTILINE)
    listed = [f"{name}, {option}" if option else name for name, option in rows]
    assert listed == list(all_cases())
    functions = {item.__name__ for item in PRESETS if inspect.isfunction(item)}
    assert {name for name, _ in rows} == functions - {"align_scale_and_shift"}


def test_the_examples_of_the_page_of_presets_run():
    rng = np.random.default_rng(1)
    y_true, y_pred = (0.5 + rng.random((2, 48, 48, 1)).astype("float32") for _ in range(2))
    model = keras.Sequential([keras.layers.Conv2D(1, 3)])
    names = {**NAMES, "y_true": y_true, "y_pred": y_pred, "model": model}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 15
    for block in blocks:
        names.pop("loss", None)
        exec(block, names)
        if "loss" in names:
            assert np.isfinite(names["loss"](y_true, y_pred))


def test_the_tests_that_the_page_of_compatibility_names_are_there():
    """By file, with wildcards, and by the beginning of a function's name."""
    folder = PAGE.parents[1] / "tests"
    for line in PAGE.with_name("compatibility.md").read_text().splitlines():
        texts: list[str] = []
        for pattern, name in re.findall(r"`(test_[\w*]+\.py)?(?:::(test_\w+)(?:\.\.\.)?)?`", line):
            texts = [path.read_text() for path in folder.glob(pattern)] if pattern else texts
            if pattern or name:
                assert any(f"def {name}" in text for text in texts) if name else texts, (
                    pattern,
                    name,
                )
