"""Docstring examples run, and the public API is documented in the agreed form."""

import doctest
import inspect

import keras
import pytest
import tensorflow as tf

import gradops

PUBLIC = [getattr(gradops, name) for name in gradops.__all__]
DOCUMENTED = [item for item in PUBLIC if inspect.isfunction(item) or inspect.isclass(item)]


@pytest.mark.parametrize("item", DOCUMENTED, ids=lambda item: item.__name__)
def test_examples_run(item):
    names = {"gradops": gradops, "tf": tf, "keras": keras}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    tests = doctest.DocTestFinder(recurse=False).find(item, item.__name__, globs=names)
    examples = 0
    for test in tests:
        examples += len(test.examples)
        assert runner.run(test).failed == 0
    assert examples > 0


@pytest.mark.parametrize("item", DOCUMENTED, ids=lambda item: item.__name__)
def test_docstrings_name_every_argument(item):
    doc = inspect.getdoc(item)
    for name, parameter in inspect.signature(item).parameters.items():
        prefix = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        assert f"{prefix}{name}:" in doc, name
    assert "Raises:" in doc and "Example:" in doc
