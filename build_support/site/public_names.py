"""A hook of MkDocs: pages of the reference list modules, and their public names are found.

A line `<!-- public: gradops.losses gradops.metrics -->` becomes one `:::` of mkdocstrings for each
name that the package of those modules exports from them, in the order of the modules and, within
one, of their sources, a level below the heading above. A public name that no page has is a warning,
and so an error of `make docs`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.plugins import get_plugin_logger

ROOT = Path(__file__).resolve().parents[2]
#: What exports public names; all those of the complete ones must be on a page.
PACKAGES = ("gradops", "gradops.presets", "gradops.reference")
COMPLETE = ("gradops", "gradops.presets")
#: Modules, which pages describe as such, and a string.
OTHERS = {"gradops.presets", "gradops.reference", "gradops.composite", "gradops.__version__"}
_HEADING = re.compile(r"^(#+) ", re.MULTILINE)
_MARKER = re.compile(r"^<!-- public: ([\w. ]+) -->$", re.MULTILINE)

_log = get_plugin_logger("public_names")
_shown: set[str] = set()


def load() -> griffe.Module:
    """The package, from its sources."""
    package = griffe.load(
        "gradops", search_paths=[ROOT], allow_inspection=False, resolve_aliases=True
    )
    assert isinstance(package, griffe.Module)
    return package


def exports(package: griffe.Module, path: str) -> dict[str, griffe.Object | griffe.Alias]:
    """What the package at `path`, gradops or one inside it, exports by name."""
    exporter = package if path == package.path else package[path.removeprefix("gradops.")]
    return {str(name): exporter.members[str(name)] for name in exporter.exports or ()}


def public_names(package: griffe.Module, module: str) -> list[str]:
    """Paths, such as "gradops.SobelLoss", of the functions and classes exported from `module`."""
    found = []
    for path in PACKAGES:
        for name, member in exports(package, path).items():
            if isinstance(member, griffe.Alias) and member.target_path == f"{module}.{name}":
                target = package[member.target_path.removeprefix("gradops.")]
                if target.is_function or target.is_class:
                    found.append((target.lineno or 0, f"{path}.{name}"))
    return [name for _, name in sorted(found)]


def on_pre_build(config: Any) -> None:
    """Forgets what an earlier build showed."""
    _shown.clear()


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page with its markers replaced."""
    if not _MARKER.search(markdown):
        return markdown
    package = load()

    def directives(marker: re.Match[str]) -> str:
        names = [name for module in marker[1].split() for name in public_names(package, module)]
        if not names:
            _log.warning("%s: no public names in %s", page.file.src_uri, marker[1])
        _shown.update(names)
        level = len(_HEADING.findall(markdown[: marker.start()])[-1]) + 1
        options = f"    options:\n      heading_level: {level}"
        return "\n\n".join(f"::: {name}\n{options}" for name in names)

    return _MARKER.sub(directives, markdown)


def on_env(env: Any, config: Any, files: Any) -> None:
    """Warns of public names that no page has."""
    package = load()
    for path in COMPLETE:
        names = {f"{path}.{name}" for name in exports(package, path)}
        for name in sorted(names - _shown - OTHERS):
            _log.warning("%s is public, but on no page of docs/api", name)
