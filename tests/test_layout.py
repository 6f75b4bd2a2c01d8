"""The tree is as docs/design.md draws it, and nobody includes or imports against the arrows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DESIGN = (ROOT / "docs" / "design.md").read_text()
MAP = DESIGN.partition("## 4. Layout")[2].split("```")[1]
DRAWN = set(re.findall(r"^((?:csrc|gradops)/[\w/]*)/ ", MAP, re.MULTILINE)) | {"gradops"}

# Folder -> what its sources may include of ours. Folders further down are those of the first part.
MAY_INCLUDE = {
    "math": [],
    "family": ["math"],
    "op": ["math", "family"],
    "cpu": ["math", "family", "op"],
    "cuda": ["math", "family", "op"],
    "bindings": ["math", "family", "op"],
}
# What a binding takes of a backend beside its launchers, which op/launch.h declares.
ALSO = {"cpu/launch/cpu_target.h", "cpu/launch/huge_pages.h"}
EMULATION = "csrc/bindings/python/emulation_module.cc"

# Package -> what its modules may import of ours, when they are loaded.
MAY_IMPORT = {
    "_adapters": [],
    "_library": ["_adapters"],
    "_inputs": ["_library"],
    "_fused": ["_library", "_inputs"],
    "_composite": ["_inputs"],
    "_backend": ["_adapters", "_library"],
    "_commands": ["_adapters", "_backend", "_library", "reference"],
    "_scales": ["_backend", "_inputs"],
    "_keras": ["_inputs"],
    "reference": [],
}


def folders(top, pattern):
    files = [path for path in (ROOT / top).rglob(pattern) if "__pycache__" not in path.parts]
    return {path.parent.relative_to(ROOT).as_posix() for path in files}


def test_the_map_has_every_folder_and_no_other():
    found = folders("csrc", "*.[ch]*") | folders("gradops", "*.py")
    demo = {name for name in found if name.startswith("gradops/demo/")}
    assert found - demo == DRAWN


def test_every_path_that_contributing_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:csrc|gradops|tests|docs|benchmarks)/[\w/.*]+)`", text)
    assert len(named) > 20
    assert not [name for name in named if not list(ROOT.glob(name))]


@pytest.mark.parametrize("folder", MAY_INCLUDE)
def test_includes_follow_the_arrows(folder):
    for path in (ROOT / "csrc" / folder).rglob("*.*"):
        name = path.relative_to(ROOT).as_posix()
        allowed = [folder, *MAY_INCLUDE[folder], *(["cuda"] if name == EMULATION else [])]
        for header in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
            if not (ROOT / "csrc" / header).exists():  # of TensorFlow or XLA
                assert folder == "bindings" and header.startswith(("tensorflow/", "xla/", "absl/"))
            elif not (folder == "bindings" and header in ALSO):
                assert header.split("/")[0] in allowed, f"{name} includes {header}"


def imported(path):
    """The modules of ours that a module imports when it is loaded, but for its type checker."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradops"):
            names = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            yield from names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_follow_the_arrows(package):
    path = ROOT / "gradops" / package
    for module in path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]:
        others = set(imported(module)) - {package}
        assert others <= set(MAY_IMPORT[package]), f"{module.name} imports {others}"


def test_nothing_of_the_product_imports_the_composition():
    for path in (ROOT / "gradops").rglob("*.py"):
        if path.parent.name != "_composite" and path.name != "composite.py":
            assert "_composite" not in set(imported(path)), path
