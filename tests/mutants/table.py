"""The table of faults, what was found about them, and how both are shown."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

try:
    import tomllib
except ImportError:
    sys.exit("tests/mutants needs Python 3.11 or later, which reads TOML (tomllib)")

#: What caught a mutant that lives.
NOTHING = "nothing"
#: What "caught" a mutant that is no program: a fault of the table.
NO_BUILD = "does not build"


class Mutant(NamedTuple):
    """A small fault."""

    name: str
    file: str
    text: str
    replacement: str
    breaks: str
    tests: tuple[str, ...] = ()

    def digest(self) -> str:
        """What a result belongs to."""
        fault = "\0".join((self.file, self.text, self.replacement))
        return hashlib.sha256(fault.encode()).hexdigest()[:16]

    def is_compiled(self) -> bool:
        """Whether it takes a build."""
        return self.file.startswith("csrc/")


def read_table() -> list[Mutant]:
    """All mutants, in the order of the files."""
    folder = Path(__file__).resolve().parent
    tables = [tomllib.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.toml"))]
    rows = [row for table in tables for row in table["mutant"]]
    return [Mutant(**{**row, "tests": tuple(row.get("tests", ()))}) for row in rows]


def check(mutants: list[Mutant], tree: Path) -> list[str]:
    """What is wrong: names that repeat, texts that are not in their file exactly once."""
    names = [mutant.name for mutant in mutants]
    wrong = [f"{name}: the name is not unique" for name in set(names) if names.count(name) > 1]
    for mutant in mutants:
        path = tree / mutant.file
        count = path.read_text("utf-8").count(mutant.text) if path.is_file() else 0
        if count != 1:
            wrong.append(f"{mutant.name}: its text is {count} times in {mutant.file}")
        if mutant.text == mutant.replacement:
            wrong.append(f"{mutant.name}: it changes nothing")
    return wrong


def read_results(path: Path, mutants: list[Mutant]) -> dict[str, dict[str, Any]]:
    """The newest result of each mutant that is still what it was."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    digests = {mutant.name: mutant.digest() for mutant in mutants}
    found = [json.loads(line) for line in lines]
    return {row["name"]: row for row in found if digests.get(row["name"]) == row["digest"]}


def show(mutants: list[Mutant], results: dict[str, dict[str, Any]]) -> bool:
    """Prints the table in Markdown. Returns whether tests caught every mutant."""
    print("\n| fault | what it breaks | caught by | seconds |\n| --- | --- | --- | --- |")
    alive, untried = [], []
    for mutant in mutants:
        row = results.get(mutant.name)
        if row is None:
            untried.append(mutant.name)
            continue
        seconds = f"{row['seconds']:.0f}"
        print(f"| {mutant.name} | {mutant.breaks} | {row['caught_by']} | {seconds} |")
        if row["caught_by"] in (NOTHING, NO_BUILD):
            alive.append(mutant.name)
    print(f"\n{len(mutants) - len(untried) - len(alive)} of {len(mutants)} are caught.")
    for what, names in (("Not caught", alive), ("Not tried", untried)):
        if names:
            print(f"{what}: {', '.join(names)}")
    return not alive and not untried
